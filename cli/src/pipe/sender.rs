//! One transfer, from the side that sends and measures.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use indicatif::ProgressBar;
use nix::time::{ClockId, clock_gettime};

use super::args::Args;
use super::control::{Control, FromReceiver, FromSender};
use super::failure::Failure;
use super::output::Part;
use super::progress;
use super::source::{Blocks, Source};
use super::tally::{Meter, Tally};
use super::transport::{Channel, Transport};

/// The program itself, even if its file was replaced meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Nanoseconds on the clock that all processes of a machine share.
pub(super) fn now() -> Result<u64> {
    let time = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC)?);
    Ok(time.as_nanos().try_into()?)
}

/// How a transfer went that was verified.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) transport: Transport,
    pub(super) capacity: usize,
    pub(super) tally: Tally,
    pub(super) time: Duration,
}

/// A transport, and a receiver at its other end that is ready.
pub(super) struct Sender {
    transport: Transport,
    writer: Box<dyn Write>,
    capacity: usize,
    block: usize,
    /// What is written at once.
    piece: usize,
    receiver: Receiver,
}

impl Sender {
    /// Opens the transport and starts the receiver.
    pub(super) fn start(transport: Transport, args: &Args, part: Option<&Part>) -> Result<Self> {
        let Channel {
            writer,
            far,
            capacity,
        } = transport.open(args.capacity())?;
        let block = args.block();
        let mut receiver = Receiver::start(transport, far, block, part)?;
        match receiver.control.hear()? {
            Some(FromReceiver::Ready) => {}
            other => return Err(receiver.ended(other, 0)),
        }
        Ok(Self {
            transport,
            writer,
            capacity,
            block,
            piece: args.record().unwrap_or(block),
            receiver,
        })
    }

    /// Sends everything, and compares what arrived. Keeps the file that the receiver
    /// wrote, if it is given.
    pub(super) fn transfer(mut self, source: &Source, part: Option<Part>) -> Result<Outcome> {
        let bar = progress::bar(source.len(), self.transport);
        let blocks = source.blocks(self.block);
        let start = now()?;
        let sent = self.send(blocks, &bar)?;
        // That is the end of the data.
        drop(self.writer);
        bar.finish_and_clear();
        let (arrived, end) = match self.receiver.control.hear()? {
            Some(FromReceiver::Arrived { tally, at }) => (tally, at),
            other => return Err(self.receiver.ended(other, sent.bytes)),
        };
        sent.verify(&arrived, self.transport)?;
        if let Some(part) = part {
            part.keep()?;
        }
        self.receiver.finish()?;
        Ok(Outcome {
            transport: self.transport,
            capacity: self.capacity,
            tally: sent,
            time: Duration::from_nanos(end.saturating_sub(start)),
        })
    }

    fn send(&mut self, mut blocks: Blocks<'_>, bar: &ProgressBar) -> Result<Tally> {
        let mut meter = Meter::new();
        while let Some(block) = blocks.next()? {
            let sent = meter.bytes();
            meter.add(block, block.len().div_ceil(self.piece));
            for piece in block.chunks(self.piece) {
                if let Err(error) = self.writer.write_all(piece) {
                    return Err(self.receiver.refused(error, sent));
                }
            }
            bar.inc(block.len() as u64);
        }
        Ok(meter.finish())
    }
}

/// The process at the other end. Killed when dropped, unless it has finished.
struct Receiver {
    transport: Transport,
    child: Child,
    control: Control,
}

impl Receiver {
    fn start(
        transport: Transport,
        far: OwnedFd,
        block: usize,
        part: Option<&Part>,
    ) -> Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let mut command = Command::new(THIS_PROGRAM);
        command
            .arg0("zocket")
            .arg("pipe-receive")
            .arg(format!("--transport={}", transport.argument()))
            .arg(format!("--block={block}"))
            .stdin(Stdio::null())
            .stdout(OwnedFd::from(theirs))
            // Ctrl-C on a terminal is for this process alone: the other is to see its end,
            // and to clean up.
            .process_group(0);
        if let Some(part) = part {
            command.arg("--part").arg(part.path());
        }
        let child = transport
            .spawn(command, far)
            .context("cannot start the receiving process")?;
        Ok(Self {
            transport,
            child,
            control: Control::new(ours),
        })
    }

    /// Why the receiver is not going on, though it has not everything, in view of the last
    /// that was heard of it.
    fn ended(&mut self, heard: Option<FromReceiver>, sent: u64) -> anyhow::Error {
        match heard {
            Some(FromReceiver::Failed(text)) => {
                anyhow!("the receiver of the {} failed: {text}", self.transport)
            }
            Some(other) => anyhow!(
                "the receiver of the {} did not expect more: {other:?}",
                self.transport
            ),
            // It has closed its standard output: it is gone, or about to be.
            None => match self.child.wait() {
                Err(error) => error.into(),
                Ok(status) => Failure::ReceiverGone {
                    transport: self.transport,
                    pid: self.child.id(),
                    status,
                    sent,
                }
                .into(),
            },
        }
    }

    /// Why a write failed.
    fn refused(&mut self, error: io::Error, sent: u64) -> anyhow::Error {
        // Only these mean that there is nobody to read, and so something to hear; the second comes of a socket
        // with something in it that was not read.
        let gone = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
        if !gone.contains(&error.kind()) {
            let context = format!("cannot write to the {}", self.transport);
            return anyhow::Error::from(error).context(context);
        }
        match self.control.hear() {
            Ok(heard) => self.ended(heard, sent),
            Err(error) => error.into(),
        }
    }

    /// Lets the receiver go.
    fn finish(&mut self) -> Result<()> {
        self.control.say(&FromSender::Verified)?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the receiver of the {} ended with {status}", self.transport);
        }
        Ok(())
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Neither does anything to a process that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

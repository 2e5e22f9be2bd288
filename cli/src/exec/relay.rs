//! Copying between the pipes of a command and its end of the pair.
//!
//! One thread for each direction, so that neither waits for the other. Bytes go from the
//! pipe into the ring, and out of it, without a buffer in between.
//!
//! The ends of streams are passed on. A command that closes its output has its writing disabled: the
//! other one reads the rest and then the end of its input. Of one that does not read, the input breaks when it
//! is written to; then the other one's output is refused here, and its pipe closed.

use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStdin, ChildStdout, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use zocket::{Error, OwnedReadHalf, OwnedWriteHalf, Stream};

use super::commands;

/// What is copied at once: as much as a pipe holds, as a rule.
const PIECE: usize = 64 << 10;

/// What copies for one command.
#[derive(Debug)]
pub(super) struct Relay {
    threads: Vec<JoinHandle<zocket::Result<()>>>,
    /// Whether nobody reads any more what the command writes.
    refused: Arc<AtomicBool>,
}

impl Relay {
    /// Copies between an end and those pipes that there are.
    pub(super) fn start(
        end: Stream,
        stdin: Option<ChildStdin>,
        stdout: Option<ChildStdout>,
    ) -> Self {
        let refused = Arc::new(AtomicBool::new(false));
        // A half without a pipe is dropped, which ends its direction.
        let (reader, writer) = end.into_split();
        let mut threads = Vec::new();
        if let Some(stdin) = stdin {
            threads.push(thread::spawn(move || drain(reader, &stdin)));
        }
        if let Some(stdout) = stdout {
            let refused = Arc::clone(&refused);
            threads.push(thread::spawn(move || {
                let result = feed(writer, &stdout);
                if result != Ok(Fed::All) {
                    // Before the pipe is closed, and the command killed by that.
                    // ORDERING: Relaxed; the kernel stands between this and whoever has waited for the command.
                    refused.store(true, Ordering::Relaxed);
                }
                result.map(drop)
            }));
        }
        Self { threads, refused }
    }

    /// What a command has to say that ended so: nothing, if it was killed because nobody reads any more.
    pub(super) fn status(&self, ended: ExitStatus) -> u8 {
        let was_refused = self.refused.load(Ordering::Relaxed);
        if was_refused && ended.signal() == Some(Signal::SIGPIPE as i32) {
            return 0;
        }
        commands::status(ended)
    }

    /// Reports what went wrong. Does not wait for processes that commands have left behind and that
    /// still have their pipes.
    pub(super) fn finish(self) -> Result<()> {
        let ended = self.threads.into_iter().filter(JoinHandle::is_finished);
        for thread in ended {
            thread
                .join()
                .map_err(|_| anyhow!("a thread that copies has panicked"))?
                .context("cannot copy between the commands")?;
        }
        Ok(())
    }
}

/// How the output of a command came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fed {
    /// All of it was written.
    All,
    /// Nobody reads it any more.
    Refused,
}

/// Writes what comes out of a pipe.
fn feed(mut writer: OwnedWriteHalf, pipe: &ChildStdout) -> zocket::Result<Fed> {
    // Enough to be worth waking for.
    let some = writer.info().capacity.min(PIECE) / 4;
    loop {
        match writer.try_write_from_fd(pipe, PIECE) {
            Ok(0) => return Ok(Fed::All),
            Ok(_) => {}
            Err(Error::WouldBlock) => writer.wait_writable(some, None)?,
            Err(Error::PeerClosed | Error::WriteDisabled) => return Ok(Fed::Refused),
            Err(error) if is_os(error, Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes what can be read to a pipe, until there is no more, or nobody reads the pipe.
fn drain(mut reader: OwnedReadHalf, pipe: &ChildStdin) -> zocket::Result<()> {
    loop {
        match reader.try_read_to_fd(pipe, PIECE) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(Error::WouldBlock) => reader.wait_readable(1, None)?,
            Err(error) if is_os(error, Errno::EPIPE) => return Ok(()),
            Err(error) if is_os(error, Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_os(error: Error, expected: Errno) -> bool {
    matches!(error, Error::Os { errno, .. } if errno == expected as i32)
}

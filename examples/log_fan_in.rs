//! Eight processes write lines of a log, and one collects them into a file in the order in which they arrive.
//!
//! Shows: a `Port` that waits for many endpoints, producers that wait when the collector is behind, and
//! that nothing is lost of what a process had sent that is killed in the middle. The
//! producers are this program once more.
//!
//! Run it with `cargo run --example log_fan_in`.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, raise};
use zocket::{Builder, Datagram, Error, Packet, Port, Signals, Trigger, process};

/// Both must know it: there may be several endpoints.
const NAME: &str = "log";
const PRODUCERS: usize = 8;
/// Lines of each producer.
const LINES: usize = 5000;
/// This one is killed after so many.
const KILLED: usize = 3;
const LINES_OF_KILLED: usize = 1234;

/// Most lines that are taken of one producer before it is the others' turn.
const BATCH: usize = 64;
/// No line is longer.
const LONGEST: usize = 256;

fn main() -> Result<()> {
    match Datagram::inherited(NAME) {
        Ok(endpoint) => produce(endpoint),
        // Nobody passed anything to this process, so it is the parent.
        Err(Error::NotInherited) => collect(),
        Err(error) => Err(error.into()),
    }
}

fn line(producer: usize, number: usize) -> String {
    format!("producer {producer}: line {number} of what it has to say")
}

// A producer.

fn produce(mut log: Datagram) -> Result<()> {
    let number = std::env::args().nth(1).context("which one am I?")?;
    let number = number.parse()?;
    for at in 0..LINES {
        if number == KILLED && at == LINES_OF_KILLED {
            // Nothing is dropped or closed in order.
            raise(Signal::SIGKILL)?;
        }
        log.send(line(number, at).as_bytes())?;
    }
    Ok(())
}

// The collector.

struct Source {
    /// Until it has ended.
    log: Option<Datagram>,
    process: Child,
}

fn start(number: usize) -> Result<Source> {
    // Small, so that the producers have to wait now and then.
    let (ours, theirs) = Builder::new().capacity(16 << 10).datagram_pair()?;
    let mut this_program = Command::new(std::env::current_exe()?);
    this_program.arg(number.to_string());
    Ok(Source {
        log: Some(ours),
        process: process::spawn(this_program, [(NAME, theirs.into_fd()?)])?,
    })
}

fn collect() -> Result<()> {
    let port = Port::new()?;
    let mut sources = (0..PRODUCERS).map(start).collect::<Result<Vec<_>>>()?;
    for (key, source) in sources.iter().enumerate() {
        watch(&port, source, key)?;
    }
    let mut file = BufWriter::new(tempfile::tempfile()?);
    let mut open = PRODUCERS;
    while open > 0 {
        let Packet::Signals { key, .. } = port.wait(None)? else {
            bail!("nobody queued a packet by hand");
        };
        let source = &mut sources[key as usize];
        if take(source, &mut file)? {
            // At the end of the queue: who has much to say does not keep the others from being heard.
            watch(&port, source, key as usize)?;
        } else {
            source.log = None;
            open -= 1;
        }
    }
    for (number, source) in sources.iter_mut().enumerate() {
        let status = source.process.wait()?;
        match number {
            KILLED => ensure!(status.signal() == Some(Signal::SIGKILL as i32)),
            _ => ensure!(status.success()),
        }
    }
    let lines = check(file.into_inner()?)?;
    println!("{lines} lines of {PRODUCERS} processes, one of which was killed; none is lost");
    Ok(())
}

/// Has the port say, once, that there is something to read or that there will be nothing more.
fn watch(port: &Port, source: &Source, key: usize) -> Result<()> {
    let log = source.log.as_ref().context("it has ended")?;
    let signals = Signals::READABLE | Signals::PEER_CLOSED;
    Ok(port.register(log, key as u64, signals, Trigger::Level)?)
}

/// Writes lines that are there. Says whether there may be more later.
fn take(source: &mut Source, file: &mut impl Write) -> Result<bool> {
    let log = source.log.as_mut().context("it has ended")?;
    let mut line = [0; LONGEST];
    for _ in 0..BATCH {
        match log.try_recv(&mut line) {
            Ok(0) => return Ok(false),
            Ok(len) => writeln!(file, "{}", str::from_utf8(&line[..len])?)?,
            Err(Error::WouldBlock) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// Every line that was sent is in the file, those of each producer in order. Returns how many there are.
fn check(mut file: File) -> Result<usize> {
    file.rewind()?;
    let mut next = [0; PRODUCERS];
    for found in BufReader::new(file).lines() {
        let found = found?;
        let producer = (0..PRODUCERS).find(|&producer| found == line(producer, next[producer]));
        next[producer.with_context(|| format!("unexpected: {found}"))?] += 1;
    }
    for (producer, lines) in next.into_iter().enumerate() {
        ensure!(
            lines
                == if producer == KILLED {
                    LINES_OF_KILLED
                } else {
                    LINES
                }
        );
    }
    Ok(next.into_iter().sum())
}

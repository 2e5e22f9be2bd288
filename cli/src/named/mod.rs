//! `zocket listen` and `zocket connect`: standard input and output over a named socket.
//!
//! Each direction comes to its own end: that of the standard input is the end of what the other side reads, and
//! what that one still writes is waited for. When it is gone altogether, so are we. What nobody reads any more, there
//! or where our output goes, is an error: it is lost.

mod args;
mod unread;

use std::fs::File;
use std::io::{self, PipeReader};
use std::os::fd::AsFd;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow, bail};
use nix::errno::Errno;
use nix::unistd::dup2_stdout;
use zocket::named::{BindOptions, StreamListener};
use zocket::{Error, OwnedWriteHalf, Signals, Stream};

pub(crate) use args::{ConnectArgs, ListenArgs};

use unread::Memory;

use crate::copy::{Drained, Fed, drain, feed};

/// Carries out `zocket listen`.
pub(crate) fn listen(args: &ListenArgs) -> Result<()> {
    let listener: StreamListener = BindOptions::new()
        .mode(args.mode)
        .bind_addr(&args.name.0)
        .with_context(|| format!("cannot listen at {}", args.name))?;
    let listener = args.prepare(listener);
    let accepted = listener.accept();
    let (stream, _) = accepted.with_context(|| format!("cannot accept at {}", args.name))?;
    // Who comes later is told at once, and the path is free again.
    drop(listener);
    talk(stream)
}

/// Carries out `zocket connect`.
pub(crate) fn connect(args: &ConnectArgs) -> Result<()> {
    let connected = args.connector().connect_addr::<Stream>(&args.name.0);
    talk(connected.map_err(|error| {
        let advice = advice(&error);
        anyhow!("cannot connect to {}: {error}{advice}", args.name)
    })?)
}

/// What to do when nobody is connected to.
fn advice(error: &Error) -> &'static str {
    match error {
        Error::Distrusted => ": another user's process; --any-user connects to it all the same",
        Error::Refused => "; `zocket listen --any-user` accepts other users",
        Error::Os { errno, .. } if *errno == Errno::ENOENT as i32 => {
            "; `zocket listen` has to be there first"
        }
        // Of an abstract name that is all that is ever heard.
        Error::Os { errno, .. } if *errno == Errno::ECONNREFUSED as i32 => {
            "; nobody listens there now: start `zocket listen` first"
        }
        _ => "",
    }
}

/// Copies both ways, until both ends are reached, or the other side is gone.
fn talk(stream: Stream) -> Result<()> {
    let memory = Memory::of(&stream);
    let (mut reader, writer) = stream.into_split();
    // Open for as long as it makes sense to wait for more input.
    let (stop, goes_on) = io::pipe().context("cannot make a pipe")?;
    let input = thread::spawn(move || send_input(writer, &stop));
    let drained = drain(&mut reader, &io::stdout().as_fd());
    if drained.context("cannot write to standard output")? == Drained::Refused {
        // And all that goes on here ends with this process: what the other side still has to say would be lost.
        let passed_on = reader.info().total_read;
        bail!("nobody reads standard output any more; {passed_on} bytes had been written to it");
    }
    // Nothing more comes: whoever reads our output is to see its end, while we may still have something to send.
    let nothing = File::options().write(true).open("/dev/null");
    dup2_stdout(nothing.context("cannot open /dev/null")?).context("cannot end standard output")?;
    let other_side = thread::spawn(move || {
        let gone = reader.wait(Signals::PEER_CLOSED, None);
        drop(goes_on);
        gone.map(drop)
    });
    if join(input)?? == Fed::Stopped {
        // Not joined else: the other side may be there for long.
        join(other_side)?.context("cannot wait for the other side")?;
    }
    match memory.and_then(|memory| memory.lost()) {
        Some(lost) => bail!("the other side is gone, and has not read the last {lost} bytes"),
        None => Ok(()),
    }
}

/// Sends standard input, as long as that makes sense.
fn send_input(mut writer: OwnedWriteHalf, stop: &PipeReader) -> Result<Fed> {
    let fed = feed(&mut writer, &io::stdin().as_fd(), Some(stop));
    let fed = fed.context("cannot send standard input")?;
    if fed == Fed::Refused {
        let written = writer.info().total_written;
        bail!("the other side stopped reading; {written} bytes had been written to it");
    }
    // The other side hears of the end when this half is dropped.
    Ok(fed)
}

fn join<T>(thread: JoinHandle<T>) -> Result<T> {
    let joined = thread.join();
    joined.map_err(|_| anyhow!("a thread has panicked"))
}

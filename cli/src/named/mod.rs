//! `zocket listen` and `zocket connect`: standard input and output over a named socket.
//!
//! Each direction comes to its own end: that of the standard input is the end of what the other side reads, and
//! what that one still writes is waited for. When it is gone altogether, so are we.

mod args;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use anyhow::{Context, Result};
use nix::unistd::dup2_stdout;
use zocket::named::{BindOptions, Connector, StreamListener};
use zocket::{Signals, Stream};

pub(crate) use args::{ConnectArgs, ListenArgs};

use crate::copy::{Fed, drain, feed};

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
    let connected = Connector::new().connect_addr::<Stream>(&args.name.0);
    talk(connected.with_context(|| format!("cannot connect to {}", args.name))?)
}

/// What comes to an end while two sides talk.
type Ending = Result<()>;

/// Copies both ways, until both ends are reached, or the other side is gone.
fn talk(stream: Stream) -> Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    let (tell, told) = channel::<Ending>();
    let told_of_input: Sender<Ending> = tell.clone();
    // Not joined: with the other side gone, it may wait for a terminal that says nothing.
    thread::spawn(move || {
        let result = match feed(&mut writer, &io::stdin().as_fd()) {
            // The other side hears of the end when this half is dropped.
            Ok(Fed::All | Fed::Refused) => Ok(()),
            Err(error) => Err(error).context("cannot send standard input"),
        };
        drop(writer);
        let _ = told_of_input.send(result);
    });
    drain(&mut reader, &io::stdout().as_fd()).context("cannot write to standard output")?;
    // Nothing more comes: whoever reads our output is to see its end, while we may still have something to send.
    let nothing = File::options().write(true).open("/dev/null");
    dup2_stdout(nothing.context("cannot open /dev/null")?).context("cannot end standard output")?;
    thread::spawn(move || {
        let result = reader.wait(Signals::PEER_CLOSED, None).map(drop);
        let _ = tell.send(result.context("cannot wait for the other side"));
    });
    told.recv().context("nobody is left to tell of an end")?
}

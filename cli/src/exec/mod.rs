//! `zocket exec`: two commands, joined by a pair of sockets.
//!
//! A command that knows nothing of these sockets reads its standard input and writes its standard
//! output. Both are pipes then, and this process copies between them and the command's end
//! ([`relay`]). A command that knows them gets its end itself, under a name in its environment.
//!
//! Signals and exit statuses are those of a shell's pipeline ([`commands`]).

mod args;
mod commands;
mod failure;
mod relay;

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use zocket::Builder;

pub(crate) use args::Args;
pub(crate) use failure::exit_code;

use commands::{Commands, status};
use failure::Failure;
use relay::Relay;

const NO_PAIR: &str = "cannot make a pair of sockets";

/// Carries out `zocket exec`; returns what to exit with.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let commands = args.commands();
    let result = match &args.endpoint {
        Some(name) => with_endpoints(args, name, commands),
        None => with_pipes(args, commands),
    };
    match result {
        Ok([0, second]) => Ok(ExitCode::from(second)),
        Ok([first, _]) => Ok(ExitCode::from(first)),
        Err(error) => Err(Failure::from(error).into()),
    }
}

/// Each command inherits its end.
fn with_endpoints(args: &Args, name: &str, commands: [Command; 2]) -> Result<[u8; 2]> {
    let builder = Builder::new().capacity(args.capacity());
    let ends = if args.datagram {
        let (a, b) = builder.datagram_pair().context(NO_PAIR)?;
        [a.into_fd()?, b.into_fd()?]
    } else {
        let (a, b) = builder.stream_pair().context(NO_PAIR)?;
        [a.into_fd()?, b.into_fd()?]
    };
    let mut running = Commands::new()?;
    for (command, end) in commands.into_iter().zip(ends) {
        running.start(command, |command| {
            zocket::process::spawn(command, [(name, end)])
        })?;
    }
    Ok(running.wait()?.map(status))
}

/// Each command has pipes, and its end is here.
fn with_pipes(args: &Args, commands: [Command; 2]) -> Result<[u8; 2]> {
    let builder = Builder::new().capacity(args.capacity());
    let (a, b) = builder.stream_pair().context(NO_PAIR)?;
    let [mut first, mut second] = commands;
    first.stdout(Stdio::piped());
    second.stdin(Stdio::piped());
    if !args.one_way {
        first.stdin(Stdio::piped());
        second.stdout(Stdio::piped());
    }
    let mut running = Commands::new()?;
    let mut relays = Vec::new();
    for (command, end) in [(first, a), (second, b)] {
        let child = running.start(command, |mut command| command.spawn())?;
        relays.push(Relay::start(end, child.stdin.take(), child.stdout.take()));
    }
    let ended = running.wait()?;
    let statuses = [0, 1].map(|index| relays[index].status(ended[index]));
    relay::finish(relays.try_into().expect("two commands were started"))?;
    Ok(statuses)
}

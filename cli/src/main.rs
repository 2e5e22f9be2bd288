//! The `zocket` command: shared-memory sockets from the shell.
//!
//! One module for each command:
//!
//! - [`bench`] measures this machine;
//! - [`exec`] runs two commands that are joined by a pair of sockets;
//! - [`ls`] shows the sockets that processes have open, and what goes on in them;
//! - [`named`] connects standard input and output to whoever has a name, or is connected to;
//! - [`pipe`] streams a file through a socket into another process, checks what arrived, and
//!   measures that against the kernel's own pipes and sockets;
//! - [`program`] tells shells and man(1) of all of these.

mod bench;
mod copy;
mod exec;
mod ls;
mod named;
mod pipe;
mod program;
mod size;

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "zocket",
    version,
    about,
    long_about = None,
    disable_help_subcommand = true,
    after_long_help = "\
Exit status:
  0  success
  1  failure, with a message on standard error that says why
  2  the command line is wrong
  Commands that have others say so in their --help and their manual pages (`zocket man COMMAND`)."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What the command can do.
#[derive(Debug, Subcommand)]
enum Command {
    // Their documentation, which is the help, is that of their arguments.
    Ls(ls::Args),
    Exec(exec::Args),
    Listen(named::ListenArgs),
    Connect(named::ConnectArgs),
    Pipe(pipe::Args),
    Bench(bench::Args),
    Completions(program::CompletionsArgs),
    Man(program::ManArgs),
}

/// What the program starts itself as. Apart from the commands: no help, completion or manual page is to show it.
#[derive(Debug, Parser)]
enum Part {
    PipeReceive(pipe::ReceiveArgs),
    BenchPeer(bench::PeerArgs),
}

fn main() -> ExitCode {
    let first = env::args_os().nth(1);
    let is_part = first.is_some_and(|name| name.to_str().is_some_and(Part::has_subcommand));
    let result = if is_part { run_part() } else { run() };
    result.unwrap_or_else(|error| {
        // Not `eprintln!`, which panics when nobody listens any more.
        let _ = writeln!(io::stderr(), "zocket: {error:#}");
        exec::exit_code(&error)
            .or_else(|| pipe::exit_code(&error))
            .unwrap_or(ExitCode::FAILURE)
    })
}

fn run() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Ls(args) => ls::run(&args),
        Command::Exec(args) => return exec::run(&args),
        Command::Listen(args) => named::listen(&args),
        Command::Connect(args) => named::connect(&args),
        Command::Pipe(args) => pipe::run(args),
        Command::Bench(args) => bench::run(&args),
        Command::Completions(args) => program::completions(&args),
        Command::Man(args) => program::man(&args),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn run_part() -> Result<ExitCode> {
    match Part::parse() {
        Part::PipeReceive(args) => pipe::receive(&args),
        Part::BenchPeer(args) => bench::run_peer(&args),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Ends the program because the command line of a subcommand is wrong, as clap does it.
fn refuse(subcommand: &str, kind: ErrorKind, problem: impl Display) -> ! {
    let mut program = Cli::command();
    // Gives it the whole name that the help shows.
    program.build();
    let subcommand = program
        .find_subcommand_mut(subcommand)
        .expect("one of this program's");
    subcommand.error(kind, problem).exit()
}

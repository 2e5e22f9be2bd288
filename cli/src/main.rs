//! The `zocket` command: shared-memory sockets from the shell.
//!
//! One module for each command:
//!
//! - [`exec`] runs two commands that are joined by a pair of sockets;
//! - [`ls`] shows the sockets that processes have open, and what goes on in them;
//! - [`pipe`] streams a file through a socket into another process, checks what arrived, and
//!   measures that against the kernel's own pipes and sockets.

mod exec;
mod ls;
mod pipe;
mod size;

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "zocket", version, about, long_about = None, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What the command can do.
#[derive(Debug, Subcommand)]
enum Command {
    // Their documentation, which is the help, is that of their arguments.
    Exec(exec::Args),
    Ls(ls::Args),
    Pipe(pipe::Args),
    #[command(hide = true)]
    PipeReceive(pipe::ReceiveArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Exec(args) => exec::run(&args),
        Command::Ls(args) => ls::run(&args).map(success),
        Command::Pipe(args) => pipe::run(args).map(success),
        Command::PipeReceive(args) => pipe::receive(&args).map(success),
    };
    result.unwrap_or_else(|error| {
        // Not `eprintln!`, which panics when nobody listens any more.
        let _ = writeln!(io::stderr(), "zocket: {error:#}");
        exec::exit_code(&error)
            .or_else(|| pipe::exit_code(&error))
            .unwrap_or(ExitCode::FAILURE)
    })
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

fn success((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

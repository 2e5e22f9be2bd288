//! The `zocket` command: shared-memory sockets from the shell.
//!
//! One module for each command:
//!
//! - [`ls`] shows the sockets that processes have open, and what goes on in them;
//! - [`pipe`] streams a file through a socket into another process, checks what arrived, and
//!   measures that against the kernel's own pipes and sockets.

mod ls;
mod pipe;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    Ls(ls::Args),
    Pipe(pipe::Args),
    #[command(hide = true)]
    PipeReceive(pipe::ReceiveArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Ls(args) => ls::run(&args),
        Command::Pipe(args) => pipe::run(args),
        Command::PipeReceive(args) => pipe::receive(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not `eprintln!`, which panics when nobody listens any more.
            let _ = writeln!(io::stderr(), "zocket: {error:#}");
            pipe::exit_code(&error)
        }
    }
}

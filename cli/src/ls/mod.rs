//! `zocket ls`: the sockets that processes have open, and what goes on in them.
//!
//! Nobody registers a socket anywhere, so they are found where the kernel lists what each process has
//! open ([`processes`]): the memory of a pair, and the socket that is an end's doorbell. The
//! memory is opened once more, for reading ([`memory`]), and the library says what is in it
//! (`zocket::inspect`). Who has which end follows from both ([`survey`]).
//!
//! Nothing that is looked at is trusted or touched: a process can name a file as it likes, and write into
//! the memory of its sockets what it likes.

mod args;
mod memory;
mod processes;
mod rates;
mod survey;
mod table;

use std::io::{self, IsTerminal, Write};
use std::thread;

use anyhow::{Context, Result};

pub(crate) use args::Args;

use memory::Memfds;
use rates::Rates;
use survey::Survey;

/// Has a terminal begin anew at the top of an empty screen.
const CLEAR: &str = "\x1b[H\x1b[2J\x1b[3J";

/// Carries out `zocket ls`.
pub(crate) fn run(args: &Args) -> Result<()> {
    let memfds = Memfds::new()?;
    let Some(pause) = args.watch() else {
        let survey = Survey::make(&memfds, &args.pids)?;
        return print(&text(args, &survey)?).map(drop);
    };
    let mut rates = Rates::default();
    let clears = !args.json && io::stdout().is_terminal();
    let mut looks = 0;
    loop {
        let mut survey = Survey::make(&memfds, &args.pids)?;
        rates.add_to(&mut survey);
        let text = text(args, &survey)?;
        let goes_on = print(&if clears {
            CLEAR.to_owned() + &text
        } else {
            text
        })?;
        looks += 1;
        if !goes_on || args.count == Some(looks) {
            return Ok(());
        }
        thread::sleep(pause);
    }
}

fn text(args: &Args, survey: &Survey) -> Result<String> {
    Ok(match (args.json, args.watch()) {
        (true, None) => serde_json::to_string_pretty(survey)? + "\n",
        (true, Some(_)) => serde_json::to_string(survey)? + "\n",
        (false, None) => table::text(survey, &args.pids, false),
        // What follows the last line is the next table.
        (false, Some(_)) => table::text(survey, &args.pids, true) + "\n",
    })
}

/// Prints to standard output; says whether there is anybody to read more.
fn print(text: &str) -> Result<bool> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        result => result.map(|()| true).context("cannot print the list"),
    }
}

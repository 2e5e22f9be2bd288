//! A parent starts a child that inherits one end of a stream, asks it to square
//! numbers, and sees it end.
//!
//! Shows: `process::spawn`, `Stream::inherited`, `std::io` on a stream, the end of the
//! data. The child is this program once more.
//!
//! Run it with `cargo run --example parent_and_child`.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::process::Command;

use zocket::{Error, Stream, process};

/// Both must know it: there may be several endpoints.
const NAME: &str = "squares";

fn main() -> io::Result<()> {
    match Stream::inherited(NAME) {
        Ok(endpoint) => child(endpoint),
        // Nobody passed anything to this process, so it is the parent.
        Err(Error::NotInherited) => parent(),
        Err(error) => Err(error.into()),
    }
}

fn parent() -> io::Result<()> {
    let (mut ours, theirs) = Stream::pair()?;
    let this_program = Command::new(std::env::current_exe()?);
    let mut child = process::spawn(this_program, [(NAME, theirs.into_fd()?)])?;

    for number in 1..=5 {
        writeln!(ours, "{number}")?;
    }
    // No more questions: the child's loop ends. Its answers can still be read.
    ours.shutdown(Shutdown::Write)?;

    let mut answers = String::new();
    ours.read_to_string(&mut answers)?;
    assert_eq!(answers, "1\n4\n9\n16\n25\n");
    assert!(child.wait()?.success());
    println!("the child answered: {}", answers.trim().replace('\n', ", "));
    Ok(())
}

fn child(endpoint: Stream) -> io::Result<()> {
    // Two halves, as `BufReader` keeps the one that it reads from.
    let (questions, mut answers) = endpoint.into_split();
    for question in BufReader::new(questions).lines() {
        let number: u64 = question?.parse().map_err(io::Error::other)?;
        writeln!(answers, "{}", number * number)?;
    }
    Ok(())
}

//! A parent asks a child that keeps a table of words: each request and each response is one datagram.
//!
//! Shows: messages of serde in the format of postcard over `Datagram`, requests sent before the
//! answers to earlier ones are there, and a message that does not parse. The child is this program once
//! more.
//!
//! Run it with `cargo run --example messages`.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zocket::{Datagram, Error, process};

/// Both must know it: there may be several endpoints.
const NAME: &str = "table";
/// Requests and responses are no larger.
const LARGEST: usize = 64 << 10;

#[derive(Debug, Serialize, Deserialize)]
enum Request {
    Put { word: String, meaning: String },
    Get { word: String },
    Remove { word: String },
    Count,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Response {
    Done,
    Meaning(String),
    Count(u64),
    Failed(Failure),
}

/// What is the asker's fault.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Failure {
    NoSuchWord,
    NotARequest,
}

fn main() -> Result<()> {
    match Datagram::inherited(NAME) {
        Ok(endpoint) => child(endpoint),
        // Nobody passed anything to this process, so it is the parent.
        Err(Error::NotInherited) => parent(),
        Err(error) => Err(error.into()),
    }
}

fn send(endpoint: &mut Datagram, message: &impl Serialize) -> Result<()> {
    endpoint.send(&postcard::to_stdvec(message)?)?;
    Ok(())
}

/// A message, or `None` at the end. A datagram has its boundaries, so what does not parse harms no other.
fn receive<T: DeserializeOwned>(
    endpoint: &mut Datagram,
) -> zocket::Result<Option<postcard::Result<T>>> {
    let mut buf = [0; LARGEST];
    match endpoint.recv(&mut buf)? {
        0 => Ok(None),
        len => Ok(Some(whole(&buf[..len]))),
    }
}

/// Parses a message that leaves nothing over.
fn whole<T: DeserializeOwned>(bytes: &[u8]) -> postcard::Result<T> {
    match postcard::take_from_bytes(bytes)? {
        (message, []) => Ok(message),
        _ => Err(postcard::Error::DeserializeBadEncoding),
    }
}

fn response(endpoint: &mut Datagram) -> Result<Response> {
    Ok(receive(endpoint)?.context("the child is gone")??)
}

fn parent() -> Result<()> {
    let (mut ours, theirs) = Datagram::pair()?;
    let this_program = Command::new(std::env::current_exe()?);
    let mut child = process::spawn(this_program, [(NAME, theirs.into_fd()?)])?;

    let words = [
        ("ring", "memory that begins again at its end"),
        ("futex", "where threads sleep"),
        ("seal", "a promise about a file"),
    ];
    // All requests before the first answer: responses come in the order of requests.
    for (word, meaning) in words {
        let (word, meaning) = (word.into(), meaning.into());
        send(&mut ours, &Request::Put { word, meaning })?;
    }
    let word = || String::from("futex");
    send(&mut ours, &Request::Count)?;
    send(&mut ours, &Request::Get { word: word() })?;
    send(&mut ours, &Request::Remove { word: word() })?;
    send(&mut ours, &Request::Get { word: word() })?;
    ours.send(b"\xff what is this?")?;
    send(&mut ours, &Request::Count)?;

    let expected = [
        Response::Done,
        Response::Done,
        Response::Done,
        Response::Count(3),
        Response::Meaning("where threads sleep".into()),
        Response::Done,
        Response::Failed(Failure::NoSuchWord),
        Response::Failed(Failure::NotARequest),
        // And the child goes on.
        Response::Count(2),
    ];
    for expected in &expected {
        let response = response(&mut ours)?;
        ensure!(response == *expected, "{response:?}, not {expected:?}");
    }

    drop(ours);
    ensure!(child.wait()?.success());
    println!("{} requests, each answered as it should be", expected.len());
    Ok(())
}

fn child(mut endpoint: Datagram) -> Result<()> {
    let mut table = BTreeMap::new();
    while let Some(request) = receive(&mut endpoint)? {
        let response = match request {
            Ok(request) => answer(&mut table, request),
            Err(_) => Response::Failed(Failure::NotARequest),
        };
        send(&mut endpoint, &response)?;
    }
    match table.len() {
        2 => Ok(()),
        len => bail!("{len} words at the end"),
    }
}

fn answer(table: &mut BTreeMap<String, String>, request: Request) -> Response {
    let no_such_word = Response::Failed(Failure::NoSuchWord);
    match request {
        Request::Put { word, meaning } => {
            table.insert(word, meaning);
            Response::Done
        }
        Request::Get { word } => table
            .get(&word)
            .map_or(no_such_word, |meaning| Response::Meaning(meaning.clone())),
        Request::Remove { word } => table.remove(&word).map_or(no_such_word, |_| Response::Done),
        Request::Count => Response::Count(table.len() as u64),
    }
}

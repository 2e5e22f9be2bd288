//! What a pair costs: time, descriptors, memory.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, bail, ensure};
use zocket::{Builder, MIN_CAPACITY, Stream};

use super::fact;
use super::memory::Memory;
use crate::channel::Transport;
use crate::machine;
use crate::results::Fact;
use crate::transports::kernel::{Pipe, UnixStream};
use crate::transports::zocket::BlockingStream;

/// Pairs that are made in one round, one after the other.
const BATCH: usize = 200;

/// Pairs that live at the same time.
const ALIVE: usize = 1000;

/// What is used of a pair: this once each way.
const MESSAGE: [u8; 8] = *b"8 bytes.";

/// How often each is measured.
struct Rounds {
    times: usize,
    memory: usize,
}

const fn rounds(quick: bool) -> Rounds {
    match quick {
        true => Rounds {
            times: 5,
            memory: 1,
        },
        false => Rounds {
            times: 25,
            memory: 3,
        },
    }
}

/// A connected pair, both ends in this process, with the buffers that it has by itself.
trait Pair: Sized {
    fn make() -> Result<Self>;

    /// Packs and unpacks the other end, as for another process.
    fn hand_over(self) -> Result<Self>;

    /// Sends a message each way.
    fn use_once(&mut self) -> Result<()>;
}

/// A transport, and how its pairs are made.
struct Entry {
    key: &'static str,
    /// Makes one as a program does that needs it for itself, uses and drops it.
    plain: fn() -> Result<()>,
    /// The same, but the other end is packed and unpacked on the way, as for another process.
    handed_over: fn() -> Result<()>,
    descriptors: fn() -> Result<usize>,
    hold: fn(usize) -> Result<Memory>,
}

impl Entry {
    const fn new<P: Pair>(key: &'static str) -> Self {
        Self {
            key,
            plain: || P::make()?.use_once(),
            handed_over: || handed_over::<P>().map(drop),
            descriptors: descriptors::<P>,
            hold: hold::<P>,
        }
    }
}

const ALL: [Entry; 4] = [
    Entry::new::<(Stream, Stream)>(BlockingStream::NAME.key),
    // What the rest costs, beside the memory of the rings.
    Entry::new::<Small>("zocket stream of 4 KiB"),
    Entry::new::<(net::UnixStream, net::UnixStream)>(UnixStream::NAME.key),
    Entry::new::<Pipes>(Pipe::NAME.key),
];

/// Everything about each of them.
pub(super) fn measure(quick: bool) -> Result<Vec<Fact>> {
    let rounds = rounds(quick);
    let mut facts = times(rounds.times, "make, use once and drop", |entry| entry.plain)?;
    let handed_over = "make, hand over, use once and drop";
    facts.extend(times(rounds.times, handed_over, |entry| entry.handed_over)?);
    for entry in ALL {
        let of_pair = (entry.descriptors)()?;
        let values = vec![of_pair as f64 / 2.0];
        facts.push(fact(
            "creation",
            entry.key,
            "descriptors per endpoint",
            "1",
            values,
        ));
    }
    facts.extend(memory(rounds.memory)?);
    Ok(facts)
}

/// Times one way of making pairs, in interleaved rounds.
fn times(rounds: usize, what: &str, way: fn(&Entry) -> fn() -> Result<()>) -> Result<Vec<Fact>> {
    let mut values = ALL.map(|_| Vec::new());
    for _ in 0..rounds {
        for (entry, values) in ALL.iter().zip(&mut values) {
            let once = way(entry);
            let start = Instant::now();
            (0..BATCH).try_for_each(|_| once())?;
            values.push(start.elapsed().as_nanos() as f64 / 1e3 / BATCH as f64);
        }
    }
    let all = ALL.iter().zip(values);
    Ok(all
        .map(|(entry, values)| fact("creation", entry.key, what, "us", values))
        .collect())
}

/// Makes a pair, hands its other end over, and uses it.
fn handed_over<P: Pair>() -> Result<P> {
    let mut pair = P::make()?.hand_over()?;
    pair.use_once()?;
    Ok(pair)
}

/// How many descriptors a pair has.
fn descriptors<P: Pair>() -> Result<usize> {
    let before = machine::descriptors()?;
    let _pair = handed_over::<P>()?;
    let after = machine::descriptors()?;
    Ok(after - before)
}

/// Memory of each of many pairs, each time in a process that has done nothing else.
fn memory(rounds: usize) -> Result<Vec<Fact>> {
    let mut values = ALL.map(|_| [const { Vec::new() }; 3]);
    for _ in 0..rounds {
        for (entry, values) in ALL.iter().zip(&mut values) {
            let memory = of_process(entry.key)?;
            values[0].push(memory.own);
            values[1].push(memory.shared);
            values[2].push(memory.kernel);
        }
    }
    let whats = [
        "memory of the process, per pair",
        "shared memory, per pair",
        "kernel objects and page tables, per pair",
    ];
    let all = ALL.iter().zip(values).flat_map(|(entry, values)| {
        let parts = whats.into_iter().zip(values);
        parts.map(|(what, values)| fact("creation", entry.key, what, "KiB", values))
    });
    Ok(all.collect())
}

/// What [`hold_pairs`] says in a process of its own.
fn of_process(key: &str) -> Result<Memory> {
    let output = Command::new(std::env::current_exe()?)
        .args(["extra-pairs", key, &ALIVE.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "pairs of {key}: {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Makes so many pairs, and says on the standard output how much memory each of them takes.
pub(crate) fn hold_pairs(key: &str, pairs: usize) -> Result<()> {
    let entry = ALL.iter().find(|entry| entry.key == key);
    let Some(entry) = entry else {
        bail!("no pairs of {key} can be made");
    };
    println!("{}", serde_json::to_string(&(entry.hold)(pairs)?)?);
    Ok(())
}

fn hold<P: Pair>(count: usize) -> Result<Memory> {
    // What comes once for the process is there before.
    drop(handed_over::<P>()?);
    let mut all = Vec::with_capacity(count);
    let before = Memory::now()?;
    for _ in 0..count {
        all.push(handed_over::<P>()?);
    }
    let each = Memory::now()?.each_since(before, count);
    drop(all);
    Ok(each)
}

/// Sends the message from `a` to `b`.
fn pass(a: &mut impl Write, b: &mut impl Read) -> Result<()> {
    let mut got = [0; MESSAGE.len()];
    a.write_all(&MESSAGE)?;
    b.read_exact(&mut got)?;
    ensure!(got == MESSAGE, "another message: {got:?}");
    Ok(())
}

fn pass_both_ways<T: Read + Write>((a, b): &mut (T, T)) -> Result<()> {
    pass(a, b)?;
    pass(b, a)
}

impl Pair for (Stream, Stream) {
    fn make() -> Result<Self> {
        Ok(Stream::pair()?)
    }

    fn hand_over(self) -> Result<Self> {
        Ok((self.0, OwnedFd::from(self.1).try_into()?))
    }

    fn use_once(&mut self) -> Result<()> {
        pass_both_ways(self)
    }
}

impl Pair for (net::UnixStream, net::UnixStream) {
    fn make() -> Result<Self> {
        Ok(net::UnixStream::pair()?)
    }

    fn hand_over(self) -> Result<Self> {
        Ok((self.0, OwnedFd::from(self.1).into()))
    }

    fn use_once(&mut self) -> Result<()> {
        pass_both_ways(self)
    }
}

/// A pair with the smallest rings.
struct Small((Stream, Stream));

impl Pair for Small {
    fn make() -> Result<Self> {
        Ok(Self(Builder::new().capacity(MIN_CAPACITY).stream_pair()?))
    }

    fn hand_over(self) -> Result<Self> {
        Ok(Self(self.0.hand_over()?))
    }

    fn use_once(&mut self) -> Result<()> {
        self.0.use_once()
    }
}

/// One for each direction.
struct Pipes([(PipeReader, PipeWriter); 2]);

impl Pair for Pipes {
    fn make() -> Result<Self> {
        Ok(Self([io::pipe()?, io::pipe()?]))
    }

    fn hand_over(self) -> Result<Self> {
        let [(their_reader, writer), (reader, their_writer)] = self.0;
        let their_reader = OwnedFd::from(their_reader).into();
        let their_writer = OwnedFd::from(their_writer).into();
        Ok(Self([(their_reader, writer), (reader, their_writer)]))
    }

    fn use_once(&mut self) -> Result<()> {
        let mut both = self.0.iter_mut();
        both.try_for_each(|(reader, writer)| pass(writer, reader))
    }
}

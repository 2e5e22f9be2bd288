//! What do wake-ups, closing and distrust cost on small messages? zocket's `try_`
//! calls against a bare ring that has none of these, between two processes pinned to
//! two CPUs, neither ever sleeping.
//!
//! `cargo bench --bench small_messages`

#![allow(unsafe_code, reason = "the bare ring lives in memory mapped by hand")]
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

#[path = "support/bare_ring.rs"]
mod bare_ring;

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use std::{env, hint};

use bare_ring::BareRing;
use criterion::{Criterion, Throughput, criterion_group};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use zocket::{Error, Stream, process};

/// Says to a re-executed bench what it is to be.
const ROLE: &str = "ZOCKET_BENCH_ROLE";
/// The first byte of the last message of a batch, which the child answers.
const LAST: u8 = 1;
/// The first byte of a message after which the child ends.
const END: u8 = 2;

/// Both contestants, as the loops see them.
trait Transport {
    fn write<const N: usize>(&mut self, message: &[u8; N]);
    fn read<const N: usize>(&mut self, message: &mut [u8; N]);
}

impl Transport for Stream {
    #[inline(always)]
    fn write<const N: usize>(&mut self, message: &[u8; N]) {
        // Sizes divide the capacity, so there are no partial writes.
        while let Err(error) = self.try_write(message) {
            assert_eq!(error, Error::WouldBlock);
            hint::spin_loop();
        }
    }

    #[inline(always)]
    fn read<const N: usize>(&mut self, message: &mut [u8; N]) {
        loop {
            match self.try_read(message) {
                Ok(n) => return assert_eq!(n, N),
                Err(error) => assert_eq!(error, Error::WouldBlock),
            }
            hint::spin_loop();
        }
    }
}

impl Transport for BareRing {
    #[inline(always)]
    fn write<const N: usize>(&mut self, message: &[u8; N]) {
        while !self.try_write(message) {
            hint::spin_loop();
        }
    }

    #[inline(always)]
    fn read<const N: usize>(&mut self, message: &mut [u8; N]) {
        while !self.try_read(message) {
            hint::spin_loop();
        }
    }
}

fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu).unwrap();
    // With one CPU there is nothing to choose; the figures mean little then.
    let _ = sched_setaffinity(Pid::from_raw(0), &set);
}

/// The child: reads messages of N bytes and answers the last of each batch.
fn answer<const N: usize>(mut transport: impl Transport) {
    let mut message = [0; N];
    loop {
        transport.read(&mut message);
        match message[0] {
            LAST => transport.write(&message),
            END => return,
            _ => {}
        }
    }
}

/// Sends `count` messages and waits for the answer to the last.
fn stream_batch<const N: usize>(transport: &mut impl Transport, count: u64) -> Duration {
    let mut message = [0; N];
    let start = Instant::now();
    for _ in 1..count {
        transport.write(&message);
    }
    message[0] = LAST;
    transport.write(&message);
    transport.read(&mut message);
    start.elapsed()
}

/// Sends `count` messages, each after the answer to the one before.
fn round_trips<const N: usize>(transport: &mut impl Transport, count: u64) -> Duration {
    let mut message = [LAST; N];
    let start = Instant::now();
    for _ in 0..count {
        transport.write(&message);
        transport.read(&mut message);
    }
    start.elapsed()
}

fn child(role: &str, size: usize) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.env(ROLE, format!("{role} {size}"));
    command
}

fn zocket_pair<const N: usize>() -> (Stream, Child) {
    let (ours, theirs) = Stream::pair().unwrap();
    let child = process::spawn(child("zocket", N), [("bench", theirs.into())]).unwrap();
    (ours, child)
}

fn bare_pair<const N: usize>() -> (BareRing, Child) {
    let memory = bare_ring::memory();
    let mut command = child("bare", N);
    command.env("ZOCKET_BENCH_MEMORY", memory.as_raw_fd().to_string());
    (BareRing::attach(&memory, 0), command.spawn().unwrap())
}

fn run_child(role: &str) {
    pin(1);
    match role {
        "zocket 8" => answer::<8>(Stream::inherited("bench").unwrap()),
        "zocket 64" => answer::<64>(Stream::inherited("bench").unwrap()),
        "bare 8" => answer::<8>(inherited_ring()),
        "bare 64" => answer::<64>(inherited_ring()),
        role => panic!("unknown role {role}"),
    }
}

fn inherited_ring() -> BareRing {
    let fd: i32 = env::var("ZOCKET_BENCH_MEMORY").unwrap().parse().unwrap();
    // SAFETY: the parent made the descriptor for this process and said its number.
    BareRing::attach(&unsafe { OwnedFd::from_raw_fd(fd) }, 1)
}

fn compare<const N: usize>(c: &mut Criterion) {
    pin(0);
    contest::<N, _>(c, "zocket", zocket_pair::<N>());
    contest::<N, _>(c, "bare_ring", bare_pair::<N>());
}

fn contest<const N: usize, T: Transport>(c: &mut Criterion, name: &str, pair: (T, Child)) {
    let (mut transport, mut child) = pair;
    let mut group = c.benchmark_group(format!("stream/{N}"));
    group.throughput(Throughput::Elements(1));
    group.bench_function(name, |b| {
        b.iter_custom(|count| stream_batch::<N>(&mut transport, count));
    });
    group.finish();
    let mut group = c.benchmark_group(format!("round_trip/{N}"));
    group.bench_function(name, |b| {
        b.iter_custom(|count| round_trips::<N>(&mut transport, count));
    });
    group.finish();
    transport.write(&[END; N]);
    assert!(child.wait().unwrap().success());
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = compare::<8>, compare::<64>
}

fn main() {
    match env::var(ROLE) {
        Ok(role) => run_child(&role),
        Err(_) => {
            benches();
            Criterion::default().configure_from_args().final_summary();
        }
    }
}

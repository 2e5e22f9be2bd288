//! Tasks that talk over zocket and over Unix sockets, side by side, wherever the two may run.
//!
//! `cargo bench --bench tokio`

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

#[path = "support/connection.rs"]
mod connection;

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::connection::{Connection, stay_on};

/// Bytes of a message that goes there and back.
const SMALL: usize = 64;
/// Bytes of a block that goes one way.
const LARGE: usize = 64 << 10;
/// Connections that do nothing, beside one that does.
const IDLE: usize = 1000;

/// Where the two tasks run.
#[derive(Clone, Copy, Debug)]
enum Placement {
    /// Each in a runtime with a CPU of its own, as two processes might.
    TwoCpus,
    /// Each in a runtime of its own, wherever the scheduler puts them.
    Anywhere,
    /// Each in a runtime of its own, both on one CPU.
    OneCpu,
    /// In one runtime of one thread.
    OneThread,
    /// In one runtime of two threads.
    TwoWorkers,
}

impl Placement {
    const ALL: [(Self, &'static str); 5] = [
        (Self::TwoCpus, "two CPUs"),
        (Self::Anywhere, "anywhere"),
        (Self::OneCpu, "one CPU"),
        (Self::OneThread, "one thread"),
        (Self::TwoWorkers, "two workers"),
    ];

    /// The CPU that each end stays on.
    fn cpus(self) -> [Option<usize>; 2] {
        match self {
            Self::TwoCpus => [Some(0), Some(1)],
            Self::OneCpu => [Some(0), Some(0)],
            Self::Anywhere | Self::OneThread | Self::TwoWorkers => [None, None],
        }
    }

    fn runtime(self) -> Runtime {
        let mut builder = match self {
            Self::TwoWorkers => Builder::new_multi_thread(),
            _ => Builder::new_current_thread(),
        };
        builder.worker_threads(2).enable_all().build().unwrap()
    }

    fn is_shared(self) -> bool {
        matches!(self, Self::OneThread | Self::TwoWorkers)
    }
}

/// A connection whose other end is served.
struct Served<E> {
    own: Runtime,
    /// Where the task has it that is measured, `None`.
    end: Option<E>,
    peer: Peer,
}

/// Who serves.
enum Peer {
    Thread(thread::JoinHandle<()>),
    Task(JoinHandle<()>),
}

impl<E: Send + 'static> Served<E> {
    fn by<C, S>(placement: Placement, serve: fn(C::End) -> S) -> Self
    where
        C: Connection<End = E>,
        S: Future<Output = ()> + Send + 'static,
    {
        let (ours, theirs) = C::pair();
        let own = placement.runtime();
        let opened = async move || serve(theirs.open()).await;
        let [own_cpu, peer_cpu] = placement.cpus();
        let peer = if placement.is_shared() {
            Peer::Task(own.spawn(opened()))
        } else {
            Peer::Thread(thread::spawn(move || {
                if let Some(cpu) = peer_cpu {
                    stay_on(cpu);
                }
                placement.runtime().block_on(opened());
            }))
        };
        if let Some(cpu) = own_cpu {
            stay_on(cpu);
        }
        let end = Some(own.block_on(async { ours.open() }));
        Self { own, end, peer }
    }

    /// Has a task of the runtime use our end, which gives it back.
    fn run<T, R>(&mut self, task: impl FnOnce(E) -> T) -> R
    where
        T: Future<Output = (E, R)> + Send + 'static,
        R: Send + 'static,
    {
        let end = self.end.take().unwrap();
        let task = self.own.spawn(task(end));
        let (end, result) = self.own.block_on(task).unwrap();
        self.end = Some(end);
        result
    }

    fn finish(mut self) {
        self.end = None;
        match self.peer {
            Peer::Thread(thread) => thread.join().unwrap(),
            Peer::Task(task) => self.own.block_on(task).unwrap(),
        }
    }
}

/// Sends back each message.
async fn echo(mut end: impl AsyncReadExt + AsyncWriteExt + Unpin) {
    let mut buf = [0; SMALL];
    while end.read_exact(&mut buf).await.is_ok() {
        end.write_all(&buf).await.unwrap();
    }
}

/// Takes whatever comes, and says so after each so many bytes.
async fn sink(mut end: impl AsyncReadExt + AsyncWriteExt + Unpin) {
    let mut buf = vec![0; LARGE];
    while let Ok(bytes) = end.read_u64().await {
        let mut left = bytes as usize;
        while left > 0 {
            let most = left.min(LARGE);
            left -= end.read(&mut buf[..most]).await.unwrap();
        }
        end.write_u8(1).await.unwrap();
    }
}

/// So many round trips.
async fn ask<E: AsyncReadExt + AsyncWriteExt + Unpin>(mut end: E, times: u64) -> (E, Duration) {
    let mut buf = [1; SMALL];
    let start = Instant::now();
    for _ in 0..times {
        end.write_all(black_box(&buf)).await.unwrap();
        end.read_exact(&mut buf).await.unwrap();
    }
    (end, start.elapsed())
}

/// So many blocks.
async fn pour<E: AsyncReadExt + AsyncWriteExt + Unpin>(mut end: E, times: u64) -> (E, Duration) {
    let block = vec![1; LARGE];
    let start = Instant::now();
    end.write_u64(times * LARGE as u64).await.unwrap();
    for _ in 0..times {
        end.write_all(black_box(&block)).await.unwrap();
    }
    end.read_u8().await.unwrap();
    (end, start.elapsed())
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn round_trips<C: Connection>(group: &mut Group<'_>, placement: Placement) {
    let mut served = Served::by::<C, _>(placement, echo);
    group.bench_function(C::NAME, |bencher| {
        bencher.iter_custom(|times| served.run(|end| ask(end, times)));
    });
    served.finish();
}

fn blocks<C: Connection>(group: &mut Group<'_>, placement: Placement) {
    let mut served = Served::by::<C, _>(placement, sink);
    group.bench_function(C::NAME, |bencher| {
        bencher.iter_custom(|times| served.run(|end| pour(end, times)));
    });
    served.finish();
}

/// Round trips while tasks of the same runtime wait at connections where nothing happens.
fn beside_idle<C: Connection>(group: &mut Group<'_>) {
    let mut served = Served::by::<C, _>(Placement::TwoCpus, echo);
    let _peers: Vec<C> = (0..IDLE)
        .map(|_| {
            let (ours, theirs) = C::pair();
            served.own.spawn(async { echo(ours.open()).await });
            theirs
        })
        .collect();
    group.bench_function(C::NAME, |bencher| {
        bencher.iter_custom(|times| served.run(|end| ask(end, times)));
    });
    served.finish();
}

fn benches(criterion: &mut Criterion) {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let everywhere = sched_getaffinity(Pid::from_raw(0)).unwrap();
    for (placement, name) in Placement::ALL {
        for (job, is_small) in [("round trips of 64 B", true), ("blocks of 64 KiB", false)] {
            let mut group = group(criterion, &format!("tokio/{job}, {name}"), &everywhere);
            if is_small {
                round_trips::<zocket::Stream>(&mut group, placement);
                round_trips::<std::os::unix::net::UnixStream>(&mut group, placement);
            } else {
                group.throughput(Throughput::Bytes(LARGE as u64));
                blocks::<zocket::Stream>(&mut group, placement);
                blocks::<std::os::unix::net::UnixStream>(&mut group, placement);
            }
        }
    }
    let name = format!("tokio/round trips of 64 B, two CPUs, {IDLE} idle connections");
    let mut group = group(criterion, &name, &everywhere);
    beside_idle::<zocket::Stream>(&mut group);
    beside_idle::<std::os::unix::net::UnixStream>(&mut group);
}

/// What is compared with each other, from a thread that is free to run anywhere at first.
fn group<'a>(criterion: &'a mut Criterion, name: &str, everywhere: &CpuSet) -> Group<'a> {
    sched_setaffinity(Pid::from_raw(0), everywhere).unwrap();
    let mut group = criterion.benchmark_group(name);
    group
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    group
}

criterion_group!(tokio_benches, benches);
criterion_main!(tokio_benches);

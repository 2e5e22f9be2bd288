//! Tasks that talk over zocket and over Unix sockets, side by side: each end in a thread with a runtime of
//! its own, on a CPU of its own, as in two processes.
//!
//! `cargo bench --bench tokio`

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use zocket::tokio::Stream;

/// Bytes of a message that goes there and back.
const SMALL: usize = 64;
/// Bytes of a block that goes one way.
const LARGE: usize = 64 << 10;

/// A runtime for this thread, which stays on one CPU, if there are two.
fn runtime(cpu: usize) -> Runtime {
    let mut set = CpuSet::new();
    set.set(cpu).unwrap();
    // Where there is no such CPU, it stays where it is.
    let _ = sched_setaffinity(Pid::from_raw(0), &set);
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// One end of a connection that has to be made within the runtime that uses it.
trait Connection: Send + Sized + 'static {
    type End: AsyncRead + AsyncWrite + Unpin;
    fn pair() -> (Self, Self);
    fn open(self) -> Self::End;
}

impl Connection for zocket::Stream {
    type End = Stream;

    fn pair() -> (Self, Self) {
        Self::pair().unwrap()
    }

    fn open(self) -> Stream {
        Stream::from_blocking(self).unwrap()
    }
}

impl Connection for std::os::unix::net::UnixStream {
    type End = UnixStream;

    fn pair() -> (Self, Self) {
        let (a, b) = Self::pair().unwrap();
        for end in [&a, &b] {
            end.set_nonblocking(true).unwrap();
        }
        (a, b)
    }

    fn open(self) -> UnixStream {
        UnixStream::from_std(self).unwrap()
    }
}

/// Sends back each message.
async fn echo(mut end: impl AsyncRead + AsyncWrite + Unpin) {
    let mut buf = [0; SMALL];
    while end.read_exact(&mut buf).await.is_ok() {
        end.write_all(&buf).await.unwrap();
    }
}

/// Takes whatever comes, and says so after each so many bytes.
async fn sink(mut end: impl AsyncRead + AsyncWrite + Unpin) {
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
async fn ask(end: &mut (impl AsyncRead + AsyncWrite + Unpin), times: u64) -> Duration {
    let mut buf = [1; SMALL];
    let start = Instant::now();
    for _ in 0..times {
        end.write_all(black_box(&buf)).await.unwrap();
        end.read_exact(&mut buf).await.unwrap();
    }
    start.elapsed()
}

/// So many blocks.
async fn pour(end: &mut (impl AsyncRead + AsyncWrite + Unpin), times: u64) -> Duration {
    let block = vec![1; LARGE];
    let start = Instant::now();
    end.write_u64(times * LARGE as u64).await.unwrap();
    for _ in 0..times {
        end.write_all(black_box(&block)).await.unwrap();
    }
    end.read_u8().await.unwrap();
    start.elapsed()
}

fn measure<C: Connection>(criterion: &mut Criterion, name: &str) {
    let mut group = criterion.benchmark_group(name);
    let (ours, theirs) = C::pair();
    let peer = thread::spawn(|| runtime(1).block_on(async { echo(theirs.open()).await }));
    let own = runtime(0);
    let mut end = own.block_on(async { ours.open() });
    group.bench_function("round trip of 64 B", |bencher| {
        bencher.iter_custom(|times| own.block_on(ask(&mut end, times)));
    });
    drop(end);
    peer.join().unwrap();

    let (ours, theirs) = C::pair();
    let peer = thread::spawn(|| runtime(1).block_on(async { sink(theirs.open()).await }));
    let mut end = own.block_on(async { ours.open() });
    group.throughput(Throughput::Bytes(LARGE as u64));
    group.bench_function("blocks of 64 KiB one way", |bencher| {
        bencher.iter_custom(|times| own.block_on(pour(&mut end, times)));
    });
    drop(end);
    peer.join().unwrap();
    group.finish();
}

fn benches(criterion: &mut Criterion) {
    measure::<zocket::Stream>(criterion, "tokio/zocket");
    measure::<std::os::unix::net::UnixStream>(criterion, "tokio/AF_UNIX");
}

criterion_group!(tokio_benches, benches);
criterion_main!(tokio_benches);

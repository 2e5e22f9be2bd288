//! How often a reader is woken that wants much, of a writer that has little at a time.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::fact;
use super::ways::{ByThreshold, LowWater, SUBCOMMAND};
use crate::channel::{Channel, Parcel, Transport};
use crate::results::Fact;
use crate::task::{Job, Placement, Task, Usage};
use crate::transports::kernel::{Pipe, UnixStream};
use crate::transports::zocket::BlockingStream;
use crate::worker::{ProcessWorker, Worker};

/// Bytes that the reader wants.
pub(super) const THRESHOLD: usize = 64 << 10;

/// Bytes of each write.
const WRITE: usize = 64;

/// The rest between two writes: long enough for any reader to have gone to sleep again.
const REST: Duration = Duration::from_micros(200);

/// Before the first: long enough for the reader to have begun.
const SETTLE: Duration = Duration::from_millis(10);

/// How often the threshold is reached.
const fn crossings(quick: bool) -> u64 {
    if quick { 1 } else { 4 }
}

/// Sleeps and CPU time of the reader.
pub(super) fn measure(quick: bool) -> Result<Vec<Fact>> {
    let crossings = crossings(quick);
    let usages = [
        (
            ByThreshold::NAME.title,
            feed::<ByThreshold>(SUBCOMMAND, crossings)?,
        ),
        (
            BlockingStream::NAME.key,
            feed::<BlockingStream>("worker", crossings)?,
        ),
        (
            LowWater::NAME.title,
            feed::<LowWater>(SUBCOMMAND, crossings)?,
        ),
        (
            UnixStream::NAME.key,
            feed::<UnixStream>("worker", crossings)?,
        ),
        (Pipe::NAME.key, feed::<Pipe>("worker", crossings)?),
    ];
    let facts = usages.into_iter().flat_map(|(subject, usage)| {
        let each = |total: f64| vec![total / crossings as f64];
        let cpu = usage.cpu.as_nanos() as f64 / 1e3;
        [
            fact(
                "threshold",
                subject,
                "sleeps for 64 KiB",
                "1",
                each(usage.sleeps as f64),
            ),
            fact("threshold", subject, "CPU time for 64 KiB", "us", each(cpu)),
        ]
    });
    Ok(facts.collect())
}

/// What it costs the reader, in a process of its own, until it has had the threshold so often.
fn feed<T: Transport>(subcommand: &str, crossings: u64) -> Result<Usage> {
    let mut parcel = Parcel::default();
    let end = T::connect(&mut parcel)?;
    let mut worker = ProcessWorker::start_as(subcommand, T::NAME.key, 1, parcel)?;
    let mut end = T::complete(end)?;
    // What a process does only once, when it sleeps for the first time, is not counted.
    write(&mut end, &mut worker, 1, Duration::ZERO)?;
    write(&mut end, &mut worker, crossings, REST)
}

/// Writes it piece by piece.
fn write(
    end: &mut impl Channel,
    worker: &mut ProcessWorker,
    crossings: u64,
    rest: Duration,
) -> Result<Usage> {
    worker.begin(&Task {
        job: Job::OneWay,
        size: THRESHOLD,
        count: crossings,
        time: Duration::MAX,
        connections: 1,
        placement: Placement::Free,
    })?;
    // It has gone to sleep before the first write.
    thread::sleep(SETTLE);
    for _ in 0..crossings * (THRESHOLD / WRITE) as u64 {
        end.send(&[0; WRITE]);
        thread::sleep(rest);
    }
    // All has arrived when this comes.
    end.receive(&mut vec![0; THRESHOLD]);
    worker.finish()
}

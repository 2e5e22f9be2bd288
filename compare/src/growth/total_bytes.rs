//! By what a connection has carried: positions grow and grow.
//!
//! They are counts of 64 bits, of which nothing wraps in practice. At 20 GB/s a day carries
//! 1.7e15 bytes, and 1.8e19 last for 29 years. What would fail early is a count of 32 bits
//! somewhere: those wrap at 4 GiB, which every stream here passes. (Counts of 32 bits there are where
//! threads sleep: of events, not of bytes, and only compared for being the same.)

use std::os::fd::OwnedFd;

use anyhow::{Result, ensure};
use zocket::{Datagram, Stream};

use super::pace::Pace;
use super::plot::{LARGE, Lines, ONE_CONNECTION, SMALL};
use crate::channel::{Channel, Parcel, Transport};
use crate::jobs;
use crate::machine;
use crate::results::Series;
use crate::task::{Job, Placement, Side, Task};
use crate::transports::zocket::{BlockingDatagram, BlockingStream};
use crate::worker::{ProcessWorker, Worker};

/// After how many bytes a value is taken first; then after twice as many, and so on.
const FIRST: u64 = 256 << 20;

/// Long streams of small and of large messages.
pub(super) fn measure(pace: &Pace) -> Result<Series> {
    let mut lines = Lines::default();
    for _ in 0..pace.long_rounds {
        let mut stream = Long::stream()?;
        stream.carry(pace, "stream, messages of 64 B", SMALL, &mut lines)?;
        let mut stream = Long::stream()?;
        stream.carry(pace, "stream, messages of 64 KiB", LARGE, &mut lines)?;
        let mut datagrams = Long::datagrams()?;
        datagrams.carry(pace, "datagrams of 64 KiB", LARGE, &mut lines)?;
    }
    Ok(lines.plot(
        "total-bytes",
        "Messages one way by what the connection has carried, between two CPUs",
        "bytes carried",
        "ns for each message",
    ))
}

/// A connection that lasts.
struct Long<C> {
    end: C,
    worker: ProcessWorker,
    /// How many bytes the end itself says that it has written.
    written: fn(&C) -> u64,
}

impl Long<BlockingStream> {
    fn stream() -> Result<Self> {
        let (ours, theirs) = Stream::pair()?;
        let worker = worker(BlockingStream::NAME.key, OwnedFd::from(theirs))?;
        Ok(Self {
            end: BlockingStream(ours),
            worker,
            written: |end| end.0.info().total_written,
        })
    }
}

impl Long<BlockingDatagram> {
    fn datagrams() -> Result<Self> {
        let (ours, theirs) = Datagram::pair()?;
        let worker = worker(BlockingDatagram::NAME.key, OwnedFd::from(theirs))?;
        Ok(Self {
            end: BlockingDatagram(ours),
            worker,
            written: |end| end.0.info().total_written,
        })
    }
}

fn worker(key: &str, end: OwnedFd) -> Result<ProcessWorker> {
    let mut parcel = Parcel::default();
    parcel.put(end);
    ProcessWorker::start(key, 1, parcel)
}

impl<C: Channel> Long<C> {
    /// Carries messages until there are enough, and compares some at last.
    fn carry(&mut self, pace: &Pace, line: &str, size: usize, lines: &mut Lines) -> Result<()> {
        let cpus = machine::cpus()?;
        machine::place(&cpus, Placement::TwoCpus, Side::Active)?;
        let mut carried = 0;
        for bytes in stretches(pace.longest) {
            let count = bytes / size as u64;
            let nanos = self.run(Job::OneWay, size, count)?;
            carried += bytes;
            let written = (self.written)(&self.end);
            ensure!(written == carried, "{written} of {carried} bytes");
            lines.add(line, carried as usize, nanos / count as f64);
        }
        self.run(Job::Verify, size, 100)?;
        machine::place(&cpus, Placement::Free, Side::Active)
    }

    /// Does a job once, and says how many nanoseconds it took.
    fn run(&mut self, job: Job, size: usize, count: u64) -> Result<f64> {
        let task = Task {
            job,
            size,
            count,
            ..ONE_CONNECTION
        };
        self.worker.begin(&task)?;
        let sample = jobs::lead(std::slice::from_mut(&mut self.end), &task);
        self.worker.finish()?;
        ensure!(sample.count == count, "{} of {count}", sample.count);
        Ok(sample.elapsed.as_nanos() as f64)
    }
}

/// Bytes of one stretch after the other, as many as all before, until `longest` is reached.
fn stretches(longest: u64) -> Vec<u64> {
    let ends = std::iter::successors(Some(FIRST), |end| Some(2 * end));
    let mut ends: Vec<_> = ends.take_while(|end| *end < longest).collect();
    ends.push(longest);
    let starts = [0].into_iter().chain(ends.clone());
    ends.into_iter()
        .zip(starts)
        .map(|(end, start)| end - start)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_double_and_end_at_the_longest() {
        assert_eq!(stretches(4 * FIRST), [FIRST, FIRST, 2 * FIRST]);
        assert_eq!(stretches(5 * FIRST), [FIRST, FIRST, 2 * FIRST, FIRST]);
        assert_eq!(stretches(FIRST), [FIRST]);
    }
}

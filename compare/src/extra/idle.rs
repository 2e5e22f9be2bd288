//! What a process costs that waits for messages which do not come.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::fact;
use super::proc::{Activity, until_asleep};
use super::ways::{AtPort, MANY, SUBCOMMAND};
use crate::channel::{Channel, Parcel, Transport};
use crate::jobs;
use crate::results::Fact;
use crate::task::{Job, Placement, Task};
use crate::transports::kernel::{Pipe, UnixStream};
use crate::transports::zocket::BlockingStream;
use crate::worker::{ProcessWorker, Worker};

/// How long nothing happens.
const fn rest(quick: bool) -> Duration {
    Duration::from_millis(if quick { 500 } else { 3000 })
}

/// Watches all of them over the same stretch of time, in which they do nothing.
pub(super) fn measure(quick: bool) -> Result<Vec<Fact>> {
    let mut all = [
        reading::<BlockingStream>(1)?,
        reading::<BlockingStream>(MANY)?,
        at_port::<1>()?,
        at_port::<MANY>()?,
        reading::<Pipe>(1)?,
        reading::<Pipe>(MANY)?,
        reading::<UnixStream>(1)?,
        reading::<UnixStream>(MANY)?,
    ];
    for one in &mut all {
        one.before = until_asleep(one.waiter.process(), one.threads)?;
    }
    thread::sleep(rest(quick));
    let facts: Result<Vec<_>> = all.iter().map(Watched::facts).collect();
    // They were waiting indeed: what is sent now arrives.
    all.iter_mut().try_for_each(|one| one.waiter.wake())?;
    Ok(facts?.into_iter().flatten().collect())
}

/// A thread for each endpoint, which reads.
fn reading<T: Transport>(endpoints: usize) -> Result<Watched> {
    Ok(Watched {
        subject: T::NAME.key,
        endpoints,
        threads: endpoints,
        before: Activity::default(),
        waiter: Box::new(Waiter::<T::End>::start::<T>("worker", endpoints)?),
    })
}

/// One thread for all endpoints.
fn at_port<const ENDPOINTS: usize>() -> Result<Watched> {
    Ok(Watched {
        subject: "zocket Port::wait",
        endpoints: ENDPOINTS,
        threads: 1,
        before: Activity::default(),
        waiter: Box::new(Waiter::start::<AtPort<ENDPOINTS>>(SUBCOMMAND, 1)?),
    })
}

/// A process that waits, and what is known of it.
struct Watched {
    subject: &'static str,
    endpoints: usize,
    /// So many threads wait, at least.
    threads: usize,
    before: Activity,
    waiter: Box<dyn Sleeper>,
}

impl Watched {
    fn facts(&self) -> Result<[Fact; 2]> {
        let (before, after) = (self.before, Activity::of(self.waiter.process())?);
        ensure!(
            before.threads == after.threads,
            "{}: threads come and go",
            self.subject
        );
        let fact = |what, unit, value| {
            let what = format!("{what}, {} waiting", self.endpoints);
            fact("idle", self.subject, what, unit, vec![value])
        };
        let run = after.run - before.run;
        Ok([
            fact(
                "context switches",
                "1",
                (after.switches - before.switches) as f64,
            ),
            fact("CPU time", "us", run.as_nanos() as f64 / 1e3),
        ])
    }
}

/// A process that waits, whatever it waits for.
trait Sleeper {
    fn process(&self) -> u32;

    /// Gives it what it waits for, and sees that it has got it.
    fn wake(&mut self) -> Result<()>;
}

struct Waiter<C> {
    ends: Vec<C>,
    worker: ProcessWorker,
    task: Task,
}

impl<C: Channel> Waiter<C> {
    fn start<T: Transport<End = C>>(subcommand: &str, connections: usize) -> Result<Self> {
        let mut parcel = Parcel::default();
        let ends = (0..connections).map(|_| T::connect(&mut parcel));
        let ends = ends.collect::<Result<Vec<_>>>()?;
        let mut worker = ProcessWorker::start_as(subcommand, T::NAME.key, connections, parcel)?;
        let ends = ends.into_iter().map(T::complete);
        let ends = ends.collect::<Result<Vec<_>>>()?;
        let task = Task {
            job: Job::OneWay,
            size: 8,
            count: 1,
            time: Duration::MAX,
            connections,
            placement: Placement::Free,
        };
        worker.begin(&task)?;
        Ok(Self { ends, worker, task })
    }
}

impl<C: Channel> Sleeper for Waiter<C> {
    fn process(&self) -> u32 {
        self.worker.id()
    }

    fn wake(&mut self) -> Result<()> {
        let sample = jobs::lead(&mut self.ends, &self.task);
        self.worker.finish()?;
        let connections = self.task.connections;
        ensure!(sample.count == connections as u64, "{}", sample.count);
        Ok(())
    }
}

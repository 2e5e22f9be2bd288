//! A transport with a worker at its other end, whatever it is.

use anyhow::{Result, ensure};

use crate::channel::{Channel, Name, Parcel, ThreadTransport, Transport};
use crate::jobs;
use crate::machine;
use crate::task::{Sample, Side, Task};
use crate::worker::{ProcessWorker, ThreadWorker, Worker};

/// Something that carries out tasks.
pub(crate) trait Contestant {
    fn name(&self) -> Name;

    /// Carries out a task at both ends.
    fn run(&mut self, task: &Task) -> Result<Sample>;
}

struct Connected<C, W> {
    name: Name,
    ends: Vec<C>,
    worker: W,
    cpus: Vec<usize>,
}

impl<C: Channel, W: Worker> Contestant for Connected<C, W> {
    fn name(&self) -> Name {
        self.name
    }

    fn run(&mut self, task: &Task) -> Result<Sample> {
        ensure!(
            task.size <= self.name.most,
            "{} bytes are too many",
            task.size
        );
        machine::place(&self.cpus, task.placement, Side::Active)?;
        self.worker.begin(task)?;
        let sample = jobs::lead(&mut self.ends, task);
        let usage = sample.usage.and(self.worker.finish()?);
        // What runs next to measure should find the machine as this one did.
        machine::place(&self.cpus, crate::task::Placement::Free, Side::Active)?;
        Ok(Sample { usage, ..sample })
    }
}

/// Connects two processes.
pub(crate) fn processes<T: Transport>(connections: usize) -> Result<Box<dyn Contestant>> {
    let mut parcel = Parcel::default();
    let ends: Result<Vec<_>> = (0..connections).map(|_| T::connect(&mut parcel)).collect();
    let ends = ends?;
    let worker = ProcessWorker::start(T::NAME.key, connections, parcel)?;
    let ends: Result<Vec<_>> = ends.into_iter().map(T::complete).collect();
    Ok(Box::new(Connected {
        name: T::NAME,
        ends: ends?,
        worker,
        cpus: machine::cpus()?,
    }))
}

/// Connects this process, by an end that it uses in a way of its own, to the worker of the
/// contestant with this name, whose end is in the parcel.
pub(crate) fn opposite<C: Channel>(
    name: Name,
    end: C,
    parcel: Parcel,
) -> Result<Box<dyn Contestant>> {
    Ok(Box::new(Connected {
        name,
        ends: vec![end],
        worker: ProcessWorker::start(name.key, 1, parcel)?,
        cpus: machine::cpus()?,
    }))
}

/// Connects two threads.
pub(crate) fn threads<T: ThreadTransport>(connections: usize) -> Result<Box<dyn Contestant>> {
    let (ends, theirs) = (0..connections).map(|_| T::pair()).unzip();
    Ok(Box::new(Connected {
        name: T::NAME,
        ends,
        worker: ThreadWorker::start::<T::End>(theirs)?,
        cpus: machine::cpus()?,
    }))
}

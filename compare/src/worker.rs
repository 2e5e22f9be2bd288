//! The other side: a process of its own, or for what cannot leave its process a thread.

#![allow(unsafe_code, reason = "a process takes over what it has inherited")]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use anyhow::{Context, Result, ensure};
use command_fds::{CommandFdExt, FdMapping};

use crate::channel::{Channel, Parcel, Transport};
use crate::jobs;
use crate::machine;
use crate::task::{Side, Task, Usage};

/// The first descriptor that a worker process inherits beside the standard ones.
const FIRST: i32 = 3;

/// Carries out the passive side of tasks.
pub(crate) trait Worker {
    /// Begins a task. The worker is waiting for messages soon after.
    fn begin(&mut self, task: &Task) -> Result<()>;

    /// Waits until it is done, and says what it has cost there.
    fn finish(&mut self) -> Result<Usage>;
}

/// A worker that is a process. It sleeps between tasks.
#[derive(Debug)]
pub(crate) struct ProcessWorker {
    child: Child,
    tasks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl ProcessWorker {
    /// Starts this program again as the worker for `key`, with so many connections.
    pub(crate) fn start(key: &str, connections: usize, parcel: Parcel) -> Result<Self> {
        Self::start_as("worker", key, connections, parcel)
    }

    /// Starts it with another subcommand, which takes the same arguments.
    pub(crate) fn start_as(
        subcommand: &str,
        key: &str,
        connections: usize,
        parcel: Parcel,
    ) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args([subcommand, key, &connections.to_string()])
            .args([&parcel.descriptors.len().to_string()])
            .args(&parcel.words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mappings = (FIRST..).zip(parcel.descriptors);
        command.fd_mappings(
            mappings
                .map(|(child_fd, parent_fd)| FdMapping {
                    parent_fd,
                    child_fd,
                })
                .collect(),
        )?;
        let mut child = command.spawn().context("cannot start a worker")?;
        let mut worker = Self {
            tasks: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().context("no pipe from the worker")?),
            child,
        };
        worker.hear().context("a worker has not started")?;
        Ok(worker)
    }

    /// The identity of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn hear(&mut self) -> Result<Usage> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "the worker is gone; see above");
        Ok(serde_json::from_str(&line)?)
    }
}

impl Worker for ProcessWorker {
    fn begin(&mut self, task: &Task) -> Result<()> {
        let tasks = self.tasks.as_mut().context("the worker has ended")?;
        Ok(writeln!(tasks, "{}", serde_json::to_string(task)?)?)
    }

    fn finish(&mut self) -> Result<Usage> {
        self.hear()
    }
}

impl Drop for ProcessWorker {
    fn drop(&mut self) {
        // It ends with its input; if a task has gone wrong it may wait for something else.
        self.tasks = None;
        if thread::panicking() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// What a worker process does: `worker KEY CONNECTIONS DESCRIPTORS WORDS...`.
pub(crate) fn serve<T: Transport>(connections: usize, mut parcel: Parcel) -> Result<()> {
    let ends: Result<Vec<_>> = (0..connections).map(|_| T::accept(&mut parcel)).collect();
    let (mut ends, cpus) = (ends?, machine::cpus()?);
    answer(Usage::default())?;
    for line in std::io::stdin().lock().lines() {
        let task: Task = serde_json::from_str(&line?)?;
        machine::place(&cpus, task.placement, Side::Passive)?;
        let before = machine::usage()?;
        jobs::follow(&mut ends, &task);
        answer(machine::usage()?.since(before))?;
    }
    Ok(())
}

fn answer(usage: Usage) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(&usage)?)?;
    Ok(out.flush()?)
}

/// What this process has inherited.
pub(crate) fn inherited(descriptors: usize, words: VecDeque<String>) -> Parcel {
    let descriptors = (FIRST..).take(descriptors).map(|number| {
        // SAFETY: the process that started this one has put a descriptor there for us alone
        // and said how many.
        unsafe { OwnedFd::from_raw_fd(number) }
    });
    Parcel {
        descriptors: descriptors.collect(),
        words,
    }
}

/// A worker that is a thread of this process. What it costs counts as this process's.
#[derive(Debug)]
pub(crate) struct ThreadWorker {
    tasks: Sender<Task>,
    done: Receiver<()>,
}

impl ThreadWorker {
    pub(crate) fn start<C: Channel>(mut ends: Vec<C>) -> Result<Self> {
        let (tasks, to_do) = channel::<Task>();
        let (say, done) = channel();
        let cpus = machine::cpus()?;
        thread::spawn(move || {
            for task in to_do {
                machine::place(&cpus, task.placement, Side::Passive).expect("a CPU to run on");
                jobs::follow(&mut ends, &task);
                if say.send(()).is_err() {
                    return;
                }
            }
        });
        Ok(Self { tasks, done })
    }
}

impl Worker for ThreadWorker {
    fn begin(&mut self, task: &Task) -> Result<()> {
        self.tasks.send(*task).context("the worker has ended")
    }

    fn finish(&mut self) -> Result<Usage> {
        self.done.recv().context("the worker has ended")?;
        Ok(Usage::default())
    }
}

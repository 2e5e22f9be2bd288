//! The jobs: the same code for every transport, compiled for each.

mod one_way;
mod race;
mod round_trips;
mod verify;

use std::thread;

use self::race::Race;
use crate::channel::Channel;
use crate::task::{Job, Sample, Task};

/// The first byte of the last message of a job.
const LAST: u8 = 1;
/// The first byte of every other.
const MORE: u8 = 0;

/// Does the active part of a task, over as many connections as it wants.
pub(crate) fn lead<C: Channel>(ends: &mut [C], task: &Task) -> Sample {
    let race = Race::new(task.connections);
    let parts = over_all(ends, task, |end| lead_one(end, task, &race));
    let (elapsed, usage) = race.result();
    Sample {
        elapsed,
        usage,
        count: parts.iter().map(|part| part.count).sum(),
        per_connection: parts.iter().map(|part| part.count).collect(),
        trips: parts.into_iter().flat_map(|part| part.trips).collect(),
    }
}

/// Does the passive part.
pub(crate) fn follow<C: Channel>(ends: &mut [C], task: &Task) {
    over_all(ends, task, |end| follow_one(end, task));
}

/// Serves each connection in a thread of its own; one alone in this thread.
fn over_all<C: Channel, T: Send>(
    ends: &mut [C],
    task: &Task,
    serve: impl Fn(&mut C) -> T + Sync,
) -> Vec<T> {
    match &mut ends[..task.connections] {
        [end] => vec![serve(end)],
        ends => thread::scope(|scope| {
            let serve = &serve;
            let threads: Vec<_> = ends
                .iter_mut()
                .map(|end| scope.spawn(move || serve(end)))
                .collect();
            let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
            joined
                .map(|result| result.expect("no job panics"))
                .collect()
        }),
    }
}

/// What the active side of one connection has to say.
#[derive(Debug, Default)]
struct Part {
    count: u64,
    trips: Vec<u32>,
}

/// Calls a function with the size as a constant where messages are small enough for that to
/// matter: programs know the size of their small messages.
macro_rules! with_constant_size {
    ($size:expr, |$n:ident| $call:expr) => {
        match $size {
            8 => {
                let $n = 8;
                $call
            }
            64 => {
                let $n = 64;
                $call
            }
            $n => $call,
        }
    };
}

fn lead_one<C: Channel>(end: &mut C, task: &Task, race: &Race) -> Part {
    let count = task.count;
    if let Job::RoundTrips { think } = task.job {
        return with_constant_size!(task.size, |n| round_trips::ask(end, n, task, think, race));
    }
    race.begin();
    let part = match task.job {
        Job::OneWayMade => with_constant_size!(task.size, |n| one_way::make(end, n, count)),
        Job::Verify => verify::send(end, task.size, count),
        _ => with_constant_size!(task.size, |n| one_way::send(end, n, count)),
    };
    race.end();
    part
}

fn follow_one<C: Channel>(end: &mut C, task: &Task) {
    match task.job {
        Job::RoundTrips { .. } => {
            with_constant_size!(task.size, |n| round_trips::answer(end, n));
        }
        Job::OneWay | Job::OneWayMade => {
            with_constant_size!(task.size, |n| one_way::receive(end, n, task.count));
        }
        Job::Verify => verify::receive(end, task.size, task.count),
    }
}

//! By the size of a message.

use anyhow::Result;

use super::pace::{Pace, Run, Unit};
use super::plot::{ONE_CONNECTION, ROUND_TRIPS};
use crate::contestant::Contestant;
use crate::results::Series;
use crate::task::{Job, Task};
use crate::transports;

/// 1 B to 1 MiB.
const SIZES: [usize; 11] = [
    1,
    4,
    16,
    64,
    256,
    1 << 10,
    4 << 10,
    16 << 10,
    64 << 10,
    256 << 10,
    1 << 20,
];

const KEYS: [&str; 4] = [
    "zocket-stream-block",
    "zocket-stream-in-place",
    "unix-stream",
    "pipe",
];

const LABEL: &str = "size of a message, bytes";

/// One way, and there and back.
pub(super) fn measure(pace: &Pace) -> Result<Vec<Series>> {
    let contestants = KEYS.map(|key| (transports::find(key)?.start)(1));
    let contestants: Result<Vec<_>> = contestants.into_iter().collect();
    let mut contestants = contestants?;
    let sizes = pace.some_of(&SIZES);
    let one_way = runs(&contestants, &sizes, Job::OneWay);
    let one_way = pace.carry_out(&mut contestants, one_way)?;
    let trips = runs(&contestants, &sizes, ROUND_TRIPS);
    let trips = pace.carry_out(&mut contestants, trips)?;
    Ok(vec![
        one_way.plot(
            "message-size",
            "Messages one way by their size, between two CPUs",
            LABEL,
            "ns for each message",
        ),
        trips.plot(
            "message-size-round-trip",
            "Round trip by the size of the message, between two CPUs",
            LABEL,
            "ns for each round trip",
        ),
    ])
}

fn runs(contestants: &[Box<dyn Contestant>], sizes: &[usize], job: Job) -> Vec<Run> {
    let all = sizes.iter().flat_map(|&x| {
        contestants.iter().enumerate().map(move |(i, c)| Run {
            line: c.name().title,
            x,
            contestant: i,
            task: Task {
                job,
                size: x,
                ..ONE_CONNECTION
            },
            unit: Unit::Nanos,
        })
    });
    all.collect()
}

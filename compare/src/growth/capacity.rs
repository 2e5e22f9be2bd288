//! By the capacity of a ring.

use anyhow::Result;
use zocket::{Builder, MIN_CAPACITY};

use super::pace::{Pace, Run, Unit, verify};
use super::plot::{LARGE, ONE_CONNECTION, ROUND_TRIPS, SMALL};
use crate::channel::{Parcel, Transport};
use crate::contestant::{Contestant, opposite};
use crate::results::Series;
use crate::task::Task;
use crate::transports::zocket::BlockingStream;

/// 4 KiB to 64 MiB.
const CAPACITIES: [usize; 8] = [
    MIN_CAPACITY,
    16 << 10,
    64 << 10,
    256 << 10,
    1 << 20,
    4 << 20,
    16 << 20,
    64 << 20,
];

const LABEL: &str = "capacity of each direction, bytes";

/// Throughput, and round trips.
pub(super) fn measure(pace: &Pace) -> Result<Vec<Series>> {
    let capacities = pace.some_of(&CAPACITIES);
    let contestants: Result<Vec<_>> = capacities.iter().copied().map(start).collect();
    let mut contestants = contestants?;
    let run = |line, size| {
        let task = Task {
            size,
            ..ONE_CONNECTION
        };
        (line, task, Unit::Gigabytes)
    };
    let one_way = [
        run("messages of 64 B", SMALL),
        run("messages of 64 KiB", LARGE),
    ];
    let trip = Task {
        job: ROUND_TRIPS,
        ..ONE_CONNECTION
    };
    let trips = [("round trips of 64 B", trip, Unit::Nanos)];
    let throughput = pace.carry_out(&mut contestants, runs(&capacities, &one_way))?;
    let latency = pace.carry_out(&mut contestants, runs(&capacities, &trips))?;
    Ok(vec![
        throughput.plot(
            "capacity",
            "Throughput of a blocking stream by its capacity",
            LABEL,
            "GB/s",
        ),
        latency.plot(
            "capacity-round-trip",
            "Round trip over a blocking stream by its capacity",
            LABEL,
            "ns",
        ),
    ])
}

/// A connection of this capacity, all of whose pages have been used at both ends.
fn start(capacity: usize) -> Result<Box<dyn Contestant>> {
    let (ours, theirs) = Builder::new().capacity(capacity).stream_pair()?;
    let mut parcel = Parcel::default();
    parcel.put(theirs);
    let mut contestant = opposite(BlockingStream::NAME, BlockingStream(ours), parcel)?;
    verify(&mut *contestant, LARGE, (capacity / LARGE) as u64 + 1)?;
    Ok(contestant)
}

fn runs(capacities: &[usize], tasks: &[(&'static str, Task, Unit)]) -> Vec<Run> {
    let all = capacities.iter().enumerate();
    all.flat_map(|(contestant, &x)| {
        tasks.iter().map(move |&(line, task, unit)| Run {
            line,
            x,
            contestant,
            task,
            unit,
        })
    })
    .collect()
}

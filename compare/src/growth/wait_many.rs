//! By the number of endpoints that one call waits for.

use std::os::unix::net::UnixStream;

use anyhow::{Result, ensure};
use zocket::{Stream, WaitItem, wait_many};

use super::crowd::{Crowd, affordable};
use super::pace::{Pace, Run, Unit};
use super::plot::{Lines, TRIPS_ON_ONE_CPU};
use super::waiting::{among_many, by_poll, item};
use crate::machine;
use crate::results::Series;
use crate::task::{Placement, Side};

/// Beyond 128 descriptors are polled.
const COUNTS: [usize; 9] = [1, 4, 16, 64, 128, 129, 256, 1_024, 4_096];

/// Calls that sleep until the last of so many is ready, and calls that find it so.
pub(super) fn measure(pace: &Pace) -> Result<Series> {
    let counts = pace.some_of(&COUNTS);
    let mut lines = asleep(pace, &counts)?;
    ready(pace, &counts, &mut lines)?;
    Ok(lines.plot(
        "wait-many",
        "Waiting for one of many endpoints, both processes on one CPU",
        "endpoints",
        "ns for each call, or round trip",
    ))
}

/// Round trips whose answers are waited for among others.
fn asleep(pace: &Pace, counts: &[usize]) -> Result<Lines> {
    let (mut contestants, mut runs) = (Vec::new(), Vec::new());
    let mut add = |line, x, contestant| {
        runs.push(Run {
            line,
            x,
            contestant: contestants.len(),
            task: TRIPS_ON_ONE_CPU,
            unit: Unit::Nanos,
        });
        contestants.push(contestant);
    };
    for &count in counts {
        // One at a time: what was made before has its descriptors.
        if !affordable::<Stream>(&[count])?.is_empty() {
            let contestant = among_many(Crowd::of(count - 1)?)?;
            add("wait_many, round trip", count, contestant);
        }
        if !affordable::<UnixStream>(&[count])?.is_empty() {
            let contestant = by_poll(Crowd::of(count - 1)?)?;
            add("poll over AF_UNIX, round trip", count, contestant);
        }
    }
    pace.carry_out(&mut contestants, runs)
}

/// Calls of one thread, with something to read at the last endpoint.
fn ready(pace: &Pace, counts: &[usize], lines: &mut Lines) -> Result<()> {
    let counts = affordable::<Stream>(counts)?;
    let crowd = Crowd::<Stream>::of(counts.last().map_or(0, |most| most - 1))?;
    let (mut a, b) = Stream::pair()?;
    a.try_write(&[1])?;
    let cpus = machine::cpus()?;
    machine::place(&cpus, Placement::OneCpu, Side::Active)?;
    for _ in 0..pace.rounds {
        for &count in &counts {
            let idle = &crowd.ends()[..count - 1];
            let all = || idle.iter().chain([&b]).map(item).collect::<Vec<_>>();
            // Looking at every item takes longer the more there are: it is not to be timed.
            let mut items = all();
            wait_many(&mut items, None)?;
            let met = items.iter().filter(|item| item.is_met()).count();
            ensure!(met == 1, "{met} of {count} are ready");
            let nanos = pace.nanos_each(|| {
                let mut items = all();
                wait_many(&mut items, None)?;
                let last = items.last().is_some_and(WaitItem::is_met);
                ensure!(last, "the last of {count} is not ready");
                Ok(())
            })?;
            lines.add("wait_many, ready", count, nanos);
        }
    }
    machine::place(&cpus, Placement::Free, Side::Active)
}

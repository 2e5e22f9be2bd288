//! A message there and back, each timed.

use std::time::{Duration, Instant};

use super::{LAST, MORE, Part};
use crate::channel::Channel;
use crate::task::Task;

/// Asks again and again. One reading of the clock for each round trip, and one more after a rest.
#[inline(always)]
pub(super) fn ask<C: Channel>(end: &mut C, size: usize, task: &Task, think: Duration) -> Part {
    let mut message = vec![MORE; size];
    let mut answer = vec![MORE; size];
    // Touched, so that no page fault is timed.
    let mut trips = vec![u32::MAX; task.count as usize];
    let mut before = Instant::now();
    for (done, trip) in (1..).zip(&mut trips) {
        message[0] = if done == task.count { LAST } else { MORE };
        end.send(&message);
        end.receive(&mut answer);
        let now = Instant::now();
        *trip = u32::try_from((now - before).as_nanos()).unwrap_or(u32::MAX);
        before = now;
        if !think.is_zero() {
            std::thread::sleep(think);
            before = Instant::now();
        }
    }
    Part {
        count: task.count,
        trips,
    }
}

/// Sends back what comes.
#[inline(always)]
pub(super) fn answer<C: Channel>(end: &mut C, size: usize) {
    let mut message = vec![MORE; size];
    while message[0] != LAST {
        end.receive(&mut message);
        end.send(&message);
    }
}

//! A message there and back, each timed.

use std::time::{Duration, Instant};

use super::race::Race;
use super::{LAST, MORE, Part};
use crate::channel::Channel;
use crate::task::Task;

/// Asks again and again. One reading of the clock for each round trip, and one more after a rest.
///
/// With several connections all begin and end together: each had the same time, and how far it
/// has come says how it fared.
#[inline(always)]
pub(super) fn ask<C: Channel>(
    end: &mut C,
    size: usize,
    task: &Task,
    think: Duration,
    race: &Race,
) -> Part {
    let mut message = vec![MORE; size];
    let mut answer = vec![MORE; size];
    // Touched, so that no page fault is timed.
    let mut trips = vec![u32::MAX; task.count as usize];
    // After an answer the other side is ready too.
    end.send(&message[..size]);
    end.receive(&mut answer[..size]);
    let mut made = 0;
    let start = race.begin();
    let mut before = start;
    for trip in &mut trips {
        made += 1;
        let last = made == task.count || before - start >= task.time || race.is_over();
        message[0] = if last { LAST } else { MORE };
        end.send(&message[..size]);
        end.receive(&mut answer[..size]);
        let now = Instant::now();
        *trip = u32::try_from((now - before).as_nanos()).unwrap_or(u32::MAX);
        before = now;
        if last {
            break;
        }
        if !think.is_zero() {
            std::thread::sleep(think);
            before = Instant::now();
        }
    }
    race.end();
    trips.truncate(made as usize);
    Part { count: made, trips }
}

/// Sends back what comes.
#[inline(always)]
pub(super) fn answer<C: Channel>(end: &mut C, size: usize) {
    let mut message = vec![MORE; size];
    while message[0] != LAST {
        end.receive(&mut message[..size]);
        end.send(&message[..size]);
    }
}

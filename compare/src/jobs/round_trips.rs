//! A message there and back, each timed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{LAST, MORE, Part};
use crate::channel::Channel;
use crate::task::Task;

/// Asks again and again. One reading of the clock for each round trip, and one more after a rest.
///
/// With several connections all end when one does: each had the same time then, and how far it
/// has come says how it fared.
#[inline(always)]
pub(super) fn ask<C: Channel>(
    end: &mut C,
    size: usize,
    task: &Task,
    think: Duration,
    done: &AtomicBool,
) -> Part {
    let mut message = vec![MORE; size];
    let mut answer = vec![MORE; size];
    // Touched, so that no page fault is timed.
    let mut trips = vec![u32::MAX; task.count as usize];
    let mut made = 0;
    let mut before = Instant::now();
    for trip in &mut trips {
        made += 1;
        // ORDERING: Relaxed, as nothing but the flag is shared.
        let last = made == task.count || done.load(Ordering::Relaxed);
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
    done.store(true, Ordering::Relaxed);
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

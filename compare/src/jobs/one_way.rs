//! Messages one way, as fast as they go.

use super::{LAST, MORE, Part};
use crate::channel::Channel;

/// Sends messages that are there already.
#[inline(always)]
pub(super) fn send<C: Channel>(end: &mut C, size: usize, count: u64) -> Part {
    let message = vec![MORE; size];
    for _ in 0..count {
        end.send(&message);
    }
    arrived(end, size, count)
}

/// Makes each message and sends it.
#[inline(always)]
pub(super) fn make<C: Channel>(end: &mut C, size: usize, count: u64) -> Part {
    let mut scratch = vec![MORE; size];
    for i in 0..count {
        end.make_and_send(&mut scratch, i as u8);
    }
    arrived(end, size, count)
}

/// Waits until the other side has all.
fn arrived<C: Channel>(end: &mut C, size: usize, count: u64) -> Part {
    end.receive(&mut vec![MORE; size]);
    Part {
        count,
        trips: Vec::new(),
    }
}

/// Receives as many and says so.
#[inline(always)]
pub(super) fn receive<C: Channel>(end: &mut C, size: usize, count: u64) {
    let mut message = vec![MORE; size];
    for _ in 0..count {
        end.receive(&mut message);
    }
    message[0] = LAST;
    end.send(&message);
}

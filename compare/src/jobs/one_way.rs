//! Messages one way, as fast as they go.
//!
//! Buffers are passed as so many bytes of them: the compiler knows the length of a small
//! message then, as in a program that has such messages.

use super::{LAST, MORE, Part};
use crate::channel::Channel;

/// Sends messages that are there already.
#[inline(always)]
pub(super) fn send<C: Channel>(end: &mut C, size: usize, count: u64) -> Part {
    let message = vec![MORE; size];
    for _ in 0..count {
        end.send(&message[..size]);
    }
    arrived(end, size, count)
}

/// Makes each message and sends it.
#[inline(always)]
pub(super) fn make<C: Channel>(end: &mut C, size: usize, count: u64) -> Part {
    let mut scratch = vec![MORE; size];
    for i in 0..count {
        end.make_and_send(&mut scratch[..size], i as u8);
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
        end.receive(&mut message[..size]);
    }
    message[0] = LAST;
    end.send(&message);
}

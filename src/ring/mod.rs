//! The single-producer single-consumer byte ring, without waiting.
//!
//! Positions are 64-bit payload byte counts that only grow; `tail - head` is
//! what is queued and never exceeds the capacity. The producer keeps its tail
//! privately and stores it for the consumer; it never reads it back. It keeps a
//! copy of the head, which can only be too small, so what the copy says is free
//! is free. It loads the head again only when the copy says that there is too
//! little space. The consumer does the same the other way round.
//!
//! Every loaded position is checked against the private ones before it
//! replaces the copy: it must not have gone back, and must not be more than the
//! capacity away. After a violation the ring is broken: it shows no data and no
//! space, and every attempt to look again reports the violation.
//!
//! For datagrams the ring holds records, a [prefix](record) before each payload.
//! Positions still count payload, so capacity, thresholds and statistics do
//! too; a second word, the cursor, says where in the ring the side stands, and
//! is read only by whoever takes the endpoint over.

mod consumer;
mod position;
mod producer;
pub mod record;

pub use consumer::Consumer;
pub use producer::Producer;
pub use record::Record;

use crate::error::{Error, Result, Violation};
use crate::mem::{Memory, Site, Word64};

/// The two ranges of the data area that `len` bytes occupy from `offset` on;
/// the second is not empty only where the ring wraps.
///
/// `offset` may be up to twice the area, `len` up to the area.
#[inline(always)]
fn split(area: usize, offset: usize, len: usize) -> (usize, usize) {
    let start = if offset >= area {
        offset - area
    } else {
        offset
    };
    (start, len.min(area - start))
}

/// What a side finds when it attaches: tail and head, checked against each other.
fn positions<M: Memory>(mem: &M, capacity: usize) -> Result<(u64, u64)> {
    // ORDERING(data-published, space-freed): Acquire; the former owner of this
    // side published with Release, and so did the peer.
    let head = mem.load64(Word64::Head, Site::ObserveHead);
    let tail = mem.load64(Word64::Tail, Site::ObserveTail);
    if tail.wrapping_sub(head) <= capacity as u64 {
        Ok((tail, head))
    } else {
        Err(Error::Protocol(Violation::TailOutOfRange))
    }
}

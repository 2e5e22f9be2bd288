//! One direction with everything that makes it more than a ring: waking the
//! other side, disabling writes, closing, the end of the stream.
//!
//! # The end of a stream
//!
//! Writing can be disabled by either end while a write is under way, and yet no
//! byte may be accepted and then lost, and none may follow the end. So:
//!
//! ```text
//! producer:  writing.store(1); LIGHT FENCE; flags? ; copy; tail.store; writing.store(0)
//! consumer:  ring empty; disabled? ; HEAVY FENCE; writing.load() == 0 ; tail again
//! ```
//!
//! Either the producer sees that writing is disabled and takes its mark back,
//! or the consumer sees the mark and says "not yet". When it sees no mark, every
//! write that was let in is published, and the second look at the tail finds it.
//! A consumer that went to sleep on "not yet" is woken when the write ends:
//! the producer looks at the flags again before it decides that nobody is to be
//! woken.
//!
//! Writing can be enabled again once everything was read, by either end. The flags count how
//! often that happened, so a consumer that has seen the end knows whether the end that
//! it saw still is one.
//!
//! # Closing
//!
//! A closed bit is set with Release after the last publication; who sees it
//! looks at the tail once more. A killed peer sets nothing: whoever learns of
//! its end from the kernel sets its bits for it ([`hang_up`]), so there is one
//! way to be closed, not two.

mod datagram;
mod disposition;
pub mod events;
mod reader;
pub mod signals;
mod stream;
mod writer;

pub use disposition::{disable, set_disposition, shut_down};
pub use reader::{End, Reader};
pub use writer::{Grant, Writer};

use crate::error::{Error, Result};
use crate::mem::{Memory, Role, Site, Step, Word32, Word64, flags};
use crate::signals::Signals;
use crate::wait::{self, Notify};

/// Closes this endpoint: its producing end of `outgoing`, its consuming end of
/// `incoming`. What was written stays readable.
pub fn close<M: Notify>(outgoing: &M, incoming: &M) {
    close_end(outgoing, Role::Producer);
    close_end(incoming, Role::Consumer);
    for (mem, role) in [(outgoing, Role::Consumer), (incoming, Role::Producer)] {
        if mem.performs(Step::WakeAfterClose) && wait::is_awaited(mem, role) {
            wait::wake_peer(mem, role, u32::MAX);
        }
    }
}

/// Closes the peer's endpoint for it, because it is gone, and wakes our own
/// sleepers. Pollers need nothing: their descriptor shows the hang-up.
pub fn hang_up<M: Memory>(outgoing: &M, incoming: &M) {
    close_end(incoming, Role::Producer);
    close_end(outgoing, Role::Consumer);
    for (mem, role) in [(incoming, Role::Consumer), (outgoing, Role::Producer)] {
        // The peer may have been killed after it took the waiter's bits and before it
        // woke it: no bits, and yet a sleeper. (`is_awaited` is called for its fence.)
        let awaited = wait::is_awaited(mem, role) || mem.performs(Step::WakeUnasked);
        if awaited && mem.performs(Step::WakeAfterClose) {
            wait::wake_own(mem, role);
        }
    }
    if incoming.performs(Step::WakeAfterClose) {
        events::alert_own(incoming);
    }
}

fn close_end<M: Memory>(mem: &M, role: Role) {
    // ORDERING(closed): Release; pairs with the Acquire in `Reader::end`.
    mem.set32(role.flags(), flags::CLOSED, Site::Close);
}

/// Forgets how the former owner of an endpoint waited, what fences it announced, and that
/// it may have been in the middle of a write.
pub fn take_over<M: Memory>(outgoing: &M, incoming: &M) {
    for (mem, role) in [(outgoing, Role::Producer), (incoming, Role::Consumer)] {
        mem.store32(role.waiter(), 0, Site::Disarm);
        wait::withdraw(mem, role);
    }
    // What went on before nobody here waits for.
    signals::take_traces(incoming, Signals::from_bits_retain(u32::MAX));
    // ORDERING(write-in-progress): Release; pairs with the Acquire in the consumer's look.
    outgoing.store32(Word32::Writing, 0, Site::EndWrite);
}

/// Queued payload bytes and totals of one direction, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Payload bytes written since creation.
    pub written: u64,
    /// Payload bytes read since creation.
    pub read: u64,
    /// Payload bytes written and not yet read, 0 to capacity.
    pub queued: u64,
}

/// How often positions are read anew that change while they are read.
const LOOKS: u32 = 8;

/// Takes stock of a direction, at one moment between call and return. With an enemy as peer
/// its own figures are fiction, but `queued` stays within the capacity.
pub fn fill<M: Memory>(mem: &M, capacity: u64) -> Fill {
    let (read, written) = positions(mem);
    Fill {
        written,
        read,
        queued: written.wrapping_sub(read).min(capacity),
    }
}

/// Head and tail of a direction.
fn positions<M: Memory>(mem: &M) -> (u64, u64) {
    // ORDERING(data-published, space-freed): Acquire; who is told of bytes or of space
    // by a signal can have them.
    let mut head = mem.load64(Word64::Head, Site::ObserveHead);
    for _ in 0..LOOKS {
        let tail = mem.load64(Word64::Tail, Site::ObserveTail);
        let again = mem.load64(Word64::Head, Site::ObserveHead);
        if head == again {
            return (head, tail);
        }
        head = again;
    }
    // For one who never gets to see both at once, rather too little between them than too much.
    let tail = mem.load64(Word64::Tail, Site::ObserveTail);
    let head = mem.load64(Word64::Head, Site::ObserveHead);
    match tail.wrapping_sub(head) {
        queued if queued <= i64::MAX as u64 => (head, tail),
        _ => (head, head),
    }
}

/// Refuses more bytes than a direction holds.
fn check_fits(requested: u64, capacity: u64) -> Result<()> {
    if requested > capacity {
        return Err(Error::TooLarge {
            requested,
            capacity,
        });
    }
    Ok(())
}

/// Whether one end of a direction is closed.
pub fn is_closed<M: Memory>(mem: &M, role: Role) -> bool {
    // ORDERING(closed): Acquire.
    mem.load32(role.flags(), Site::ObserveClosed) & flags::CLOSED != 0
}

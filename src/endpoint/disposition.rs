//! Disabling and enabling writes, by either end.

use super::events;
use super::signals::{self, change_stored};
use crate::error::{Error, Result};
use crate::mem::{Memory, Role, Site, Step, Word32, flags, waiter};
use crate::signals::{Disposition, Signals};
use crate::wait::{self, Notify};

/// Attempts at a read-modify-write. An honest peer is in our way once in a while; one that is
/// in our way each time is no honest peer, and shall have its own way.
pub(super) const ATTEMPTS: u32 = 64;

/// Says of the writes of either endpoint whether they are let in; all or nothing.
///
/// The caller is the producer of `outgoing`, and sees to it that its own endpoint's
/// observers look afterwards; the peer's are told here. On an endpoint whose peer is closed, the own
/// disposition changes nothing but what its signals show.
///
/// # Errors
/// [`Error::UnreadData`] if writes that were disabled should be enabled again before
/// everything was read that had been written before.
pub fn set_disposition<M: Notify>(
    outgoing: &M,
    incoming: &M,
    own: Disposition,
    peer: Disposition,
) -> Result<()> {
    let orphaned = signals::peer_is_closed(outgoing, incoming);
    let refused = (!orphaned && own == Disposition::WriteEnabled && has_remains(outgoing))
        || (peer == Disposition::WriteEnabled && has_remains(incoming));
    if refused {
        return Err(Error::UnreadData);
    }
    // Nobody is left whose writes could be let in.
    let peer = if orphaned {
        Disposition::Unchanged
    } else {
        peer
    };
    carry_out(outgoing, incoming, own, peer);
    Ok(())
}

/// Disables the writes of either endpoint or both, like [`set_disposition`], but also those of
/// a peer that is closed: this end shows that too.
pub fn shut_down<M: Notify>(outgoing: &M, incoming: &M, own: Disposition, peer: Disposition) {
    debug_assert!(![own, peer].contains(&Disposition::WriteEnabled));
    carry_out(outgoing, incoming, own, peer);
}

fn carry_out<M: Notify>(outgoing: &M, incoming: &M, own: Disposition, peer: Disposition) {
    let halves = [
        (outgoing, Role::Producer, own),
        (incoming, Role::Consumer, peer),
    ];
    // Both are set before anybody is told of either.
    for (mem, _, disposition) in halves {
        set_disabled(mem, disposition);
    }
    if signals::peer_is_closed(outgoing, incoming) {
        show_writable(incoming, own);
    }
    for (mem, caller, disposition) in halves {
        if disposition == Disposition::WriteDisabled {
            wake_both(mem, caller);
        }
    }
    let enables = [own, peer].contains(&Disposition::WriteEnabled);
    if !enables || outgoing.performs(Step::WakeAfterEnable) {
        events::alert_peer(outgoing);
    }
}

/// Disables writing in one direction and wakes those who wait for bytes at both its
/// ends. `caller` is the end that the caller holds.
pub fn disable<M: Notify>(mem: &M, caller: Role) {
    set_disabled(mem, Disposition::WriteDisabled);
    wake_both(mem, caller);
}

/// Whether writing is disabled and what was written before is not read yet.
fn has_remains<M: Memory>(mem: &M) -> bool {
    // ORDERING: Relaxed; a change at the same moment comes before or after, as it likes.
    let flags = mem.load32(Word32::ConsumerFlags, Site::ObserveDisabled);
    flags & flags::WRITE_DISABLED != 0 && signals::queued(mem) > 0
}

/// Wakes those who wait for bytes, as there will be no more of them or nobody to take them.
///
/// Enabling wakes none of them: who reads was told of the end or was not asleep, and who writes
/// was refused.
fn wake_both<M: Notify>(mem: &M, caller: Role) {
    if !mem.performs(Step::WakeAfterDisable) {
        return;
    }
    if wait::is_awaited(mem, caller.peer()) {
        wait::wake_peer(mem, caller.peer(), waiter::BYTES);
    }
    if wait::is_awaited(mem, caller) {
        wait::wake_own(mem, caller);
    }
}

/// Counts on from enabled to disabled or back, unless it is so already.
fn set_disabled<M: Memory>(mem: &M, disposition: Disposition) {
    let disable = match disposition {
        Disposition::Unchanged => return,
        Disposition::WriteDisabled => true,
        Disposition::WriteEnabled => false,
    };
    for _ in 0..ATTEMPTS {
        // ORDERING: Relaxed; the consumer's fence and the mark decide, see the module.
        let flags = mem.load32(Word32::ConsumerFlags, Site::ObserveDisabled);
        if (flags & flags::WRITE_DISABLED != 0) == disable {
            return;
        }
        let next = flags.wrapping_add(flags::WRITE_DISABLED);
        let site = Site::SetDisposition;
        if mem
            .exchange32(Word32::ConsumerFlags, flags, next, site)
            .is_ok()
        {
            return;
        }
    }
}

/// An endpoint without a peer can write nothing, but it shows as writable once its writes were
/// enabled, as in Zircon, where enabling sets the signal.
fn show_writable<M: Memory>(own: &M, disposition: Disposition) {
    let bit = Signals::WRITABLE;
    match disposition {
        Disposition::Unchanged => {}
        Disposition::WriteEnabled => change_stored(own, Signals::empty(), bit),
        Disposition::WriteDisabled => change_stored(own, bit, Signals::empty()),
    }
}

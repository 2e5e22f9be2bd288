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
    // What we have written nobody will read any more, and it is in nobody's way.
    let own = plan(outgoing, own, !orphaned)?;
    // Refused as ever; but nobody is left whose writes could be let in.
    let peer = match plan(incoming, peer, true)? {
        _ if orphaned => Plan::Nothing(Disposition::Unchanged),
        plan => plan,
    };
    carry_out(outgoing, incoming, [own, peer]);
    Ok(())
}

/// Disables the writes of either endpoint or both, like [`set_disposition`], but also those of
/// a peer that is closed: this end shows that too.
pub fn shut_down<M: Notify>(outgoing: &M, incoming: &M, own: Disposition, peer: Disposition) {
    debug_assert!(![own, peer].contains(&Disposition::WriteEnabled));
    let plans = [own, peer].map(|disposition| match disposition {
        Disposition::WriteDisabled => Plan::Disable,
        _ => Plan::Nothing(disposition),
    });
    carry_out(outgoing, incoming, plans);
}

/// What is to be done to one direction, after a look that could refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// It is so already, or shall stay as it is.
    Nothing(Disposition),
    Disable,
    /// Of the disposition that was found, by its flags. If somebody changes it before us, that
    /// comes after us.
    Enable(u32),
}

/// Looks whether a direction's writes may be set to this; with `minds`, they are not to be enabled
/// while something is unread that was written before they were disabled.
fn plan<M: Memory>(mem: &M, disposition: Disposition, minds: bool) -> Result<Plan> {
    // ORDERING: Relaxed; a change at the same moment comes before or after, as it likes.
    let flags = mem.load32(Word32::ConsumerFlags, Site::ObserveDisabled);
    let is_disabled = flags & flags::WRITE_DISABLED != 0;
    match disposition {
        Disposition::WriteDisabled => Ok(Plan::Disable),
        Disposition::WriteEnabled if is_disabled && minds && signals::queued(mem) > 0 => {
            Err(Error::UnreadData)
        }
        Disposition::WriteEnabled if is_disabled => Ok(Plan::Enable(flags)),
        Disposition::WriteEnabled | Disposition::Unchanged => Ok(Plan::Nothing(disposition)),
    }
}

impl Plan {
    fn carry_out<M: Memory>(self, mem: &M) {
        match self {
            Self::Nothing(_) => {}
            Self::Disable => change(mem, |flags| flags & flags::WRITE_DISABLED == 0),
            Self::Enable(found) => change(mem, |flags| {
                flags & !flags::CLOSED == found & !flags::CLOSED
            }),
        }
    }

    /// What was asked for.
    fn disposition(self) -> Disposition {
        match self {
            Self::Nothing(disposition) => disposition,
            Self::Disable => Disposition::WriteDisabled,
            Self::Enable(_) => Disposition::WriteEnabled,
        }
    }
}

/// Counts on from enabled to disabled or back, while `is_due` says of the flags that it is
/// to be done.
fn change<M: Memory>(mem: &M, is_due: impl Fn(u32) -> bool) {
    for _ in 0..ATTEMPTS {
        // ORDERING: Relaxed; the consumer's fence and the mark decide, see the module.
        let flags = mem.load32(Word32::ConsumerFlags, Site::ObserveDisabled);
        if !is_due(flags) {
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

fn carry_out<M: Notify>(outgoing: &M, incoming: &M, [own, peer]: [Plan; 2]) {
    // Both are set before anybody is told of either.
    own.carry_out(outgoing);
    peer.carry_out(incoming);
    if signals::peer_is_closed(outgoing, incoming) {
        show_writable(incoming, own.disposition());
    }
    for (mem, caller, plan) in [
        (outgoing, Role::Producer, own),
        (incoming, Role::Consumer, peer),
    ] {
        if plan == Plan::Disable {
            wake_both(mem, caller);
        }
    }
    let enables = [own, peer]
        .map(Plan::disposition)
        .contains(&Disposition::WriteEnabled);
    if !enables || outgoing.performs(Step::WakeAfterEnable) {
        events::alert_peer(outgoing);
    }
}

/// Disables writing in one direction and wakes those who wait for bytes at both its
/// ends. `caller` is the end that the caller holds.
pub fn disable<M: Notify>(mem: &M, caller: Role) {
    Plan::Disable.carry_out(mem);
    wake_both(mem, caller);
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

//! Full fences in place of light ones, for as long as the other end keeps going to sleep.
//!
//! A heavy fence costs its maker microseconds where the other CPUs are busy, and a waiter makes one each
//! time before it sleeps. Where it sleeps after every message the fences of the two ends cost less if
//! both are full ones: tens of nanoseconds each. So an end that has woken the other one *announces*, in a
//! word of its own, that its fences are full ones, makes as many as that is worth, and
//! *withdraws* the announcement. A waiter that sees it makes a full fence only.
//!
//! ```text
//! waker:   announced.store(1); ...; publish; FULL FENCE; waiter? ; ...; announced.store(0); FULL FENCE; waiter?
//! waiter:  waiter.set(HOW); FULL FENCE; announced? -> condition? ; sleep
//!                                               no -> HEAVY FENCE; condition? ; sleep
//! ```
//!
//! - *What was published behind light fences, before the announcement.* Whoever sees the announcement
//!   sees what was published before it (Release, Acquire).
//! - *What is published after it.* Of two full fences the second sees what stood before the first, as
//!   with a heavy and a light one.
//! - *What is published after the withdrawal*, behind light fences again, while the waiter has still
//!   seen the announcement. Then the waiter's fence came before the one behind the withdrawal, so the
//!   waker sees the waiter from then on.
//! - *What happens once in a while* (closing, disabling) is not announced: it comes with
//!   a full fence whether anything is announced or not.
//! - *A new owner of the endpoint* knows nothing of announcements, and withdraws them.
//! - *An enemy* that announces and makes no fence does not wake us. That it can do in simpler ways.

use std::hint::cold_path;

use crate::mem::{Fence, Memory, Role, Site};

/// What [`Fencing::left`] is in a pair that has full fences only.
const ALWAYS: u32 = u32::MAX;

/// How an end fences what it publishes.
#[derive(Debug)]
pub(crate) struct Fencing {
    /// How many fences are full ones from here on, until they are light.
    left: u32,
}

impl Fencing {
    /// An end that has announced nothing.
    pub(crate) fn new<M: Memory>(mem: &M) -> Self {
        let left = if mem.is_symmetric() { ALWAYS } else { 0 };
        Self { left }
    }

    /// Whether the next fence is a full one.
    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.left > 0
    }

    /// The fence between the mark of a write and the check of the flags: it pairs with none that is
    /// less than heavy.
    #[inline(always)]
    pub(crate) fn marked<M: Memory>(&self, mem: &M) {
        // ORDERING(mark-then-check): light; pairs with the heavy fence in
        // `Reader::no_write_in_progress`.
        if self.left == ALWAYS {
            cold_path();
            mem.full_fence(Fence::MarkThenCheck);
        } else {
            mem.light_fence(Fence::MarkThenCheck);
        }
    }

    /// The fence between a publication of `own` end and the look for a waiter.
    #[inline(always)]
    pub(crate) fn published<M: Memory>(&mut self, mem: &M, own: Role) {
        if self.left == 0 {
            // ORDERING(arm-then-check): light; pairs with the heavy fence in `arm`.
            mem.light_fence(Fence::PublishThenLook);
        } else {
            self.published_fully(mem, own);
        }
    }

    #[cold]
    #[inline(never)]
    fn published_fully<M: Memory>(&mut self, mem: &M, own: Role) {
        // ORDERING(arm-then-ask): full; pairs with the full fence in `is_announced`.
        mem.full_fence(Fence::PublishThenLook);
        if self.left == ALWAYS {
            return;
        }
        self.left -= 1;
        if self.left == 0 {
            withdraw(mem, own);
        }
    }

    /// The `own` end has woken the other one, which may go to sleep again soon.
    #[inline(never)]
    pub(crate) fn woke<M: Memory>(&mut self, mem: &M, own: Role) {
        if self.left == ALWAYS || mem.full_fences() == 0 {
            return;
        }
        if self.left == 0 {
            // ORDERING(announced): Release; pairs with the Acquire in `is_announced`.
            mem.store32(own.announced(), 1, Site::Announce);
        }
        self.left = mem.full_fences();
    }
}

/// Takes back that the fences of this end are full ones. Those that follow may be light.
pub(crate) fn withdraw<M: Memory>(mem: &M, own: Role) {
    mem.store32(own.announced(), 0, Site::Withdraw);
    // ORDERING(arm-then-ask): full; pairs with the full fence in `is_announced`: a waiter that has
    // seen the announcement is seen from here on.
    mem.full_fence(Fence::WithdrawThenLook);
}

/// Having armed: whether the `other` end has announced full fences, so that the one made here
/// is enough.
pub(super) fn is_announced<M: Memory>(mem: &M, other: Role) -> bool {
    if mem.is_symmetric() {
        // The heavy fence is a full one.
        return false;
    }
    // ORDERING(arm-then-ask): full; pairs with those in `Fencing::published`, `withdraw` and
    // `is_awaited`.
    mem.full_fence(Fence::ArmThenAsk);
    // ORDERING(announced): Acquire; pairs with the Release in `Fencing::woke`: what was published
    // before the announcement shows in the look that follows.
    mem.load32(other.announced(), Site::ObserveAnnounced) != 0
}

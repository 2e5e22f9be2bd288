//! Sleeping and waking: the asymmetric handshake.
//!
//! Each end of a direction has a *waiter word* and a *want* in shared memory.
//!
//! ```text
//! waiter:  want.store(n); waiter.set(HOW); HEAVY FENCE; condition? ; sleep
//! waker:   publish;                        LIGHT FENCE; waiter.load() == 0 -> done
//!          want reached? -> waiter.clear(HOW) -> futex wake, doorbell
//! ```
//!
//! Whichever fence comes second sees what stood before the first: either the
//! waiter finds its condition true, or the waker finds the waiter. The heavy
//! fence is `membarrier(2)`, so the light one costs nothing; see `Fence`.
//!
//! A waiter that sleeps after every message pays for that each time; then there are two full
//! fences instead, see [`fencing`].
//!
//! The races, and what handles each:
//!
//! - *The publication comes between the waiter's look and its arming.* The look
//!   after the heavy fence finds it.
//! - *It comes between that look and the sleep.* The waker clears the waiter's bits,
//!   so the futex, which compares the word, does not let the waiter sleep.
//! - *The waker sees an old want.* Then its fence came before the waiter's, and the
//!   waiter's look finds the publication.
//! - *The waiter gave up (deadline) and a late waker wakes the next sleep.* A
//!   wake-up is a hint: the waiter looks again and goes back to sleep.
//! - *Two wait through the same word, one on the futex and one for the
//!   doorbell.* Bits are added, never replaced; the want becomes the smaller
//!   one; the waker takes the bits of both and serves both.
//! - *Others wait for signals of the same endpoint.* They have bits and a want of
//!   their own in the same word, and a futex of their own
//!   ([`events`](crate::endpoint::events)); a waker takes whose want is reached.
//! - *A consumer sleeps for more bytes than are queued, the producer for more
//!   space than is free.* A producer's preference is `SOFT`: whoever of the two
//!   arms second finds the other behind its heavy fence, and the producer goes on.
//! - *The peer is killed*, perhaps between taking the waiter's bits and waking it.
//!   Nobody wakes; see [`hang_up`](crate::endpoint::hang_up), which wakes unasked.

mod fencing;
mod spin;

pub(crate) use fencing::{Fencing, withdraw};
pub(crate) use spin::LOOKS;
#[cfg(feature = "_async")]
pub(crate) use spin::Limit;
pub use spin::Spinner;

pub use crate::sys::deadline::Deadline;
pub use crate::sys::futex::Wake;

use crate::error::{Error, Result};
use crate::mem::{Fence, Memory, Role, Site, Step, Word32, waiter};

/// Memory with a way to reach the peer's endpoint as a whole.
pub trait Notify: Memory {
    /// Makes the peer's descriptor readable.
    fn ring(&self);

    /// Has those look who wait for signals of the peer, with any of the
    /// [`waiter::EVENTS`] in `bits`: raises its [`Word32::Events`] and wakes that futex, makes
    /// its descriptor readable, or does what comes to the same.
    fn alert(&self, bits: u32);

    /// The peer slept, and has been woken.
    fn note_wake_up(&self) {}
}

/// Memory on which a thread can wait.
pub trait Park: Notify {
    /// Sleeps on the futex in `word` while it holds `expected`, until woken or
    /// `deadline`. Must end as well when the peer is killed.
    ///
    /// # Errors
    /// If the peer's death could not be watched for; nobody slept then.
    fn sleep(&self, word: Word32, expected: u32, deadline: Deadline) -> Result<Wake>;

    /// One turn of a spin loop.
    fn relax(&self);
}

/// What a waiter waits for.
pub trait Condition {
    /// The memory of the direction.
    type Memory: Park;

    /// That memory.
    fn mem(&self) -> &Self::Memory;

    /// Looks, freshly, whether the wait is over.
    ///
    /// # Errors
    /// Whatever ends the wait with an error.
    fn holds(&mut self) -> Result<bool>;

    /// Called after arming, when the condition does not hold: the place to let
    /// a peer go on that would otherwise sleep at the same time for good.
    fn before_sleep(&mut self) {}
}

/// How a waiter arms: its end, its bits, its want.
#[derive(Clone, Copy, Debug)]
pub struct Arming {
    /// Which end of the direction waits.
    pub role: Role,
    /// [`waiter`] bits.
    pub how: u32,
    /// Bytes.
    pub want: u64,
}

/// Blocks until `condition` holds.
///
/// # Errors
/// [`Error::TimedOut`] if `deadline` passed and the condition still does not
/// hold; whatever the condition, the fence or the sleep report.
pub fn block<C: Condition>(
    condition: &mut C,
    arming: Arming,
    spinner: &mut Spinner,
    deadline: Deadline,
) -> Result<()> {
    // The first look is for callers that have not tried: they should not pay for arming.
    if condition.holds()? {
        return Ok(());
    }
    if !spinner.is_enabled() {
        return sleep_until(condition, arming, deadline).map(drop);
    }
    let Some(failed) = spinner.spin(condition, deadline)? else {
        return Ok(());
    };
    let slept = sleep_until(condition, arming, deadline)?;
    spinner.learn(&failed, slept);
    Ok(())
}

/// Arms and sleeps until `condition` holds; says whether it has really slept.
fn sleep_until<C: Condition>(
    condition: &mut C,
    arming: Arming,
    deadline: Deadline,
) -> Result<bool> {
    let result = sleep_armed(condition, arming, deadline);
    disarm(condition.mem(), arming);
    result
}

fn sleep_armed<C: Condition>(
    condition: &mut C,
    arming: Arming,
    deadline: Deadline,
) -> Result<bool> {
    let mut slept = false;
    loop {
        let armed = arm(condition.mem(), arming)?;
        if condition.mem().performs(Step::CheckAfterArm) && condition.holds()? {
            return Ok(slept);
        }
        condition.before_sleep();
        let wake = condition
            .mem()
            .sleep(arming.role.waiter(), armed, deadline)?;
        slept |= wake != Wake::Changed;
        if condition.holds()? {
            return Ok(slept);
        }
        if wake == Wake::TimedOut {
            return Err(Error::TimedOut);
        }
    }
}

/// Arms for the doorbell, unless `condition` holds already. Says whether it armed.
///
/// # Errors
/// Whatever the condition or the fence report.
pub(crate) fn arm_doorbell<C: Condition>(condition: &mut C, arming: Arming) -> Result<bool> {
    let holds = arm(condition.mem(), arming)
        .and_then(|_| Ok(condition.mem().performs(Step::CheckAfterArm) && condition.holds()?));
    if holds != Ok(false) {
        disarm(condition.mem(), arming);
        return holds.map(|_| false);
    }
    condition.before_sleep();
    Ok(true)
}

/// Says how and for what we wait; returns the value of the waiter word.
fn arm<M: Memory>(mem: &M, arming: Arming) -> Result<u32> {
    let (word, want) = (arming.role.waiter(), arming.role.want());
    // ORDERING: Relaxed; these two words are ours but for what the waker takes, and but for
    // the bits of those who wait for signals, who have a want of their own.
    let others = mem.load32(word, Site::LookForWaiter) & waiter::BYTES & !arming.how;
    let least = match others {
        0 => arming.want,
        _ => arming.want.min(mem.load64(want, Site::ReadWant)),
    };
    mem.store64(want, least, Site::SetWant);
    let before = mem.set32(word, arming.how, Site::Arm);
    if !fencing::is_announced(mem, arming.role.peer()) {
        // ORDERING(arm-then-check): heavy; pairs with the light fence in `Fencing::published`.
        mem.heavy_fence(Fence::ArmThenCheck)?;
    }
    Ok(before | arming.how)
}

fn disarm<M: Memory>(mem: &M, arming: Arming) {
    mem.clear32(arming.role.waiter(), arming.how, Site::Disarm);
}

/// Whether a waiter shows at `role`'s end, for whoever has made a fence after the publication.
#[inline(always)]
pub(crate) fn shows_waiter<M: Memory>(mem: &M, role: Role) -> bool {
    mem.load32(role.waiter(), Site::LookForWaiter) != 0
}

/// Whether anybody waits at `role`'s end for what has just changed, and changes rarely.
pub(crate) fn is_awaited<M: Memory>(mem: &M, role: Role) -> bool {
    // ORDERING(arm-then-check, arm-then-ask): full; pairs with the heavy fence in `arm`, and with
    // the full one in `is_announced`.
    mem.full_fence(Fence::ChangeThenLook);
    shows_waiter(mem, role)
}

/// Wakes those who wait with any of `bits` at `role`'s end, which is the peer's; returns
/// their bits.
#[cold]
pub(crate) fn wake_peer<M: Notify>(mem: &M, role: Role, bits: u32) -> u32 {
    let bits = mem.clear32(role.waiter(), bits, Site::TakeWaiter) & bits;
    if bits & waiter::FUTEX != 0 {
        mem.wake_futex(role.waiter());
    }
    if bits & waiter::DOORBELL != 0 {
        mem.ring();
    }
    if bits & waiter::EVENTS != 0 {
        mem.alert(bits);
    }
    if bits != 0 {
        mem.note_wake_up();
    }
    bits
}

/// Wakes those at `role`'s end, which is the peer's, whose want is reached by `amount`, queued
/// or free bytes; with `last`, those who wait for bytes in any case. Says whether any waited for bytes.
#[cold]
pub(crate) fn wake_satisfied<M: Notify>(mem: &M, role: Role, amount: u64, last: bool) -> bool {
    let unasked = !mem.performs(Step::CheckWant);
    let mut due = 0;
    if last || unasked || amount >= mem.load64(role.want(), Site::ReadWant) {
        due |= waiter::BYTES;
    }
    if unasked || amount >= mem.load64(role.event_want(), Site::ReadWant) {
        due |= waiter::EVENTS;
    }
    // What nobody waits with need not be cleared: that would cost a locked instruction
    // for each write while somebody waits for more.
    due & mem.load32(role.waiter(), Site::LookForWaiter) != 0
        && wake_peer(mem, role, due) & waiter::BYTES != 0
}

/// Lets a producer go on that sleeps on a preference, if one does. For a consumer that goes
/// to sleep while there is space: it may wait for more than is queued.
pub(crate) fn relieve<M: Notify>(mem: &M) {
    let bits = mem.load32(Role::Producer.waiter(), Site::LookForWaiter);
    if bits & waiter::SOFT != 0 && mem.performs(Step::RelieveSoftWaiter) {
        wake_peer(mem, Role::Producer, waiter::BYTES);
    }
}

/// Wakes whoever sleeps at `role`'s end, which is our own, whether it shows or not.
///
/// Our own poller stays armed: the doorbell rings at the other end only. A hang-up
/// shows in the descriptor by itself.
pub(crate) fn wake_own<M: Memory>(mem: &M, role: Role) {
    mem.clear32(
        role.waiter(),
        waiter::FUTEX | waiter::SOFT,
        Site::TakeWaiter,
    );
    mem.wake_futex(role.waiter());
}

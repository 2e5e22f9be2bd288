//! The lock that serialises one direction of an endpoint within its process.
//!
//! Nearly always one thread writes a direction, and one reads it. For that thread,
//! the *owner*, [`Serial`] costs a few plain loads and stores: no locked instruction
//! and no fence, either of which costs as much as a whole write. Any other thread
//! pays for both, once, and is the owner from then on; when the lock has changed hands
//! a few times it is an ordinary mutex for the rest of its life.
//!
//! ```text
//! owner:  busy.store(1); LIGHT FENCE; owner == me? -> inside
//!         busy.store(0); LIGHT FENCE; owner == me? -> done, else wake the other
//! other:  lock the mutex; owner.store(other); HEAVY FENCE; sleep while busy; inside
//! ```
//!
//! Whichever fence comes second sees what stood before the first: either the owner
//! sees that it is none any longer, or the other sees it busy, and waits. Owners
//! change under the mutex only. The heavy fence is `membarrier(2)`; where that is
//! refused the lock is a mutex from the start.
//!
//! # Races
//!
//! - *The owner enters while another thread ends its ownership.* See above. An owner
//!   that finds out says not busy again and takes the mutex like everybody else.
//! - *The owner leaves between the other's look and its sleep.* The futex compares
//!   the busy word; what the owner stored there keeps the other from sleeping.
//! - *The owner leaves while the other sleeps, or is about to.* By the second pair of
//!   fences it sees that it is the owner no longer, and wakes.
//! - *A former owner is late:* it looked when it was the owner, says busy when it is
//!   not, sees that, and says not busy. The next owner may be inside by then, and must
//!   not seem to have left; so every owner has a busy word of its own, its *seat*.
//! - *The system refuses the heavy fence*, because a sandbox was entered since. The
//!   owner stays the owner and the other gets an error. Without the fence it cannot
//!   know who is inside.
//! - *The owner ends.* It was not inside, or left when it unwound.
//! - *The process forks.* Whoever was inside is not there to leave, in the child. Nobody but the owner
//!   gets in there.
//!
//! A panic inside unlocks. What it left half done, its caller sees to.

#![allow(unsafe_code, reason = "lends what it guards, as every lock does")]

mod owner;

use std::array;
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use self::owner::{Owner, SEATS};
use super::sync::{Fence, InProcess, Mutex, Platform, Site, Step, Word32, Word64};
use crate::error::{Error, Result};
use crate::layout::FenceMode;

/// A mutex that costs its usual user next to nothing.
///
/// Not for a lock that several threads contend for: it becomes a mutex, but a slower
/// one. Locking it twice in one thread panics, or never returns.
pub struct Serial<T, P: Platform = InProcess> {
    platform: P,
    /// How many forks there had been when it was made.
    forks: u32,
    /// An [`Owner`]; changes under `mutex`.
    owner: P::Word64,
    /// 1 while the owner that sits here is inside, or looks whether it may be.
    /// Written by that owner only, and the futex of whoever waits for it.
    busy: [P::Word32; SEATS],
    mutex: P::Mutex<()>,
    guarded: UnsafeCell<T>,
}

// SAFETY: `lock` gives `&mut T` to one thread at a time, hence `Send`: see the module.
// The rest of it is atomics and a lock, and says itself whether it may be shared.
unsafe impl<T: Send, P: Platform + Sync> Sync for Serial<T, P>
where
    P::Word32: Sync,
    P::Word64: Sync,
    P::Mutex<()>: Sync,
{
}

impl<T> Serial<T> {
    /// In [`FenceMode::Asymmetric`] the process must be allowed to call `membarrier`.
    pub fn new(guarded: T, mode: FenceMode) -> Self {
        Self::with_platform(InProcess, guarded, mode)
    }
}

impl<T, P: Platform> Serial<T, P> {
    /// On another platform.
    pub fn with_platform(platform: P, guarded: T, mode: FenceMode) -> Self {
        let owner = match mode {
            FenceMode::Asymmetric => Owner::NOBODY_YET,
            FenceMode::Symmetric => Owner::ALL,
        };
        Self {
            owner: platform.word64(owner.0),
            busy: array::from_fn(|_| platform.word32(0)),
            mutex: platform.mutex(()),
            forks: platform.forks(),
            platform,
            guarded: UnsafeCell::new(guarded),
        }
    }

    /// Waits until nobody else is inside, and enters.
    ///
    /// # Errors
    /// [`Error::FenceRefused`] if another thread is the
    /// owner and the system does not allow to end that. Not in
    /// [`FenceMode::Symmetric`]. [`Error::Forked`] in a process that was forked since it was made.
    ///
    /// # Panics
    /// If this thread is inside already.
    #[inline]
    pub fn lock(&self) -> Result<SerialGuard<'_, T, P>> {
        let owner = self.owner();
        if owner.is(self.platform.thread()) && self.enter(owner) {
            return Ok(self.guard(Hold::Seat(owner)));
        }
        self.lock_slow()
    }

    /// Calls `f` inside, as [`lock`](Self::lock) would let it in, or makes its result of the
    /// error.
    ///
    /// Cheaper than a guard, or a `Result`, which are values that have to be moved about:
    /// parts of them are stored one by one and loaded as one, which costs 2 ns each time.
    ///
    /// # Panics
    /// If this thread is inside already.
    #[inline(always)]
    pub fn with<R: From<Error>>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let owner = self.owner();
        if owner.is(self.platform.thread()) && self.enter(owner) {
            let _seated = Seated {
                serial: self,
                owner,
            };
            // SAFETY: `enter` let this thread in, so nobody else is inside until
            // `_seated` drops, be it in a panic.
            return f(unsafe { &mut *self.guarded.get() });
        }
        self.with_slow(&mut Some(f))
    }

    /// Out of line with its call of `f`, so that the other one is compiled into the caller; takes
    /// `f` in another form, lest it be stored in memory for this call on the way to the other.
    #[cold]
    #[inline(never)]
    fn with_slow<R: From<Error>, F>(&self, f: &mut Option<F>) -> R
    where
        F: FnOnce(&mut T) -> R,
    {
        match (self.lock_slow(), f.take()) {
            (Ok(mut guard), Some(f)) => f(&mut guard),
            (Err(error), _) => error.into(),
            (Ok(_), None) => unreachable!("called once"),
        }
    }

    /// Waits until everybody has left who is inside now. The owner stays the owner.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    pub fn settle(&self) -> Result<()> {
        self.check_forked()?;
        let _mutex = self.mutex.lock();
        let owner = self.owner();
        let thread = self.platform.number_thread();
        if !owner.is_somebody() || owner.is(thread) {
            // Who comes in by the mutex has left.
            return Ok(());
        }
        self.revoke(owner, owner.successor(thread))?;
        // Nobody has come in since. An owner that was sent away meanwhile waits for the mutex,
        // and finds this.
        self.set_owner(owner);
        Ok(())
    }

    /// The guarded value; nobody can be inside.
    pub fn get_mut(&mut self) -> &mut T {
        self.guarded.get_mut()
    }

    /// The guarded value, for good.
    pub fn into_inner(self) -> T {
        self.guarded.into_inner()
    }

    /// The owner's way in; whether it still was the owner. `owner` is this thread.
    #[inline(always)]
    fn enter(&self, owner: Owner) -> bool {
        self.say_busy(owner);
        // ORDERING(enter-then-check): light; pairs with the heavy fence in `revoke`.
        self.platform.light_fence(Fence::EnterThenCheck);
        if self.owner() == owner || !self.platform.performs(Step::CheckAfterEnter) {
            return true;
        }
        self.back_out(owner);
        false
    }

    /// The former owner's way back, when it came too late.
    #[cold]
    fn back_out(&self, owner: Owner) {
        // ORDERING(owner-left): Release; pairs with the Acquire in `await_owner`.
        self.seat(owner).store(0, Site::Leave);
        self.platform.wake(self.seat(owner));
    }

    /// The owner's way out.
    #[inline(always)]
    fn leave(&self, owner: Owner) {
        let busy = self.seat(owner);
        // ORDERING(owner-left): Release; pairs with the Acquire in `await_owner`.
        busy.store(0, Site::Leave);
        // ORDERING(leave-then-check): light; pairs with the heavy fence in `revoke`.
        self.platform.light_fence(Fence::LeaveThenCheck);
        if self.owner() != owner && self.platform.performs(Step::WakeAfterLeave) {
            self.platform.wake(busy);
        }
    }

    /// The way in of everybody who is not the owner.
    #[cold]
    #[inline(never)]
    fn lock_slow(&self) -> Result<SerialGuard<'_, T, P>> {
        self.check_forked()?;
        let thread = self.platform.number_thread();
        let mutex = self.mutex.lock();
        let owner = self.owner();
        let next = owner.successor(thread);
        if owner != next && owner.is_somebody() {
            self.revoke(owner, next)?;
        }
        if next == Owner::ALL {
            return Ok(self.guard(Hold::Mutex(mutex)));
        }
        // Whoever takes the mutex next finds us busy.
        self.say_busy(next);
        self.set_owner(next);
        Ok(self.guard(Hold::Seat(next)))
    }

    /// Who is to be waited for lives in another process, if this one was forked.
    fn check_forked(&self) -> Result<()> {
        match self.platform.forks() == self.forks {
            true => Ok(()),
            false => Err(Error::Forked),
        }
    }

    /// Puts `next` in the place of `owner`, and waits until that is not inside. Under
    /// the mutex.
    ///
    /// # Errors
    /// If the heavy fence is refused; then `owner` is the owner still.
    fn revoke(&self, owner: Owner, next: Owner) -> Result<()> {
        self.set_owner(next);
        // ORDERING(enter-then-check, leave-then-check): heavy; pairs with the light
        // fences in `enter` and `leave`.
        let fenced = self.platform.heavy_fence(Fence::RevokeThenLook);
        if fenced.is_err() {
            if self.platform.performs(Step::ReinstateOwner) {
                // If it saw itself replaced, it waits for the mutex and finds this.
                self.set_owner(owner);
            }
            return fenced;
        }
        self.await_owner(owner);
        Ok(())
    }

    /// Sleeps until the former owner is not inside.
    fn await_owner(&self, owner: Owner) {
        if !self.platform.performs(Step::AwaitOwner) {
            return;
        }
        let busy = self.seat(owner);
        // ORDERING(owner-left): Acquire; pairs with the Release in `leave`.
        while busy.load(Site::ObserveLeft) != 0 {
            self.platform.sleep(busy, 1);
        }
    }

    /// # Panics
    /// If this thread, which is the owner, is inside already.
    #[inline(always)]
    fn say_busy(&self, owner: Owner) {
        let busy = self.seat(owner);
        // Two mutable references otherwise.
        if busy.load(Site::ReadBusy) != 0 {
            locked_twice();
        }
        busy.store(1, Site::Enter);
    }

    #[inline(always)]
    fn seat(&self, owner: Owner) -> &P::Word32 {
        if self.platform.performs(Step::OwnSeat) {
            &self.busy[owner.seat()]
        } else {
            &self.busy[0]
        }
    }

    #[inline(always)]
    fn owner(&self) -> Owner {
        Owner(self.owner.load(Site::ReadOwner))
    }

    fn set_owner(&self, owner: Owner) {
        self.owner.store(owner.0, Site::SetOwner);
    }

    #[inline(always)]
    fn guard<'a>(
        &'a self,
        hold: Hold<<P::Mutex<()> as Mutex<()>>::Guard<'a>>,
    ) -> SerialGuard<'a, T, P> {
        SerialGuard {
            serial: self,
            hold,
            stays_here: PhantomData,
        }
    }
}

#[cold]
#[inline(never)]
fn locked_twice() -> ! {
    panic!("locked twice by one thread")
}

impl<T, P: Platform> fmt::Debug for Serial<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serial").finish_non_exhaustive()
    }
}

/// How somebody is inside.
enum Hold<M> {
    /// As the owner.
    Seat(Owner),
    /// By the mutex, which it holds until it is dropped.
    Mutex(#[allow(dead_code, reason = "held for its drop")] M),
}

/// The owner's being inside, until it is dropped.
struct Seated<'a, T, P: Platform> {
    serial: &'a Serial<T, P>,
    owner: Owner,
}

impl<T, P: Platform> Drop for Seated<'_, T, P> {
    #[inline(always)]
    fn drop(&mut self) {
        self.serial.leave(self.owner);
    }
}

/// Being inside a [`Serial`], until it is dropped.
pub struct SerialGuard<'a, T, P: Platform = InProcess> {
    serial: &'a Serial<T, P>,
    hold: Hold<<P::Mutex<()> as Mutex<()>>::Guard<'a>>,
    /// The owner leaves in the thread in which it entered.
    stays_here: PhantomData<*const ()>,
}

impl<T, P: Platform> Deref for SerialGuard<'_, T, P> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: `lock` made this guard, so nobody else is inside until it drops.
        unsafe { &*self.serial.guarded.get() }
    }
}

impl<T, P: Platform> DerefMut for SerialGuard<'_, T, P> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and `&mut self` makes it the only reference from here.
        unsafe { &mut *self.serial.guarded.get() }
    }
}

impl<T, P: Platform> Drop for SerialGuard<'_, T, P> {
    #[inline(always)]
    fn drop(&mut self) {
        if let Hold::Seat(owner) = self.hold {
            self.serial.leave(owner);
        }
    }
}

impl<T: fmt::Debug, P: Platform> fmt::Debug for SerialGuard<'_, T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SerialGuard").field(&**self).finish()
    }
}

#[cfg(test)]
mod tests;

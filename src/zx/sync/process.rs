//! [`Platform`] as it ships: the machine's atomics, `crossbeam-epoch`, `membarrier(2)`
//! and `futex(2)`.
//!
//! # Who keeps what alive
//!
//! A value in an [`EpochSlot`] is owned by the slot. It leaves the slot by the one
//! successful exchange of its address for null, and whoever made that exchange hands
//! the address to `crossbeam-epoch` while pinned; nobody can load it any more then.
//! Whoever loaded it before was pinned when it did and stays so as long as the
//! reference lives (`'g` of [`Slot::load`]). So it is freed behind the last use. What
//! is still in the slot when that is dropped goes with it; `'g` says too that nobody
//! looks at that moment.
//!
//! A [`Pin`] is made here and is always one of the default collector, the same
//! that slots hand addresses to: a guard of another one would keep nothing alive.

#![allow(
    unsafe_code,
    reason = "values behind atomic pointers, freed through crossbeam-epoch"
)]

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, compiler_fence};
use std::sync::{MutexGuard, PoisonError};

use crossbeam_epoch::{self as epoch, Atomic, Owned, Shared};

use super::{Fence, Mutex, Once, Platform, Site, Slot, Word32, Word64};
use crate::error::Result;
use crate::sys::deadline::Deadline;
use crate::sys::{futex, membarrier};

/// The platform of a running process.
#[derive(Clone, Copy, Debug, Default)]
pub struct InProcess;

impl Word32 for AtomicU32 {
    #[inline(always)]
    fn load(&self, site: Site) -> u32 {
        self.load(site.ordering())
    }

    #[inline(always)]
    fn store(&self, value: u32, site: Site) {
        self.store(value, site.ordering());
    }

    #[inline(always)]
    fn decrement(&self, site: Site) -> u32 {
        self.fetch_sub(1, site.ordering())
    }

    #[inline(always)]
    fn exchange(&self, current: u32, new: u32, site: Site) -> Result<u32, u32> {
        // Relaxed on failure: nothing is done then.
        self.compare_exchange(current, new, site.ordering(), Ordering::Relaxed)
    }
}

impl Word64 for AtomicU64 {
    #[inline(always)]
    fn load(&self, site: Site) -> u64 {
        self.load(site.ordering())
    }

    #[inline(always)]
    fn store(&self, value: u64, site: Site) {
        self.store(value, site.ordering());
    }
}

impl<V> Mutex<V> for std::sync::Mutex<V> {
    type Guard<'a>
        = MutexGuard<'a, V>
    where
        Self: 'a;

    #[inline]
    fn lock(&self) -> MutexGuard<'_, V> {
        self.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A value on the heap that is set once: one load leads to it.
pub struct Boxed<V> {
    at: AtomicPtr<V>,
    /// It owns the value.
    owns: PhantomData<V>,
}

// SAFETY: `set` through a shared reference moves a value to whoever drops it, hence
// `Send`; `get` shares it, hence `Sync`. The pointer itself is atomic.
unsafe impl<V: Send + Sync> Sync for Boxed<V> {}

impl<V> fmt::Debug for Boxed<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Boxed").field(&self.at).finish()
    }
}

impl<V> Once<V> for Boxed<V> {
    #[inline(always)]
    fn get(&self, site: Site) -> Option<&V> {
        // SAFETY: null, or from `Box::into_raw` in `set`; freed by `drop` only, which
        // no borrow of `self` outlives; never `&mut` before that. Its contents are
        // visible: `site` acquires what `set` released.
        unsafe { self.at.load(site.ordering()).as_ref() }
    }

    fn set(&self, value: V, site: Site) {
        let value = Box::into_raw(Box::new(value));
        let empty = ptr::null_mut();
        // Relaxed on failure: nothing is read through the other address.
        let set = self
            .at
            .compare_exchange(empty, value, site.ordering(), Ordering::Relaxed);
        assert!(set.is_ok(), "set twice");
    }
}

impl<V> Drop for Boxed<V> {
    fn drop(&mut self) {
        let value = *self.at.get_mut();
        if !value.is_null() {
            // SAFETY: it is from `Box::into_raw` in `set`, and this is its only end.
            drop(unsafe { Box::from_raw(value) });
        }
    }
}

/// Keeps alive what was loaded from slots while it exists.
#[derive(Debug)]
pub struct Pin(epoch::Guard);

/// A value on the heap that is freed when nobody who is pinned can look at it.
pub struct EpochSlot<V>(Atomic<V>);

impl<V> fmt::Debug for EpochSlot<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EpochSlot").finish_non_exhaustive()
    }
}

impl<V: Send + Sync + 'static> Slot<V> for EpochSlot<V> {
    type Pin = Pin;

    #[inline(always)]
    fn load<'g>(&'g self, pin: &'g Pin, site: Site) -> Option<&'g V> {
        let value = self.0.load(site.ordering(), &pin.0);
        // SAFETY: null, or a live value whose contents `site` acquired; it stays for
        // as long as `pin` and `self` do, see "Who keeps what alive"; never `&mut`.
        unsafe { value.as_ref() }
    }

    fn publish(&self, value: V, site: Site) {
        debug_assert!(!self.holds_any(), "the slot is in use");
        self.0.store(Owned::new(value), site.ordering());
    }

    fn take(&self, value: &V, pin: &Pin, site: Site) -> bool {
        // Relaxed: compared only; `value` is a reference already.
        let now = self.0.load(Ordering::Relaxed, &pin.0);
        if now.as_raw() != ptr::from_ref(value) {
            return false;
        }
        // Relaxed on failure: nothing is done then.
        let taken = self.0.compare_exchange(
            now,
            Shared::null(),
            site.ordering(),
            Ordering::Relaxed,
            &pin.0,
        );
        if taken.is_ok() {
            // SAFETY: `now` is from `Owned::new` in `publish` and has just left the
            // slot by our exchange: nobody loads it from now on, nobody else gets
            // here with it. `V: Send + 'static`, so any thread may drop it, later.
            unsafe { pin.0.defer_destroy(now) };
        }
        taken.is_ok()
    }
}

impl<V> EpochSlot<V> {
    fn holds_any(&self) -> bool {
        // SAFETY: as in `holds`; the result is compared with null.
        let guard = unsafe { epoch::unprotected() };
        !self.0.load(Ordering::Relaxed, guard).is_null()
    }
}

impl<V> Drop for EpochSlot<V> {
    fn drop(&mut self) {
        let value = mem::take(&mut self.0);
        // SAFETY: `&mut self`, so nobody holds a reference that `load` returned, and
        // what is in the slot has not been handed to the collector.
        drop(unsafe { value.try_into_owned() });
    }
}

/// Has what was taken out of slots before freed soon, not at the next sixty-fourth
/// time. For a caller that is not pinned.
pub fn reclaim_soon() {
    // Two epochs must pass; each flush may begin one.
    for _ in 0..3 {
        epoch::pin().flush();
    }
}

thread_local! {
    /// The number of this thread, or 0. Constant and without a destructor, so that
    /// reading it is one load.
    static NUMBER: Cell<u64> = const { Cell::new(0) };
}

impl Platform for InProcess {
    type Word32 = AtomicU32;
    type Word64 = AtomicU64;
    type Mutex<V> = std::sync::Mutex<V>;
    type Once<V> = Boxed<V>;
    type Pin = Pin;
    type Slot<V: Send + Sync + 'static> = EpochSlot<V>;

    fn word32(&self, value: u32) -> AtomicU32 {
        AtomicU32::new(value)
    }

    fn word64(&self, value: u64) -> AtomicU64 {
        AtomicU64::new(value)
    }

    fn mutex<V>(&self, value: V) -> std::sync::Mutex<V> {
        std::sync::Mutex::new(value)
    }

    fn once<V>(&self) -> Boxed<V> {
        Boxed {
            at: AtomicPtr::new(ptr::null_mut()),
            owns: PhantomData,
        }
    }

    fn slot<V: Send + Sync + 'static>(&self) -> EpochSlot<V> {
        EpochSlot(Atomic::null())
    }

    #[inline(always)]
    fn pin(&self) -> Pin {
        Pin(epoch::pin())
    }

    #[inline(always)]
    fn thread(&self) -> u64 {
        NUMBER.get()
    }

    fn number_thread(&self) -> u64 {
        static LAST: AtomicU64 = AtomicU64::new(0);
        if NUMBER.get() == 0 {
            // Relaxed: it need only differ from all others.
            NUMBER.set(LAST.fetch_add(1, Ordering::Relaxed) + 1);
        }
        NUMBER.get()
    }

    #[inline(always)]
    fn light_fence(&self, _: Fence) {
        compiler_fence(Ordering::SeqCst);
    }

    /// The barrier that the process is registered for anyway. `PRIVATE_EXPEDITED`
    /// would be enough and is no faster where it matters: with a busy thread on the
    /// other CPU five runs took 0.7 to 8 us with this one and 0.3 to 9 us with that
    /// (alone: 0.3 against 0.2). That one needs a registration of its
    /// own, which takes milliseconds with many threads, and is one more command that a
    /// sandbox must allow.
    ///
    /// In a fork child that made no endpoint yet this registers it first.
    #[cold]
    fn heavy_fence(&self, _: Fence) -> Result<()> {
        membarrier::register()
    }

    #[cold]
    fn sleep(&self, word: &AtomicU32, expected: u32) {
        futex::wait(word, expected, Deadline::NEVER);
    }

    #[cold]
    fn wake(&self, word: &AtomicU32) {
        futex::wake_all(word);
    }
}

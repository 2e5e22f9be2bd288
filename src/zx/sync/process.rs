//! [`Platform`] as it ships: the machine's atomics, `crossbeam-epoch`, `membarrier(2)`
//! and `futex(2)`.
//!
//! # Who keeps what alive
//!
//! A value in an [`EpochSlot`] is owned by the slot. It leaves the slot by the one
//! successful exchange of its address for null, and whoever made that exchange owns it as
//! a [`Detached`]; nobody can load it any more then. [`Hazards`] keeps that as long as
//! a thread guards the address ([`Slot::glimpse`], [`Raw::lend`]), and has it handed to
//! `crossbeam-epoch` then, by somebody who is pinned. Whoever loaded it in the other way
//! was pinned when it did and stays so as long as the reference lives (`'g` of
//! [`Slot::load`]). So it is freed behind the last use. What is still in the slot when
//! that is dropped goes with it; `'g` says too that nobody looks at that moment.
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
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, compiler_fence};
use std::sync::{MutexGuard, OnceLock, PoisonError};

use crossbeam_epoch as epoch;

use super::super::hazard::{self, Hazards, Record};
use super::{Fence, Mutex, Once, Platform, Raw, Removed, Site, Slot, Word32, Word64};
use crate::error::Result;
use crate::sys::{fork, futex, membarrier};

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
pub struct EpochSlot<V> {
    at: AtomicPtr<V>,
    /// It owns the value.
    owns: PhantomData<V>,
}

// SAFETY: `publish` through a shared reference moves a value to whoever drops it, hence
// `Send`; look-ups share it, hence `Sync`. The pointer itself is atomic.
unsafe impl<V: Send + Sync> Sync for EpochSlot<V> {}

impl<V> fmt::Debug for EpochSlot<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EpochSlot").finish_non_exhaustive()
    }
}

impl<V: Send + Sync + 'static> Slot<V> for EpochSlot<V> {
    type Pin = Pin;
    type Raw = *const V;
    type Removed = Detached;

    #[inline(always)]
    fn glimpse(&self, site: Site) -> Option<*const V> {
        let value = self.at.load(site.ordering());
        (!value.is_null()).then_some(value.cast_const())
    }

    #[inline(always)]
    fn load<'g>(&'g self, _: &'g Pin, site: Site) -> Option<&'g V> {
        // SAFETY: null, or a live value whose contents `site` acquired; it stays for
        // as long as the pin and `self` do, see "Who keeps what alive"; never `&mut`.
        unsafe { self.at.load(site.ordering()).as_ref() }
    }

    fn publish(&self, value: V, site: Site) {
        // Relaxed: nothing is read through it.
        debug_assert!(
            self.at.load(Ordering::Relaxed).is_null(),
            "the slot is in use"
        );
        self.at
            .store(Box::into_raw(Box::new(value)), site.ordering());
    }

    fn take(&self, value: &V, _: &Pin, site: Site) -> Option<Detached> {
        let at = ptr::from_ref(value).cast_mut();
        // Relaxed on failure: nothing is done then.
        let taken =
            self.at
                .compare_exchange(at, ptr::null_mut(), site.ordering(), Ordering::Relaxed);
        taken.ok().map(|at| Detached {
            at: at.cast(),
            free: free::<V>,
        })
    }
}

impl<V> Raw<V> for *const V {
    #[inline(always)]
    fn place(&self) -> u64 {
        self.addr() as u64
    }

    /// # Safety
    /// As the trait says: the caller guards the place, and found the value there since.
    #[inline(always)]
    unsafe fn lend<'g>(&self) -> &'g V
    where
        V: 'g,
    {
        // SAFETY: by the contract the value was in its slot after this thread had said that
        // it guards it, so `Hazards` keeps it until the thread says otherwise; its
        // contents were acquired; never `&mut` before it is freed.
        unsafe { &**self }
    }
}

/// A value that has left its slot and is not freed yet.
#[derive(Debug)]
pub struct Detached {
    /// What `free` is for.
    at: *mut (),
    free: unsafe fn(*mut ()),
}

// SAFETY: made by `EpochSlot::take` only, where the value is `Send`.
unsafe impl Send for Detached {}

/// # Safety
/// `at` must be a `V` from `Box::into_raw`, and this its only end.
unsafe fn free<V>(at: *mut ()) {
    // SAFETY: this function's own contract.
    drop(unsafe { Box::from_raw(at.cast::<V>()) });
}

impl Removed<Pin> for Detached {
    fn place(&self) -> u64 {
        self.at.addr() as u64
    }

    /// # Safety
    /// As the trait says: no thread uses it because it guards it.
    unsafe fn retire(self, pin: &Pin) {
        let Self { at, free } = self;
        // SAFETY: `at` is from `Box::into_raw` in `publish` and left the slot by the exchange
        // in `take`: nobody loads it from now on, and `self` is the only one of it. Who found
        // it before is pinned, and waited for; nobody else does, by the contract.
        // The value is `Send + 'static`, so any thread may drop it, later.
        unsafe { pin.0.defer_unchecked(move || free(at)) };
    }
}

impl<V> Drop for EpochSlot<V> {
    fn drop(&mut self) {
        let value = *self.at.get_mut();
        if !value.is_null() {
            // SAFETY: it is from `publish`, and still in the slot; `&mut self`, so nobody
            // holds a reference that `load` returned, or guards it.
            unsafe { free::<V>(value.cast()) };
        }
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

/// What a thread keeps at hand. Constant and without a destructor, so that reading it is
/// finding it, and all in one place, as finding it is a function call in a shared
/// library.
struct Local {
    /// The number of this thread, or 0.
    number: Cell<u64>,
    record: Record,
}

thread_local! {
    static LOCAL: Local = const {
        Local {
            number: Cell::new(0),
            record: Record::new(AtomicU64::new(Record::<InProcess>::ABSENT), AtomicU32::new(0)),
        }
    };

    /// Lives while the record is listed.
    static WITHDRAWS: Withdraws = const { Withdraws };
}

/// Takes the record of a thread from the list when the thread ends.
struct Withdraws;

impl Drop for Withdraws {
    fn drop(&mut self) {
        // SAFETY: a guard lives within a call, and all calls of this thread have ended.
        unsafe { HAZARDS.withdraw(&InProcess) };
    }
}

static HAZARDS: Hazards = Hazards::new(std::sync::Mutex::new(hazard::State::new()));

/// The record of a thread that has not ended.
#[derive(Debug)]
pub struct Listed(*const Record);

// SAFETY: leads to atomics, which any thread may use.
unsafe impl Send for Listed {}

impl Deref for Listed {
    type Target = Record;

    fn deref(&self) -> &Record {
        // SAFETY: it was promised to `list_record` that this is not used when the thread has
        // withdrawn, which it does before its thread-locals are freed. Those have
        // no destructor of their own, and are never `&mut`.
        unsafe { &*self.0 }
    }
}

impl Platform for InProcess {
    type Word32 = AtomicU32;
    type Word64 = AtomicU64;
    type Mutex<V> = std::sync::Mutex<V>;
    type Once<V> = Boxed<V>;
    type Pin = Pin;
    type Slot<V: Send + Sync + 'static> = EpochSlot<V>;
    type Removed = Detached;
    type Listed = Listed;

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
        EpochSlot {
            at: AtomicPtr::new(ptr::null_mut()),
            owns: PhantomData,
        }
    }

    #[inline(always)]
    fn pin(&self) -> Pin {
        Pin(epoch::pin())
    }

    fn hazards(&self) -> &Hazards {
        &HAZARDS
    }

    #[inline(always)]
    fn with_record<R>(&self, f: impl FnOnce(&Record) -> R) -> R {
        let local = LOCAL.with(ptr::from_ref);
        // Not within `LocalKey::with`, which is inlined for small closures only.
        // SAFETY: `LOCAL` has no destructor and is never `&mut`: it is there as long as the
        // thread runs, so until `f` returns.
        f(unsafe { &(*local).record })
    }

    /// # Safety
    /// As the trait says: it is not used any more once this thread has withdrawn.
    unsafe fn list_record(&self) -> Option<Listed> {
        // Registers its destructor.
        WITHDRAWS.try_with(|_| ()).ok()?;
        Some(LOCAL.with(|local| Listed(&raw const local.record)))
    }

    fn can_guard(&self) -> bool {
        static CAN: OnceLock<bool> = OnceLock::new();
        *CAN.get_or_init(|| {
            fork::install();
            membarrier::register().is_ok()
        })
    }

    fn forks(&self) -> u32 {
        fork::generation()
    }

    #[inline(always)]
    fn thread(&self) -> u64 {
        LOCAL.with(|local| local.number.get())
    }

    fn number_thread(&self) -> u64 {
        static LAST: AtomicU64 = AtomicU64::new(0);
        if self.thread() == 0 {
            // Relaxed: it need only differ from all others.
            let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
            LOCAL.with(|local| local.number.set(number));
        }
        self.thread()
    }

    #[inline(always)]
    fn light_fence(&self, _: Fence) {
        compiler_fence(Ordering::SeqCst);
    }

    /// Not the barrier between processes, for which the process is registered anyway: that one passes by a CPU where
    /// a thread has ended.
    #[cold]
    fn heavy_fence(&self, _: Fence) -> Result<()> {
        membarrier::private_expedited()
    }

    #[cold]
    fn sleep(&self, word: &AtomicU32, expected: u32) {
        futex::wait_private(word, expected);
    }

    #[cold]
    fn wake(&self, word: &AtomicU32) {
        futex::wake_all_private(word);
    }
}

//! What the handle world shares between the threads of one process, and how.
//!
//! The law of this module, and of [`table`](super::table), [`hazard`](super::hazard),
//! [`count`](super::count) and [`serial`](super::serial), which are built on it:
//!
//! 1. An atomic is accessed only through these traits, and every access names its
//!    [`Site`]. The site fixes the ordering, and its documentation names the site
//!    that it pairs with.
//! 2. What a look-up may still be looking at is freed only through
//!    [`Hazards`](super::hazard::Hazards), which waits for who guards it, and then for
//!    all who are pinned.
//! 3. Whoever may go to sleep has told the one who wakes it, and a [`Fence`] stands
//!    between that and the last look.
//!
//! The algorithms are generic over [`Platform`], as the protocol is over
//! [`Memory`](crate::mem::Memory), and for the same reason: the very code that ships
//! over the machine's atomics and `crossbeam-epoch` ([`InProcess`]) is checked over
//! loom's atomics and a modelled reclamation. A model can weaken one site, drop one
//! fence or skip one [`Step`], and must then fail.

#![allow(unsafe_code, reason = "declares methods with a contract")]

mod process;

use std::ops::{Deref, DerefMut};
use std::sync::atomic::Ordering;

pub use process::{InProcess, reclaim_soon};

use super::hazard::{Hazards, Record};
use crate::error::Result;

/// Every access to an atomic of the handle world, by what it is for. See
/// `docs/memory-model.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Site {
    /// entry-published: an insertion puts its entry into the slot. Release, so that
    /// whoever finds the entry sees what is in it.
    PublishEntry,
    /// entry-published: a look-up loads the slot. Acquire.
    FindEntry,
    /// A look-up loads the slot, to say that it guards what is there. Relaxed: nothing is
    /// looked at before it was loaded again, with [`Site::FindEntry`].
    GlimpseEntry,
    /// The slot is emptied, by whichever of several closers comes first. Relaxed: the
    /// entry was found with [`Site::FindEntry`], and the slot's next user takes it
    /// over through the lock of the free list.
    RemoveEntry,
    /// segment-published: an insertion adds a segment of empty slots. Release.
    PublishSegment,
    /// segment-published: a look-up finds the segment. Acquire.
    FindSegment,
    /// A thread looks whether it guards something already. Relaxed: only it writes the
    /// word.
    ReadGuard,
    /// guard-left: a thread guards an entry. Release, since it may be what a remover
    /// of the entry guarded before sees; [`Fence::GuardThenCheck`] follows.
    Guard,
    /// guard-left: it does not any longer. Release, so that the entry is freed behind
    /// its last use.
    Unguard,
    /// guard-left: a remover looks what a thread guards. Acquire.
    ObserveGuard,
    /// A thread is asked to look after what it guarded, or has done so. Relaxed:
    /// under the lock, and [`Fence::AskThenScan`] follows.
    Ask,
    /// A thread looks whether it was asked. Relaxed: [`Fence::UnguardThenCheck`] comes
    /// before, the lock after.
    ReadAsked,
    /// One more handle. Relaxed: its maker holds a live one.
    AddHandle,
    /// handles-dropped: one handle less. Release, so that whoever has the last sees
    /// what was done through this one.
    DropHandle,
    /// handles-dropped: it was the last. Acquire.
    LastHandle,
    /// handles-dropped: the last handle is claimed, if it is the last. Acquire.
    ClaimHandle,
    /// Statistics. Relaxed.
    CountHandles,
    /// A thread looks whether it is the owner. Relaxed: only it can have made itself
    /// that, and [`Fence::EnterThenCheck`] catches up with who ended it.
    ReadOwner,
    /// The owner changes, under the lock. Relaxed: [`Fence::RevokeThenLook`] follows,
    /// or nobody was the owner.
    SetOwner,
    /// The owner looks whether it is inside already. Relaxed: only it writes the word.
    ReadBusy,
    /// The owner says that it is inside. Relaxed: [`Fence::EnterThenCheck`] follows,
    /// or the lock is held.
    Enter,
    /// owner-left: the owner says that it is not inside any longer. Release, so that
    /// whoever comes next sees what it did there.
    Leave,
    /// owner-left: who ended the ownership waits for that. Acquire.
    ObserveLeft,
}

impl Site {
    /// The ordering of the access.
    #[inline(always)]
    pub const fn ordering(self) -> Ordering {
        match self {
            Self::PublishEntry
            | Self::PublishSegment
            | Self::Guard
            | Self::Unguard
            | Self::DropHandle
            | Self::Leave => Ordering::Release,
            Self::FindEntry
            | Self::FindSegment
            | Self::ObserveGuard
            | Self::LastHandle
            | Self::ClaimHandle
            | Self::ObserveLeft => Ordering::Acquire,
            Self::GlimpseEntry
            | Self::RemoveEntry
            | Self::ReadGuard
            | Self::Ask
            | Self::ReadAsked
            | Self::AddHandle
            | Self::CountHandles
            | Self::ReadOwner
            | Self::SetOwner
            | Self::ReadBusy
            | Self::Enter => Ordering::Relaxed,
        }
    }
}

/// The fences between a store and a later load of something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fence {
    /// Light. Look-up: guard the entry, **fence**, look whether it is still in its slot.
    /// With [`Fence::RemoveThenScan`]: either the look-up sees that it is not, or the
    /// remover sees it guarded. Otherwise it could be freed in use.
    GuardThenCheck,
    /// Light. Look-up: guard nothing, **fence**, look whether somebody asked.
    /// With [`Fence::AskThenScan`]: either it sees that it must hand the entry over, or
    /// the remover sees that it left. Otherwise the entry could be kept for ever.
    UnguardThenCheck,
    /// Heavy. Remover: empty the slot, **fence**, look who guards the entry.
    RemoveThenScan,
    /// Heavy. Remover: ask who guards the entry, **fence**, look again.
    AskThenScan,
    /// Light. Owner: say busy, **fence**, look whether it is still the owner.
    /// With [`Fence::RevokeThenLook`]: either the owner sees that it is not, or the
    /// other one sees it busy. Otherwise both could be inside.
    EnterThenCheck,
    /// Light. Owner: say not busy, **fence**, look whether anybody waits for that.
    /// With [`Fence::RevokeThenLook`]: either the owner sees that it must wake, or the
    /// other one sees that it left. Otherwise a wake-up could be lost.
    LeaveThenCheck,
    /// Heavy. Another thread: end the ownership, **fence**, look whether the owner
    /// is busy.
    RevokeThenLook,
}

/// Steps that look redundant. A model that skips one must fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A look-up compares the entry's value with the one that it was given.
    CompareValue,
    /// A removed entry is kept while anybody else than its remover is pinned who may
    /// look at it.
    AwaitPinned,
    /// A look-up looks again whether the entry is in its slot, after it has said that
    /// it guards it.
    CheckAfterGuard,
    /// A thread that guards an entry does not guard another one instead.
    GuardOne,
    /// A removed entry is kept while somebody guards it.
    AwaitGuards,
    /// Whoever still guards a removed entry hands it over when it leaves.
    AnswerAsked,
    /// A removed entry is kept when the heavy fence is refused.
    KeepUnfenced,
    /// Threads guard no more entries once the heavy fence was refused.
    StopGuarding,
    /// Whoever has announced itself to an object looks again whether its handle is
    /// still open.
    RecheckEntry,
    /// A count of handles that fell to zero stays there.
    RefuseDead,
    /// The owner looks again whether it is the owner after it has said busy.
    CheckAfterEnter,
    /// An owner that leaves wakes whoever ended its ownership meanwhile.
    WakeAfterLeave,
    /// Whoever ends an ownership waits until the owner is not busy.
    AwaitOwner,
    /// Every owner says busy in a word of its own.
    OwnSeat,
    /// The owner is made the owner again when the heavy fence is refused.
    ReinstateOwner,
}

/// An atomic 32-bit number.
pub trait Word32 {
    /// Loads it.
    fn load(&self, site: Site) -> u32;
    /// Stores to it.
    fn store(&self, value: u32, site: Site);
    /// Subtracts one; returns what it was.
    fn decrement(&self, site: Site) -> u32;
    /// Replaces `current` by `new`, if it is `current`; else says what it is.
    ///
    /// # Errors
    /// The value that is there instead.
    fn exchange(&self, current: u32, new: u32, site: Site) -> Result<u32, u32>;
}

/// An atomic 64-bit number.
pub trait Word64 {
    /// Loads it.
    fn load(&self, site: Site) -> u64;
    /// Stores to it.
    fn store(&self, value: u64, site: Site);
}

/// A mutex that a panic does not poison.
pub trait Mutex<V> {
    /// Holds the lock until it is dropped.
    type Guard<'a>: DerefMut<Target = V>
    where
        Self: 'a;
    /// Waits for the lock.
    fn lock(&self) -> Self::Guard<'_>;
}

/// Room for one value, which is set once and stays.
pub trait Once<V> {
    /// The value, once it is set.
    fn get(&self, site: Site) -> Option<&V>;
    /// Sets it. For one caller at a time, and only while it is not set.
    fn set(&self, value: V, site: Site);
}

/// Room for a value that can be looked at while somebody else takes it away.
pub trait Slot<V> {
    /// Keeps alive what was loaded while it exists.
    type Pin;
    /// Where a value is that was there.
    type Raw: Raw<V>;
    /// A value that was taken away.
    type Removed;
    /// What is there now.
    fn load<'g>(&'g self, pin: &'g Self::Pin, site: Site) -> Option<&'g V>;
    /// Where the value is that is there now. It may be gone at any moment.
    fn glimpse(&self, site: Site) -> Option<Self::Raw>;
    /// Puts `value` there. For one caller at a time, and only while it is empty.
    fn publish(&self, value: V, site: Site);
    /// Takes `value` itself away, if it is there. Of several callers one gets it, and
    /// must see to it that it is freed, but not in use.
    fn take(&self, value: &V, pin: &Self::Pin, site: Site) -> Option<Self::Removed>;
}

/// Where a value is that was found in a [`Slot`].
pub trait Raw<V> {
    /// A number for the place, which no other value has while this one is there; from
    /// [`Record::FIRST_PLACE`](super::hazard::Record::FIRST_PLACE) on.
    fn place(&self) -> u64;
    /// The value.
    ///
    /// # Safety
    /// It must have been in its slot after the calling thread has begun to guard its
    /// place, which it must do until `'g` ends; the load that found it there a site
    /// that acquires.
    unsafe fn lend<'g>(&self) -> &'g V
    where
        V: 'g;
    /// What was lent is not used any longer. For models.
    #[inline(always)]
    fn give_back(&self) {}
}

/// A value that was taken out of a [`Slot`].
pub trait Removed<Pin> {
    /// Its place, as [`Raw::place`].
    fn place(&self) -> u64;
    /// Has it dropped when nobody who is pinned now is pinned any longer.
    ///
    /// # Safety
    /// `pin` must be of the calling thread. No thread may guard its place that found the value
    /// in its slot since; what was [lent](Raw::lend) of it must have ended.
    unsafe fn retire(self, pin: &Pin);
}

/// Atomics, locks, reclamation, fences and sleep, as the handle world needs them.
pub trait Platform: Sized {
    /// A 32-bit atomic, on which a thread can sleep.
    type Word32: Word32;
    /// A 64-bit atomic.
    type Word64: Word64;
    /// A mutex.
    type Mutex<V>: Mutex<V>;
    /// Room for a value that stays.
    type Once<V>: Once<V>;
    /// Keeps alive what was loaded from slots.
    type Pin;
    /// Room for a value that comes and goes. It may be dropped by any thread, later.
    type Slot<V: Send + Sync + 'static>: Slot<V, Pin = Self::Pin, Removed = Self::Removed>;
    /// A value that was taken out of a slot.
    type Removed: Removed<Self::Pin>;
    /// Leads any thread to the record of one.
    type Listed: Deref<Target = Record<Self>>;

    /// A new atomic.
    fn word32(&self, value: u32) -> Self::Word32;
    /// A new atomic.
    fn word64(&self, value: u64) -> Self::Word64;
    /// A new mutex.
    fn mutex<V>(&self, value: V) -> Self::Mutex<V>;
    /// New room, not set.
    fn once<V>(&self) -> Self::Once<V>;
    /// New room, empty.
    fn slot<V: Send + Sync + 'static>(&self) -> Self::Slot<V>;
    /// Pins the current thread.
    fn pin(&self) -> Self::Pin;

    /// Who guards what in this process.
    fn hazards(&self) -> &Hazards<Self>;
    /// Calls `f` with the record of the current thread.
    fn with_record<R>(&self, f: impl FnOnce(&Record<Self>) -> R) -> R;
    /// The record of the current thread, for others; `None` if the thread is ending.
    ///
    /// When the thread ends it calls [`Hazards::withdraw`].
    ///
    /// # Safety
    /// What is returned must not be used when that call has ended.
    unsafe fn list_record(&self) -> Option<Self::Listed>;
    /// Whether threads may guard entries: whether heavy fences are to be had, as far as
    /// is known. Once decided it stays.
    fn can_guard(&self) -> bool;
    /// How many forks lie between this process and its first ancestor. After one there
    /// is but the current thread.
    fn forks(&self) -> u32;

    /// The number of the current thread, which no other thread of the process ever
    /// had or will have, or 0 if it has none yet.
    fn thread(&self) -> u64;
    /// The number of the current thread, given to it now if it has none yet.
    fn number_thread(&self) -> u64;

    /// A light fence.
    fn light_fence(&self, fence: Fence);
    /// A heavy fence.
    ///
    /// # Errors
    /// [`Error::FenceRefused`](crate::Error::FenceRefused) if the system refuses it;
    /// then nothing that relies on it may be done.
    fn heavy_fence(&self, fence: Fence) -> Result<()>;
    /// Sleeps while `word` holds `expected`, until woken, or for no reason.
    fn sleep(&self, word: &Self::Word32, expected: u32);
    /// Wakes every thread that sleeps on `word`.
    fn wake(&self, word: &Self::Word32);

    /// Whether to carry out `step`: always, but in a model that shows what the step
    /// is for.
    #[inline(always)]
    fn performs(&self, step: Step) -> bool {
        let _ = step;
        true
    }
}

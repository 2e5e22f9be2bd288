//! What the handle world shares between the threads of one process, and how.
//!
//! The law of this module, and of [`table`](super::table), [`count`](super::count)
//! and [`serial`](super::serial), which are built on it:
//!
//! 1. An atomic is accessed only through these traits, and every access names its
//!    [`Site`]. The site fixes the ordering, and its documentation names the site
//!    that it pairs with.
//! 2. What a look-up may still be looking at is freed only through a [`Slot`], which
//!    waits for all who are pinned.
//! 3. Whoever may go to sleep has told the one who wakes it, and a [`Fence`] stands
//!    between that and the last look.
//!
//! The algorithms are generic over [`Platform`], as the protocol is over
//! [`Memory`](crate::mem::Memory), and for the same reason: the very code that ships
//! over the machine's atomics and `crossbeam-epoch` ([`InProcess`]) is checked over
//! loom's atomics and a modelled reclamation. A model can weaken one site, drop one
//! fence or skip one [`Step`], and must then fail.

mod process;

use std::ops::DerefMut;
use std::sync::atomic::Ordering;

pub use process::{InProcess, reclaim_soon};

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
    /// The slot is emptied, by whichever of several closers comes first. Relaxed: the
    /// entry was found with [`Site::FindEntry`], and the slot's next user takes it
    /// over through the lock of the free list.
    RemoveEntry,
    /// segment-published: an insertion adds a segment of empty slots. Release.
    PublishSegment,
    /// segment-published: a look-up finds the segment. Acquire.
    FindSegment,
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
            Self::PublishEntry | Self::PublishSegment | Self::DropHandle | Self::Leave => {
                Ordering::Release
            }
            Self::FindEntry
            | Self::FindSegment
            | Self::LastHandle
            | Self::ClaimHandle
            | Self::ObserveLeft => Ordering::Acquire,
            Self::RemoveEntry
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
    /// What is there now.
    fn load<'g>(&'g self, pin: &'g Self::Pin, site: Site) -> Option<&'g V>;
    /// Puts `value` there. For one caller at a time, and only while it is empty.
    fn publish(&self, value: V, site: Site);
    /// Takes `value` itself away, if it is there, and has it dropped when nobody who
    /// is pinned now is pinned any longer. Whether it did: of several callers one.
    fn take(&self, value: &V, pin: &Self::Pin, site: Site) -> bool;
}

/// Atomics, locks, reclamation, fences and sleep, as the handle world needs them.
pub trait Platform {
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
    type Slot<V: Send + Sync + 'static>: Slot<V, Pin = Self::Pin>;

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

//! The handle table: from a 32-bit value to what the handle stands for.
//!
//! Any thread may look up, insert and remove at any time. A look-up takes no lock and
//! writes nothing that others write: three loads lead from the value to its [`Entry`].
//! Inserting and removing take a lock for the list of free slots, and removing one
//! more ([`hazard`](super::hazard)). A look-up allocates nothing, unless it is the first of
//! its thread, or hands over what was removed meanwhile; a removal may, for what waits to
//! be freed. When all slots are in use, inserting fails.
//!
//! ```text
//! value ^ secret -> generation | segment | slot
//!                                 |         |
//! segments:  [ * | * | 0 | ... ]  |         |      set once, never freed
//!                  \--------------/         |
//! slots:            [ 0 | * | 0 | * | ... ] |      an entry, or empty
//!                             \-------------/
//! entry:                       { value, content }  compared with the value looked up
//! ```
//!
//! The table grows by a segment of slots at a time. Slots never move. An entry is
//! immutable; it is removed by taking it out of its slot, and freed when no thread guards
//! it ([`Table::with`]) or is pinned ([`Table::get`]) any longer that may have found it.
//!
//! # Values
//!
//! See [`value`]. Slots queue up to be used again, and each time a slot is, its value has
//! another generation. As long as there are slots that were never in use, no slot is used
//! again before half a segment of others waits behind it. After that it is one of those
//! that happen to be free: in a table that is all but full perhaps the next.
//!
//! # Races
//!
//! - *A look-up meets a removal.* It finds the entry or nothing. Found, the entry stays
//!   for as long as the pin or the guard: the call goes on with a handle that is closed by now.
//! - *Two remove the same value.* Both find the entry, one takes it out.
//! - *A look-up with a value whose slot is in use again.* The entry found is another
//!   one, with another value: nothing is found.
//! - *An insertion meets a look-up that guesses its value.* The look-up finds nothing,
//!   or an entry with all that is in it.
//!
//! # Closing a handle that somebody waits on
//!
//! Whoever waits on an object through a handle must be cancelled when that handle is
//! closed, even by a closer that comes between look-up and wait:
//!
//! ```text
//! waiter: get(value); lock the object's list, join, unlock; is_open(value)? no -> leave
//! closer: remove(value);                                    lock the list, cancel all of value
//! ```
//!
//! The list's lock orders the two. If the waiter joined first, the closer finds it.
//! If the closer looked first, its removal comes before the waiter's second look, which
//! finds the entry gone ([`Table::is_open`]).

#![allow(unsafe_code, reason = "says that a thread guards one entry at a time")]

mod value;

use std::array;
use std::collections::VecDeque;
use std::fmt;
use std::hint::cold_path;
use std::ops::Deref;

use self::value::{Code, Codec};
use super::sync::{InProcess, Mutex, Once, Platform, Site, Slot, Step};

pub use self::value::is_well_formed;

/// What a handle stands for, and its value.
#[derive(Debug)]
pub struct Entry<T> {
    value: u32,
    content: T,
}

#[cfg(test)]
impl<T> Entry<T> {
    /// The value of the handle.
    fn value(&self) -> u32 {
        self.value
    }
}

impl<T> Deref for Entry<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.content
    }
}

/// All slots are in use. The content that was to be inserted comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Full<T>(pub T);

impl<T> fmt::Debug for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Full")
    }
}

/// Slots that came together.
type Segment<T, P, const SLOTS: usize> = [<P as Platform>::Slot<Entry<T>>; SLOTS];

/// A handle table of at most `SEGMENTS` times `SLOTS` handles, both powers of two.
///
/// By default 2^19 handles, in segments of one page.
pub struct Table<T, P = InProcess, const SEGMENTS: usize = 1024, const SLOTS: usize = 512>
where
    T: Send + Sync + 'static,
    P: Platform,
{
    platform: P,
    codec: Codec,
    segments: [P::Once<Segment<T, P, SLOTS>>; SEGMENTS],
    free: P::Mutex<Free>,
}

/// The slots that are not in use.
#[derive(Debug)]
struct Free {
    /// Slots from this one on were never in use.
    fresh: usize,
    /// What the slots that are free again will be called, in the order in which they
    /// were freed. Has room for all slots there are.
    again: VecDeque<Code>,
}

impl<T: Send + Sync + 'static> Default for Table<T> {
    fn default() -> Self {
        Self::new(InProcess, value::random_secret())
    }
}

impl<T, P, const SEGMENTS: usize, const SLOTS: usize> fmt::Debug for Table<T, P, SEGMENTS, SLOTS>
where
    T: Send + Sync + 'static,
    P: Platform,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the secret, nor anything that an entry stands for.
        f.debug_struct("Table").field("len", &self.len()).finish()
    }
}

impl<T, P, const SEGMENTS: usize, const SLOTS: usize> Table<T, P, SEGMENTS, SLOTS>
where
    T: Send + Sync + 'static,
    P: Platform,
{
    const LIMIT: usize = {
        assert!(SEGMENTS.is_power_of_two() && SLOTS.is_power_of_two());
        assert!(SEGMENTS * SLOTS <= 1 << 20, "no room for generations");
        SEGMENTS * SLOTS
    };

    /// An empty table whose values are mixed with `secret`.
    pub fn new(platform: P, secret: u32) -> Self {
        let free = Free {
            fresh: 0,
            again: VecDeque::new(),
        };
        Self {
            codec: Codec::new(secret, Self::LIMIT),
            segments: array::from_fn(|_| platform.once()),
            free: platform.mutex(free),
            platform,
        }
    }

    /// Pins the current thread: what it looks up stays alive until it drops the pin.
    #[inline(always)]
    pub fn pin(&self) -> P::Pin {
        self.platform.pin()
    }

    /// Makes a handle that stands for `content`; returns its value.
    ///
    /// # Errors
    /// [`Full`] if all slots are in use.
    pub fn insert(&self, content: T) -> Result<u32, Full<T>> {
        let Some(code) = self.allot() else {
            return Err(Full(content));
        };
        let value = self.codec.encode(code);
        let slot = self.slot(value).expect("allotted slots are there");
        // ORDERING(entry-published): Release; pairs with the Acquire in `get`.
        slot.publish(Entry { value, content }, Site::PublishEntry);
        Ok(value)
    }

    /// Looks up a handle. Any value will do; those that are not well formed are found
    /// to be none.
    #[inline]
    pub fn get<'g>(&'g self, value: u32, pin: &'g P::Pin) -> Option<&'g Entry<T>> {
        // ORDERING(entry-published): Acquire; pairs with the Release in `insert`.
        let entry = self.slot(value)?.load(pin, Site::FindEntry)?;
        self.matches(entry, value).then_some(entry)
    }

    #[inline(always)]
    fn matches(&self, entry: &Entry<T>, value: u32) -> bool {
        entry.value == value || !self.platform.performs(Step::CompareValue)
    }

    /// Calls `f` with what [`get`](Self::get) finds, without being pinned if possible: for calls
    /// that should cost little. As long as `f` runs the entry is kept, and nothing else. If nothing
    /// is found the result is `none`.
    #[inline(always)]
    pub fn with<R>(&self, value: u32, none: R, f: impl FnOnce(&Entry<T>) -> R) -> R {
        let Some(slot) = self.slot(value) else {
            return none;
        };
        self.platform.with_record(move |record| {
            if !record.is_idle(&self.platform) {
                cold_path();
                return self.with_pin(value, none, &mut Some(f));
            }
            // SAFETY: the record is this thread's, and idle. Entries leave the slot in `remove`
            // only, which gives them to the same platform's hazards.
            match unsafe { record.guard(&self.platform, slot) } {
                Some(entry) if self.matches(&entry, value) => f(&entry),
                _ => none,
            }
        })
    }

    /// For a thread that guards something already, or nothing ever before.
    ///
    /// Takes `f` in another form, lest it be stored in memory for this call on the way to the other.
    #[cold]
    #[inline(never)]
    fn with_pin<R, F>(&self, value: u32, none: R, f: &mut Option<F>) -> R
    where
        F: FnOnce(&Entry<T>) -> R,
    {
        self.platform.hazards().enlist(&self.platform);
        match (self.get(value, &self.pin()), f.take()) {
            (Some(entry), Some(f)) => f(entry),
            _ => none,
        }
    }

    /// Closes a handle: from now on nobody finds it. Of several callers one gets the
    /// entry, which stays alive as long as the pin.
    pub fn remove<'g>(&'g self, value: u32, pin: &'g P::Pin) -> Option<&'g Entry<T>> {
        let entry = self.get(value, pin)?;
        let slot = self.slot(entry.value)?;
        let removed = slot.take(entry, pin, Site::RemoveEntry)?;
        let hazards = self.platform.hazards();
        hazards.free_unguarded(&self.platform, removed, pin);
        let next = self.codec.next(self.codec.decode(entry.value));
        self.free.lock().again.push_back(next);
        Some(entry)
    }

    /// Whether a handle that was found before is still open. Once false, stays false, until
    /// its value comes again.
    ///
    /// For who has joined an object's list of waiters and looks again; see "Closing a
    /// handle that somebody waits on".
    pub fn is_open(&self, value: u32) -> bool {
        !self.platform.performs(Step::RecheckEntry) || self.get(value, &self.pin()).is_some()
    }

    /// How many handles are open. May change at any moment.
    pub fn len(&self) -> usize {
        let free = self.free.lock();
        free.fresh - free.again.len()
    }

    /// Whether no handle is open. May change at any moment.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The slot of a value, be there an entry in it or not.
    #[inline(always)]
    fn slot(&self, value: u32) -> Option<&P::Slot<Entry<T>>> {
        let index = self.codec.decode(value).index(Self::LIMIT);
        // ORDERING(segment-published): Acquire; pairs with the Release in `allot`.
        let segment = self.segments[index / SLOTS].get(Site::FindSegment)?;
        Some(&segment[index % SLOTS])
    }

    /// A slot to be used, by the code of its next value.
    fn allot(&self) -> Option<Code> {
        let mut free = self.free.lock();
        if free.again.len() > SLOTS / 2 || free.fresh == Self::LIMIT {
            return free.again.pop_front();
        }
        if free.fresh.is_multiple_of(SLOTS) {
            let slots = array::from_fn(|_| self.platform.slot());
            // ORDERING(segment-published): Release; pairs with the Acquire in `slot`.
            self.segments[free.fresh / SLOTS].set(slots, Site::PublishSegment);
            // All slots fit in, so that this list does not grow when a handle is closed.
            let room = free.fresh + SLOTS - free.again.len();
            free.again.reserve(room);
        }
        free.fresh += 1;
        Some(Code::first(free.fresh - 1))
    }
}

#[cfg(test)]
mod tests;

//! Hazards: which thread is looking at which entry, so that nobody frees it.
//!
//! A look-up must keep alive what it found. To be pinned with `crossbeam-epoch` costs
//! a locked instruction, 4.5 of the 6 ns that it takes; a whole 8-byte write through a
//! [`Stream`](crate::Stream) takes less than 3. So a thread says instead which entry it
//! guards, in a word of its own that nobody else writes, and whoever closes a handle
//! pays:
//!
//! ```text
//! look-up:  at = slot; guarded.store(at); LIGHT FENCE; slot == at? -> may use it
//!           guarded.store(0);  LIGHT FENCE; asked? -> hand over what nobody guards
//! remover:  slot.take(at); HEAVY FENCE; nobody guards at? -> hand it over
//!           asked.store(1) for each that does; HEAVY FENCE; look again
//! ```
//!
//! To hand an entry over is to give it to `crossbeam-epoch`, which frees it when nobody
//! is pinned any longer that was. So a look-up may also be pinned, and is where guarding
//! is not possible: there is one word for each thread, and the system may refuse the heavy
//! fence. Nobody ever waits: not a look-up, and not a remover either. If it
//! did, it could wait for a call that waits for a lock that the remover holds.
//!
//! # Races
//!
//! - *A look-up meets a removal.* Whichever fence comes second sees what stood before the
//!   first: either the look-up sees the slot empty, or the remover sees the entry
//!   guarded. In the first case the handle was closed while it was looked up.
//! - *A look-up that guards a removed entry leaves.* It sees that it was asked, or the
//!   remover, looking again, sees that it left. Both may be the case: the lock makes one of
//!   them the first, and only that one finds the entry.
//! - *Several guard it.* All are asked. Whoever is the last to leave hands it over.
//! - *A look-up that comes too late says for a moment that it guards the entry.* It will see
//!   the slot empty. The remover waits for those only that it saw when it looked
//!   first; of the others none can be using the entry.
//! - *A call within a call of the same thread* finds the word in use, and is pinned.
//! - *A handle is closed within a call that uses it.* The thread asks itself.
//! - *The system refuses the heavy fence*, because a sandbox was entered since. Nobody
//!   can know who guards the entry. It is kept, and all threads are asked to guard
//!   nothing any longer; when each has ended one more call, or has ended, the entry is
//!   handed over. A thread that does neither keeps the memory, and the descriptors, of
//!   what is closed from now on; that its handles are closed is seen all the same.
//! - *A thread ends.* It guards nothing, and withdraws from the list.
//! - *The process forks.* The child has one thread; the others leave the list when it is
//!   next used. As with every lock, none may have been held by another thread.
//! - *A signal handler makes a call.* It leaves the word as it found it: not in use, or
//!   in use and not touched.

#![allow(unsafe_code, reason = "lends what it guards")]

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use super::sync::{
    Fence, InProcess, Mutex, Platform, Raw, Removed, Site, Slot, Step, Word32, Word64,
};

/// What one thread guards.
pub struct Record<P: Platform = InProcess> {
    /// The place of an entry, [`IDLE`](Self::IDLE), [`ABSENT`](Self::ABSENT) or
    /// [`NEVER`](Self::NEVER).
    guarded: P::Word64,
    /// 1 when the thread is to look after what it guarded.
    asked: P::Word32,
}

impl<P: Platform> Record<P> {
    /// Nothing is guarded.
    const IDLE: u64 = 0;
    /// The thread has not been put on the list yet.
    pub const ABSENT: u64 = 1;
    /// The thread will not be on the list any more.
    const NEVER: u64 = 2;
    /// Places are numbers from here on.
    pub const FIRST_PLACE: u64 = 3;

    /// Of words that hold [`ABSENT`](Self::ABSENT) and 0.
    pub const fn new(guarded: P::Word64, asked: P::Word32) -> Self {
        Self { guarded, asked }
    }

    /// Whether the thread may guard an entry now. Of the current thread.
    #[inline(always)]
    pub fn is_idle(&self, platform: &P) -> bool {
        let guarded = self.guarded.load(Site::ReadGuard);
        guarded == Self::IDLE || guarded >= Self::FIRST_PLACE && !platform.performs(Step::GuardOne)
    }

    /// Guards what is in `slot`, if there is anything.
    ///
    /// `None` too if it was taken away at this moment, though another value may be there.
    ///
    /// # Safety
    /// This must be the record of the current thread on `platform`, and [idle](Self::is_idle): a
    /// second guard would end the first. What is taken out of `slot` must go to the
    /// [`Hazards`] of `platform`.
    #[inline(always)]
    pub unsafe fn guard<'a, V, S: Slot<V>>(
        &'a self,
        platform: &'a P,
        slot: &'a S,
    ) -> Option<Guard<'a, V, S::Raw, P>> {
        let raw = slot.glimpse(Site::GlimpseEntry)?;
        // ORDERING(guard-left): Release; pairs with the Acquire in `Record::guards`.
        self.guarded.store(raw.place(), Site::Guard);
        let mut guard = Guard {
            platform,
            record: self,
            raw,
            lends: PhantomData,
        };
        // ORDERING(guard-then-check): light; pairs with the heavy fence in `admit`.
        platform.light_fence(Fence::GuardThenCheck);
        // ORDERING(entry-published): Acquire; pairs with the Release in `Table::insert`.
        let now = slot.glimpse(Site::FindEntry);
        if platform.performs(Step::CheckAfterGuard) {
            guard.raw = now.filter(|now| now.place() == guard.raw.place())?;
        }
        Some(guard)
    }
}

impl<P: Platform> Record<P> {
    /// Whether the thread guards what is, or was, in this place. For others.
    fn guards(&self, platform: &P, place: u64) -> bool {
        // ORDERING(guard-left): Acquire; pairs with the Release in `Guard::drop`.
        self.guarded.load(Site::ObserveGuard) == place && platform.performs(Step::AwaitGuards)
    }
}

impl<P: Platform> fmt::Debug for Record<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").finish_non_exhaustive()
    }
}

/// Keeps alive what was found, until it is dropped.
pub struct Guard<'a, V, R: Raw<V>, P: Platform> {
    platform: &'a P,
    record: &'a Record<P>,
    raw: R,
    /// Of a value, and in the thread that it belongs to.
    lends: PhantomData<(&'a V, *const ())>,
}

impl<V, R: Raw<V>, P: Platform> fmt::Debug for Guard<'_, V, R, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl<V, R: Raw<V>, P: Platform> Deref for Guard<'_, V, R, P> {
    type Target = V;

    #[inline(always)]
    fn deref(&self) -> &V {
        // SAFETY: `Record::guard` made this guard, and loaded `raw` with `FindEntry` after the
        // record of this thread said so; by its contract the record was idle, so that nothing
        // but the drop of this guard makes it say otherwise.
        unsafe { self.raw.lend() }
    }
}

impl<V, R: Raw<V>, P: Platform> Drop for Guard<'_, V, R, P> {
    #[inline(always)]
    fn drop(&mut self) {
        self.raw.give_back();
        // ORDERING(guard-left): Release; pairs with the Acquire in `Record::guards`.
        self.record.guarded.store(Record::<P>::IDLE, Site::Unguard);
        // ORDERING(unguard-then-check): light; pairs with the heavy fence in `admit`.
        self.platform.light_fence(Fence::UnguardThenCheck);
        if self.record.asked.load(Site::ReadAsked) != 0 && self.platform.performs(Step::AnswerAsked)
        {
            self.platform.hazards().answer(self.platform, self.record);
        }
    }
}

/// Who may guard entries, and which ones wait to be freed.
pub struct Hazards<P: Platform = InProcess>(P::Mutex<State<P>>);

/// What the lock of [`Hazards`] is for.
pub struct State<P: Platform> {
    /// How many forks there had been when this was last used.
    forks: u32,
    /// Once the heavy fence was refused.
    refused: bool,
    /// The records of the threads that may guard entries, by their numbers.
    listed: Vec<(u64, P::Listed)>,
    /// Taken out of their slots, which not all look-ups may have noticed.
    taken: Vec<P::Removed>,
    /// Taken out of their slots, which all look-ups notice.
    gone: Vec<Gone<P>>,
}

/// An entry that no look-up finds any more.
struct Gone<P: Platform> {
    removed: P::Removed,
    /// The threads that may be using it. Another one that seems to guard it will notice
    /// that it is not in its slot, and is not waited for: nobody has asked it.
    guards: Vec<u64>,
}

impl<P: Platform> fmt::Debug for Hazards<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hazards").finish_non_exhaustive()
    }
}

impl<P: Platform> fmt::Debug for State<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}

impl<P: Platform> Hazards<P> {
    /// With a new [`State`].
    pub const fn new(state: P::Mutex<State<P>>) -> Self {
        Self(state)
    }

    /// Lets the current thread guard entries from now on, if that is possible and not
    /// decided yet.
    pub fn enlist(&self, platform: &P) {
        platform.with_record(|record| {
            if record.guarded.load(Site::ReadGuard) == Record::<P>::ABSENT {
                let state = if platform.can_guard() && self.try_enlist(platform) {
                    Record::<P>::IDLE
                } else {
                    Record::<P>::NEVER
                };
                record.guarded.store(state, Site::Unguard);
            }
        });
    }

    fn try_enlist(&self, platform: &P) -> bool {
        let thread = platform.number_thread();
        let mut state = self.lock(platform);
        if state.refused {
            return false;
        }
        // SAFETY: it is in the list only, where `withdraw` finds it by the number.
        let record = unsafe { platform.list_record() };
        let may = record.is_some();
        state.listed.extend(record.map(|record| (thread, record)));
        may
    }

    /// The current thread will not guard anything any more. Comes before its end.
    ///
    /// # Safety
    /// The thread must guard nothing now: nobody asks it any longer.
    pub unsafe fn withdraw(&self, platform: &P) {
        self.lock(platform).withdraw(platform);
        self.hand_over(platform, &platform.pin());
    }

    /// Has an entry freed that was taken out of its slot, when nobody guards it or is
    /// pinned. `pin` is of the calling thread.
    pub fn free_unguarded(&self, platform: &P, removed: P::Removed, pin: &P::Pin) {
        self.lock(platform).admit(platform, removed);
        self.hand_over(platform, pin);
    }

    /// A thread that guards nothing any longer looks after what it guarded.
    #[cold]
    #[inline(never)]
    fn answer(&self, platform: &P, record: &Record<P>) {
        let mut state = self.lock(platform);
        record.asked.store(0, Site::Ask);
        if state.refused && platform.performs(Step::StopGuarding) {
            state.withdraw(platform);
        }
        drop(state);
        self.hand_over(platform, &platform.pin());
    }

    /// Hands over what nobody guards. Not under the lock: it may free something else,
    /// whatever that does.
    fn hand_over(&self, platform: &P, pin: &P::Pin) {
        loop {
            let next = self.lock(platform).next_unguarded(platform);
            match next {
                // SAFETY: `pin` is of this thread. `next_unguarded` gave it out: see there.
                Some(removed) => unsafe { removed.retire(pin) },
                None => return,
            }
        }
    }

    fn lock<'a>(&'a self, platform: &P) -> impl DerefMut<Target = State<P>> + use<'a, P> {
        let mut state = self.0.lock();
        state.notice_fork(platform);
        state
    }
}

impl<P: Platform> Default for State<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Platform> State<P> {
    /// With nobody in the list.
    pub const fn new() -> Self {
        Self {
            forks: 0,
            refused: false,
            listed: Vec::new(),
            taken: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// Forgets the threads that are not in this process.
    fn notice_fork(&mut self, platform: &P) {
        if self.forks != platform.forks() {
            self.forks = platform.forks();
            let thread = platform.thread();
            self.listed.retain(|(number, _)| *number == thread);
        }
    }

    fn withdraw(&mut self, platform: &P) {
        platform.with_record(|record| record.guarded.store(Record::<P>::NEVER, Site::Unguard));
        let thread = platform.thread();
        self.listed.retain(|(number, _)| *number != thread);
    }

    /// Takes note of an entry that was taken out of its slot, and asks who guards it.
    fn admit(&mut self, platform: &P, removed: P::Removed) {
        self.taken.push(removed);
        // ORDERING(guard-then-check): heavy; pairs with the light fence in `guard`.
        if self.fence(platform, Fence::RemoveThenScan) && self.ask_guards(platform) {
            // ORDERING(unguard-then-check): heavy; pairs with the light fence in
            // `Guard::drop`. Refused, those who leave just now may not notice; all
            // were asked to stop guarding then, and the last to do so does.
            self.fence(platform, Fence::AskThenScan);
        }
    }

    /// A heavy fence, for the other threads in the list. Whether it is there; if not,
    /// all are asked not to guard anything any longer.
    fn fence(&mut self, platform: &P, fence: Fence) -> bool {
        // The others learn of everything through the lock when they enter the list, as this
        // thread did when they left it.
        if self.is_alone(platform) || platform.heavy_fence(fence).is_ok() {
            return true;
        }
        self.refused = true;
        for (_, record) in &self.listed {
            record.asked.store(1, Site::Ask);
        }
        !platform.performs(Step::KeepUnfenced)
    }

    /// Whether no other thread is in the list.
    fn is_alone(&self, platform: &P) -> bool {
        let thread = platform.thread();
        self.listed.iter().all(|(number, _)| *number == thread)
    }

    /// Asks who guards what was taken, now that all look-ups notice; whether there is anybody.
    fn ask_guards(&mut self, platform: &P) -> bool {
        let mut any = false;
        for removed in self.taken.drain(..) {
            let guarding =
                |(_, record): &&(u64, P::Listed)| record.guards(platform, removed.place());
            let mut guards = Vec::new();
            for (thread, record) in self.listed.iter().filter(guarding) {
                record.asked.store(1, Site::Ask);
                guards.push(*thread);
            }
            any |= !guards.is_empty();
            self.gone.push(Gone { removed, guards });
        }
        any
    }

    /// Something that nobody guards.
    ///
    /// Since it was taken out of its slot a heavy fence has come, or there is nobody to make it
    /// for: `ask_guards` comes after that. Who guarded it before the fence was seen there, and
    /// those have left since; who says so behind the fence sees the slot without it.
    fn next_unguarded(&mut self, platform: &P) -> Option<P::Removed> {
        if self.is_alone(platform) {
            // Nobody else is left who might not have noticed.
            self.ask_guards(platform);
        }
        for gone in &mut self.gone {
            let place = gone.removed.place();
            gone.guards.retain(|thread| {
                let mut records = self.listed.iter().filter(|(number, _)| number == thread);
                records.any(|(_, record)| record.guards(platform, place))
            });
        }
        let index = self.gone.iter().position(|gone| gone.guards.is_empty())?;
        Some(self.gone.swap_remove(index).removed)
    }
}

#[cfg(test)]
mod tests;

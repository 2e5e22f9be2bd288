//! What the threads of one process share, made of loom's atomics, locks and cells.

#![allow(
    unsafe_code,
    reason = "loom cells are read and written through pointers; slots lend what they keep"
)]

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::ptr;
use std::rc::Rc;

use loom::cell::UnsafeCell;
use loom::sync::MutexGuard;
use loom::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use loom::thread::ThreadId;
use zocket::protocol::local::{
    Fence, Hazards, Mutex, Once, Platform, Raw, Record, Removed, Site, Slot, State, Step, Word32,
    Word64,
};
use zocket::{Error, FenceMode, Result};

use crate::fences::Fences;
use crate::futex::Futex;
use crate::gate::Gate;
use crate::reclamation::{Life, LoomPin, Reclamation};
use crate::rules::{Fencing, Rules};
use crate::trace::{self, Local, unwinding};

/// A process: its rules, fences and threads, and what waits to be freed.
#[derive(Clone, Debug)]
pub struct LoomProcess(Rc<World>);

#[derive(Debug)]
struct World {
    rules: Rules,
    fences: Fences,
    refuses_fences: Cell<bool>,
    reclamation: Rc<Reclamation>,
    /// A thread's number is its place here, from one.
    threads: RefCell<Vec<ThreadId>>,
    records: RefCell<Vec<(ThreadId, Rc<Record<LoomProcess>>)>>,
    hazards: Hazards<LoomProcess>,
    places: Rc<Cell<u64>>,
}

impl LoomProcess {
    /// A process with one thread.
    pub fn new(rules: Rules) -> Self {
        Self(Rc::new(World {
            rules,
            fences: Fences::new(rules.fencing),
            refuses_fences: Cell::new(false),
            reclamation: Rc::new(Reclamation::new(rules)),
            threads: RefCell::default(),
            records: RefCell::default(),
            hazards: Hazards::new(LoomMutex(loom::sync::Mutex::new(State::new()))),
            places: Rc::new(Cell::new(Record::<Self>::FIRST_PLACE)),
        }))
    }

    /// The mode that goes with the rules.
    pub fn mode(&self) -> FenceMode {
        match self.0.rules.fencing {
            Fencing::Symmetric => FenceMode::Symmetric,
            Fencing::Asymmetric => FenceMode::Asymmetric,
        }
    }

    /// The record of the current thread, made now if it has none yet.
    fn record(&self) -> Rc<Record<Self>> {
        let current = loom::thread::current().id();
        let mut records = self.0.records.borrow_mut();
        let own = records.iter().find(|(thread, _)| *thread == current);
        if let Some((_, record)) = own {
            return Rc::clone(record);
        }
        let record = Rc::new(Record::new(
            self.word64(Record::<Self>::ABSENT),
            self.word32(0),
        ));
        records.push((current, Rc::clone(&record)));
        record
    }

    /// How many values were freed that had been taken out of slots.
    pub fn freed(&self) -> usize {
        self.0.reclamation.freed()
    }

    /// Ends the current thread, as far as hazards are concerned.
    pub fn end_thread(&self) {
        // SAFETY: guards live within calls, of which none is under way.
        unsafe { self.0.hazards.withdraw(self) };
    }

    /// Enters a sandbox that allows no heavy fence.
    pub fn refuse_fences(&self) {
        self.0.refuses_fences.set(true);
    }
}

/// A 32-bit word that is a futex too.
#[derive(Debug)]
pub struct LoomWord32 {
    rules: Rules,
    word: AtomicU32,
    gate: Gate,
    futex: Futex,
}

impl Word32 for LoomWord32 {
    fn load(&self, site: Site) -> u32 {
        if unwinding() {
            return 0;
        }
        self.gate.pass();
        let value = self.word.load(self.rules.local_ordering(site));
        trace::record(Local::Load(site, value.into()));
        value
    }

    fn store(&self, value: u32, site: Site) {
        if !unwinding() {
            self.word.store(value, self.rules.local_ordering(site));
            trace::record(Local::Store(site, value.into()));
        }
    }

    fn decrement(&self, site: Site) -> u32 {
        if unwinding() {
            return 0;
        }
        let before = self.word.fetch_sub(1, self.rules.local_ordering(site));
        let after = before.wrapping_sub(1);
        trace::record(Local::Change(site, before.into(), after.into()));
        before
    }

    fn exchange(&self, current: u32, new: u32, site: Site) -> Result<u32, u32> {
        if unwinding() {
            return Ok(current);
        }
        let ordering = self.rules.local_ordering(site);
        let result = self
            .word
            .compare_exchange(current, new, ordering, Ordering::Relaxed);
        trace::record(match result {
            Ok(before) => Local::Change(site, before.into(), new.into()),
            Err(other) => Local::NoChange(site, other.into()),
        });
        result
    }
}

/// A 64-bit word.
#[derive(Debug)]
pub struct LoomWord64 {
    rules: Rules,
    word: AtomicU64,
    gate: Gate,
}

impl Word64 for LoomWord64 {
    fn load(&self, site: Site) -> u64 {
        if unwinding() {
            return 0;
        }
        self.gate.pass();
        let value = self.word.load(self.rules.local_ordering(site));
        trace::record(Local::Load(site, value));
        value
    }

    fn store(&self, value: u64, site: Site) {
        if !unwinding() {
            self.word.store(value, self.rules.local_ordering(site));
            trace::record(Local::Store(site, value));
        }
    }
}

/// Loom's mutex.
#[derive(Debug)]
pub struct LoomMutex<V>(loom::sync::Mutex<V>);

impl<V> Mutex<V> for LoomMutex<V> {
    type Guard<'a>
        = MutexGuard<'a, V>
    where
        Self: 'a;

    fn lock(&self) -> MutexGuard<'_, V> {
        self.0.lock().expect("loom does not poison")
    }
}

/// A value that is set once.
#[derive(Debug)]
pub struct LoomOnce<V> {
    rules: Rules,
    value: OnceCell<V>,
    life: OnceCell<Rc<Life>>,
    set: AtomicUsize,
}

impl<V> Once<V> for LoomOnce<V> {
    fn get(&self, site: Site) -> Option<&V> {
        if unwinding() {
            return None;
        }
        let set = self.set.load(self.rules.local_ordering(site));
        trace::record(Local::Load(site, set as u64));
        if set == 0 {
            return None;
        }
        self.life.get()?.touch();
        self.value.get()
    }

    fn set(&self, value: V, site: Site) {
        let twice = self.value.set(value).is_err() || self.life.set(Life::new()).is_err();
        assert!(!twice, "set twice");
        self.set.store(1, self.rules.local_ordering(site));
        trace::record(Local::Store(site, 1));
    }
}

/// A value that comes and goes. All that ever were in it are kept to the end of the
/// execution; an atomic says which it is.
pub struct LoomSlot<V> {
    rules: Rules,
    gate: Gate,
    /// The next one for hazards, of all slots.
    places: Rc<Cell<u64>>,
    /// The place of the current one among `kept`, from one; 0 when it is empty.
    current: AtomicUsize,
    kept: RefCell<Vec<Rc<Kept<V>>>>,
}

struct Kept<V> {
    value: V,
    life: Rc<Life>,
    /// Its place as hazards have it, unlike that of any other.
    place: u64,
}

impl<V> fmt::Debug for LoomSlot<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoomSlot").finish_non_exhaustive()
    }
}

impl<V> LoomSlot<V> {
    fn ordering(&self, site: Site) -> Ordering {
        self.rules.local_ordering(site)
    }

    fn current(&self, ordering: Ordering, site: Site) -> Option<(usize, Rc<Kept<V>>)> {
        if unwinding() {
            return None;
        }
        self.gate.pass();
        let place = self.current.load(ordering);
        trace::record(Local::Load(site, place as u64));
        let kept = self.kept.borrow();
        Some((place, Rc::clone(&kept[place.checked_sub(1)?])))
    }
}

/// Where a value is in a slot.
pub struct LoomRaw<V> {
    kept: Rc<Kept<V>>,
    lent: Cell<bool>,
}

impl<V> fmt::Debug for LoomRaw<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoomRaw").finish_non_exhaustive()
    }
}

impl<V> Raw<V> for LoomRaw<V> {
    fn place(&self) -> u64 {
        self.kept.place
    }

    /// # Safety
    /// None is needed here: what is lent too long is found by its `life`.
    unsafe fn lend<'g>(&self) -> &'g V
    where
        V: 'g,
    {
        self.kept.life.touch();
        self.lent.set(true);
        // SAFETY: the slot keeps it to the end of the execution.
        unsafe { &*ptr::from_ref(&self.kept.value) }
    }

    fn give_back(&self) {
        if self.lent.get() && !unwinding() {
            self.kept.life.touch();
        }
    }
}

/// A value that has left its slot.
#[derive(Debug)]
pub struct LoomRemoved {
    place: u64,
    life: Rc<Life>,
}

impl Removed<LoomPin> for LoomRemoved {
    fn place(&self) -> u64 {
        self.place
    }

    /// # Safety
    /// None is needed here: what is freed in use is found by its `life`.
    unsafe fn retire(self, pin: &LoomPin) {
        pin.retire(&self.life);
    }
}

impl<V> Slot<V> for LoomSlot<V> {
    type Pin = LoomPin;
    type Raw = LoomRaw<V>;
    type Removed = LoomRemoved;

    fn glimpse(&self, site: Site) -> Option<LoomRaw<V>> {
        let (_, kept) = self.current(self.ordering(site), site)?;
        Some(LoomRaw {
            kept,
            lent: Cell::new(false),
        })
    }

    fn load<'g>(&'g self, pin: &'g LoomPin, site: Site) -> Option<&'g V> {
        let (_, kept) = self.current(self.ordering(site), site)?;
        pin.find(&kept.life);
        // SAFETY: `kept` keeps it alive and in its place for as long as `self` lives,
        // which is borrowed for 'g; nobody has it mutably.
        Some(unsafe { &*ptr::from_ref(&kept.value) })
    }

    fn publish(&self, value: V, site: Site) {
        let life = Life::new();
        let place = {
            let mut kept = self.kept.borrow_mut();
            let number = self.places.get();
            self.places.set(number + 1);
            kept.push(Rc::new(Kept {
                value,
                life,
                place: number,
            }));
            kept.len()
        };
        self.current.store(place, self.ordering(site));
        trace::record(Local::Store(site, place as u64));
    }

    fn take(&self, value: &V, _: &LoomPin, site: Site) -> Option<LoomRemoved> {
        let (place, kept) = self.current(Ordering::Relaxed, site)?;
        if !ptr::eq(&kept.value, value) {
            return None;
        }
        let taken = self
            .current
            .compare_exchange(place, 0, self.ordering(site), Ordering::Relaxed);
        match taken {
            Ok(_) => trace::record(Local::Change(site, place as u64, 0)),
            Err(other) => trace::record(Local::NoChange(site, other as u64)),
        }
        taken.ok().map(|_| LoomRemoved {
            place: kept.place,
            life: Rc::clone(&kept.life),
        })
    }
}

impl Platform for LoomProcess {
    type Word32 = LoomWord32;
    type Word64 = LoomWord64;
    type Mutex<V> = LoomMutex<V>;
    type Once<V> = LoomOnce<V>;
    type Pin = LoomPin;
    type Slot<V: Send + Sync + 'static> = LoomSlot<V>;
    type Removed = LoomRemoved;
    type Listed = Rc<Record<Self>>;

    fn word32(&self, value: u32) -> LoomWord32 {
        LoomWord32 {
            rules: self.0.rules,
            word: AtomicU32::new(value),
            gate: Gate::new(),
            futex: Futex::new(),
        }
    }

    fn word64(&self, value: u64) -> LoomWord64 {
        LoomWord64 {
            rules: self.0.rules,
            word: AtomicU64::new(value),
            gate: Gate::new(),
        }
    }

    fn mutex<V>(&self, value: V) -> LoomMutex<V> {
        LoomMutex(loom::sync::Mutex::new(value))
    }

    fn once<V>(&self) -> LoomOnce<V> {
        LoomOnce {
            rules: self.0.rules,
            value: OnceCell::new(),
            life: OnceCell::new(),
            set: AtomicUsize::new(0),
        }
    }

    fn slot<V: Send + Sync + 'static>(&self) -> LoomSlot<V> {
        LoomSlot {
            rules: self.0.rules,
            gate: Gate::new(),
            places: Rc::clone(&self.0.places),
            current: AtomicUsize::new(0),
            kept: RefCell::default(),
        }
    }

    fn pin(&self) -> LoomPin {
        LoomPin::new(Rc::clone(&self.0.reclamation))
    }

    fn hazards(&self) -> &Hazards<Self> {
        &self.0.hazards
    }

    fn with_record<R>(&self, f: impl FnOnce(&Record<Self>) -> R) -> R {
        f(&self.record())
    }

    /// # Safety
    /// None is needed here: the list owns a share of the record.
    unsafe fn list_record(&self) -> Option<Rc<Record<Self>>> {
        Some(self.record())
    }

    fn can_guard(&self) -> bool {
        self.0.rules.fencing == Fencing::Asymmetric
    }

    fn forks(&self) -> u32 {
        0
    }

    fn thread(&self) -> u64 {
        let threads = self.0.threads.borrow();
        let current = loom::thread::current().id();
        let place = threads.iter().position(|&thread| thread == current);
        place.map_or(0, |place| place as u64 + 1)
    }

    fn number_thread(&self) -> u64 {
        if self.thread() == 0 {
            let current = loom::thread::current().id();
            self.0.threads.borrow_mut().push(current);
        }
        self.thread()
    }

    fn light_fence(&self, fence: Fence) {
        if self.0.rules.has(fence) && !unwinding() {
            self.0.fences.light();
            trace::record(Local::Fence(fence));
        }
    }

    fn heavy_fence(&self, fence: Fence) -> Result<()> {
        if self.0.refuses_fences.get() {
            trace::record(Local::Refused(fence));
            return Err(Error::FenceRefused);
        }
        if self.0.rules.has(fence) && !unwinding() {
            self.0.fences.heavy();
            trace::record(Local::Fence(fence));
        }
        Ok(())
    }

    fn sleep(&self, word: &LoomWord32, expected: u32) {
        trace::record(Local::Sleep);
        word.futex.wait(&word.word, expected, || word.gate.pass());
        trace::record(Local::Awake);
    }

    fn wake(&self, word: &LoomWord32) {
        if !unwinding() {
            word.futex.wake();
            trace::record(Local::Wake);
        }
    }

    fn performs(&self, step: Step) -> bool {
        self.0.rules.performs(step)
    }
}

/// What a handle stands for or a lock guards: loom sees who reads and who writes it.
#[derive(Debug)]
pub struct Payload(UnsafeCell<u32>);

// SAFETY: loom runs all threads of a model on one; it reports accesses that would race
// if they were not.
unsafe impl Send for Payload {}
// SAFETY: as above.
unsafe impl Sync for Payload {}

impl Payload {
    /// Made here, which counts as a write.
    pub fn new(value: u32) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Reads it.
    pub fn get(&self) -> u32 {
        self.0.with(|at| {
            // SAFETY: `with` passes a pointer to the cell's own value, and loom switches
            // no thread within the closure.
            unsafe { at.read() }
        })
    }

    /// Writes it.
    pub fn set(&self, value: u32) {
        self.0.with_mut(|at| {
            // SAFETY: as in `get`.
            unsafe { at.write(value) }
        });
    }
}

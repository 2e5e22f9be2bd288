//! One direction's memory, made of loom's atomics and cells.
//!
//! Loom decides at each load which of the values that the memory model allows is
//! returned, and at each access of a payload byte whether every earlier
//! conflicting access happened before it.
//!
//! A load of a word that may be stored to by a thread that loads it passes a
//! [`Gate`], which says why. Positions need none, because each is stored by the side
//! that never loads it; so models attach readers and writers before they spawn a
//! thread.

#![allow(
    unsafe_code,
    reason = "payload bytes are loom cells, which are read and written through pointers"
)]

use std::rc::Rc;
use std::sync::atomic::Ordering;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, AtomicU64};
use zocket::protocol::{Fence, Memory, Site, Step, Word32, Word64};
use zocket::{Kind, Result};

use crate::fences::Fences;
use crate::futex::Futex;
use crate::gate::Gate;
use crate::rules::{Fencing, Rules};
use crate::trace::{self, Event, unwinding};

/// Words, bytes, futexes of one direction.
#[derive(Debug)]
pub struct LoomMemory {
    rules: Rules,
    /// Indexed by [`Word64`].
    words64: [AtomicU64; 11],
    /// Indexed by [`Word32`].
    words32: [AtomicU32; 8],
    gates64: [Gate; 11],
    gates32: [Gate; 8],
    /// One cell for each byte, so that loom sees who touches which.
    bytes: Box<[UnsafeCell<u8>]>,
    /// Of the consumer's waiter word, of the producer's, and of the count of events.
    futexes: [Futex; 3],
    fences: Rc<Fences>,
}

impl LoomMemory {
    /// An empty direction in which `start` bytes were written and read before.
    pub(crate) fn new(
        rules: Rules,
        fences: Rc<Fences>,
        kind: Kind,
        capacity: usize,
        start: u64,
    ) -> Self {
        // As the crate does it: a record's prefix is never longer than its payload.
        let area = match kind {
            Kind::Stream => capacity,
            Kind::Datagram => 2 * capacity,
        };
        let position = |word: usize| {
            let positions = [
                Word64::Tail,
                Word64::TailCursor,
                Word64::Head,
                Word64::HeadCursor,
            ];
            let is_position = positions.into_iter().any(|p| p as usize == word);
            if is_position { start } else { 0 }
        };
        Self {
            rules,
            words64: std::array::from_fn(|word| AtomicU64::new(position(word))),
            words32: std::array::from_fn(|_| AtomicU32::new(0)),
            gates64: std::array::from_fn(|_| Gate::new()),
            gates32: std::array::from_fn(|_| Gate::new()),
            bytes: (0..area).map(|_| UnsafeCell::new(0)).collect(),
            futexes: [Futex::new(), Futex::new(), Futex::new()],
            fences,
        }
    }

    /// How often somebody made the system call that wakes sleepers on `word`.
    pub fn wakes(&self, word: Word32) -> usize {
        self.futex(word).wakes()
    }

    pub(crate) fn sleep(&self, word: Word32, expected: u32) {
        trace::record(Event::Sleep(word, expected));
        let gate = &self.gates32[word as usize];
        self.futex(word)
            .wait(self.word32(word), expected, || gate.pass());
        trace::record(Event::Awake(word));
    }

    fn futex(&self, word: Word32) -> &Futex {
        match word {
            Word32::ConsumerWaiter => &self.futexes[0],
            Word32::ProducerWaiter => &self.futexes[1],
            Word32::Events => &self.futexes[2],
            other => panic!("{other:?} is not a futex"),
        }
    }

    fn word32(&self, word: Word32) -> &AtomicU32 {
        &self.words32[word as usize]
    }

    fn word64(&self, word: Word64) -> &AtomicU64 {
        &self.words64[word as usize]
    }

    fn range(&self, offset: usize, len: usize) -> &[UnsafeCell<u8>] {
        &self.bytes[offset..offset + len]
    }
}

impl Memory for LoomMemory {
    type Local<'a> = &'a Self;

    fn local(&self) -> &Self {
        self
    }

    fn load64(&self, word: Word64, site: Site) -> u64 {
        if unwinding() {
            return 0;
        }
        let shared = [
            Word64::ConsumerWant,
            Word64::ProducerWant,
            Word64::ConsumerEventWant,
            Word64::ProducerEventWant,
            Word64::Signals,
        ];
        if shared.contains(&word) {
            self.gates64[word as usize].pass();
        }
        let value = self.word64(word).load(self.rules.ordering(site));
        trace::record(Event::Load64(word, site, value));
        value
    }

    fn store64(&self, word: Word64, value: u64, site: Site) {
        if unwinding() {
            return;
        }
        self.word64(word).store(value, self.rules.ordering(site));
        trace::record(Event::Store64(word, site, value));
    }

    fn load32(&self, word: Word32, site: Site) -> u32 {
        if unwinding() {
            return 0;
        }
        if word != Word32::Writing {
            self.gates32[word as usize].pass();
        }
        let value = self.word32(word).load(self.rules.ordering(site));
        trace::record(Event::Load32(word, site, value));
        value
    }

    fn store32(&self, word: Word32, value: u32, site: Site) {
        if unwinding() {
            return;
        }
        self.word32(word).store(value, self.rules.ordering(site));
        trace::record(Event::Store32(word, site, value));
    }

    fn exchange32(&self, word: Word32, current: u32, new: u32, site: Site) -> Result<u32, u32> {
        if unwinding() {
            return Ok(current);
        }
        let result = self.word32(word).compare_exchange(
            current,
            new,
            self.rules.ordering(site),
            Ordering::Relaxed,
        );
        if result.is_ok() {
            trace::record(Event::Change32(word, site, current, new));
        }
        result
    }

    fn exchange64(&self, word: Word64, current: u64, new: u64, site: Site) -> Result<u64, u64> {
        if unwinding() {
            return Ok(current);
        }
        let result = self.word64(word).compare_exchange(
            current,
            new,
            self.rules.ordering(site),
            Ordering::Relaxed,
        );
        if result.is_ok() {
            trace::record(Event::Store64(word, site, new));
        }
        result
    }

    fn raise32(&self, word: Word32, site: Site) {
        if unwinding() {
            return;
        }
        let before = self.word32(word).fetch_add(1, self.rules.ordering(site));
        trace::record(Event::Change32(word, site, before, before.wrapping_add(1)));
    }

    fn set32(&self, word: Word32, bits: u32, site: Site) -> u32 {
        if unwinding() {
            return 0;
        }
        let before = self.word32(word).fetch_or(bits, self.rules.ordering(site));
        trace::record(Event::Change32(word, site, before, before | bits));
        before
    }

    fn clear32(&self, word: Word32, bits: u32, site: Site) -> u32 {
        if unwinding() {
            return 0;
        }
        let before = self
            .word32(word)
            .fetch_and(!bits, self.rules.ordering(site));
        trace::record(Event::Change32(word, site, before, before & !bits));
        before
    }

    fn clear64(&self, word: Word64, bits: u64, site: Site) {
        if unwinding() {
            return;
        }
        let before = self
            .word64(word)
            .fetch_and(!bits, self.rules.ordering(site));
        trace::record(Event::Store64(word, site, before & !bits));
    }

    fn area(&self) -> usize {
        self.bytes.len()
    }

    fn copy_in(&self, offset: usize, src: &[u8]) {
        for (cell, &byte) in self.range(offset, src.len()).iter().zip(src) {
            cell.with_mut(|at| {
                // SAFETY: `with_mut` passes a pointer to the cell's own byte, which is
                // valid while the cell is borrowed; loom runs one thread at a
                // time and switches none within the closure.
                unsafe { at.write(byte) }
            });
        }
        trace::record(Event::CopyIn(offset, src.len()));
    }

    fn copy_out(&self, offset: usize, dst: &mut [u8]) {
        for (cell, byte) in self.range(offset, dst.len()).iter().zip(&mut *dst) {
            *byte = cell.with(|at| {
                // SAFETY: as in `copy_in`; the byte was initialised by `new`.
                unsafe { at.read() }
            });
        }
        trace::record(Event::CopyOut(offset, dst.len()));
    }

    fn light_fence(&self, fence: Fence) {
        if self.rules.has(fence) && !unwinding() {
            self.fences.light();
            trace::record(Event::Fence(fence));
        }
    }

    fn full_fence(&self, fence: Fence) {
        if self.rules.has(fence) && !unwinding() {
            // A waiter and whoever withdraws meet no heavy fence by theirs.
            match fence {
                Fence::ArmThenAsk | Fence::WithdrawThenLook => self.fences.full(),
                _ => self.fences.full_and_light(),
            }
            trace::record(Event::Fence(fence));
        }
    }

    fn is_symmetric(&self) -> bool {
        self.rules.fencing == Fencing::Symmetric
    }

    fn full_fences(&self) -> u32 {
        self.rules.full_fences
    }

    fn heavy_fence(&self, fence: Fence) -> Result<()> {
        if self.rules.has(fence) && !unwinding() {
            self.fences.heavy();
            trace::record(Event::Fence(fence));
        }
        Ok(())
    }

    fn wake_futex(&self, word: Word32) {
        if !unwinding() {
            self.futex(word).wake();
            trace::record(Event::Wake(word));
        }
    }

    fn performs(&self, step: Step) -> bool {
        self.rules.performs(step)
    }
}

//! Honest memory without any sharing between processes: words and bytes on the
//! heap, and a condition variable for a futex.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Condvar, Mutex};

use zocket::protocol::{Deadline, Fence, Memory, Notify, Park, Site, Wake, Word32, Word64};
use zocket::{Error, Result};

/// One direction on the heap.
///
/// Its clock is simple: every deadline but "never" has passed. So a test sleeps
/// only where it says so, and is never in time or late by chance.
#[derive(Debug)]
pub(crate) struct Heap {
    words64: [AtomicU64; 11],
    words32: [AtomicU32; 8],
    data: Box<[AtomicU8]>,
    /// Bytes of the area that have memory, and how many may have some.
    reserved: AtomicUsize,
    reservable: usize,
    asleep: Mutex<()>,
    woken: Condvar,
    rings: AtomicUsize,
    alerts: AtomicUsize,
}

fn index64(word: Word64) -> usize {
    match word {
        Word64::Tail => 0,
        Word64::TailCursor => 1,
        Word64::Head => 2,
        Word64::HeadCursor => 3,
        Word64::ConsumerWant => 4,
        Word64::ProducerWant => 5,
        Word64::ConsumerEventWant => 6,
        Word64::ProducerEventWant => 7,
        Word64::Signals => 8,
        Word64::ReadThreshold => 9,
        Word64::WriteThreshold => 10,
    }
}

fn index32(word: Word32) -> usize {
    match word {
        Word32::ConsumerFlags => 0,
        Word32::ConsumerWaiter => 1,
        Word32::ProducerFlags => 2,
        Word32::ProducerWaiter => 3,
        Word32::Writing => 4,
        Word32::Events => 5,
        Word32::ConsumerAnnounced => 6,
        Word32::ProducerAnnounced => 7,
    }
}

impl Heap {
    /// An empty direction with a data area of this size.
    pub(crate) fn new(area: usize) -> Self {
        Self::sparse(area, area, area)
    }

    /// One of which only a part has memory, and of which no more than another part can be given
    /// any.
    pub(crate) fn sparse(area: usize, reserved: usize, reservable: usize) -> Self {
        Self {
            reserved: reserved.into(),
            reservable,
            words64: Default::default(),
            words32: Default::default(),
            data: (0..area).map(|_| AtomicU8::new(0)).collect(),
            asleep: Mutex::new(()),
            woken: Condvar::new(),
            rings: AtomicUsize::new(0),
            alerts: AtomicUsize::new(0),
        }
    }

    /// Sets both positions, and the cursors, as if as many bytes had passed.
    pub(crate) fn start_at(&self, position: u64) {
        for word in [
            Word64::Tail,
            Word64::Head,
            Word64::TailCursor,
            Word64::HeadCursor,
        ] {
            self.set64(word, position);
        }
    }

    /// The value of a word, as nobody's access.
    pub(crate) fn get64(&self, word: Word64) -> u64 {
        self.words64[index64(word)].load(Ordering::SeqCst)
    }

    /// Sets a word, as nobody's access.
    pub(crate) fn set64(&self, word: Word64, value: u64) {
        self.words64[index64(word)].store(value, Ordering::SeqCst);
    }

    /// The value of a word, as nobody's access.
    pub(crate) fn get32(&self, word: Word32) -> u32 {
        self.words32[index32(word)].load(Ordering::SeqCst)
    }

    /// Sets a word, as nobody's access.
    pub(crate) fn set32_to(&self, word: Word32, value: u32) {
        self.words32[index32(word)].store(value, Ordering::SeqCst);
    }

    /// How often the doorbell rang.
    pub(crate) fn rings(&self) -> usize {
        self.rings.load(Ordering::SeqCst)
    }

    /// How often those were told to look who wait for signals of the peer.
    pub(crate) fn alerts(&self) -> usize {
        self.alerts.load(Ordering::SeqCst)
    }

    /// The bytes of a range, which must be inside the area.
    fn range(&self, offset: usize, len: usize) -> &[AtomicU8] {
        assert!(
            offset <= self.data.len() && len <= self.data.len() - offset,
            "a copy of {len} bytes at {offset} leaves an area of {}",
            self.data.len()
        );
        &self.data[offset..offset + len]
    }
}

// The orderings of the sites are the loom models' business; here SeqCst will do.
impl Memory for Heap {
    type Local<'a> = &'a Self;

    fn local(&self) -> &Self {
        self
    }

    fn load64(&self, word: Word64, _: Site) -> u64 {
        self.get64(word)
    }

    fn store64(&self, word: Word64, value: u64, _: Site) {
        self.set64(word, value);
    }

    fn load32(&self, word: Word32, _: Site) -> u32 {
        self.get32(word)
    }

    fn store32(&self, word: Word32, value: u32, _: Site) {
        self.set32_to(word, value);
    }

    fn exchange32(&self, word: Word32, current: u32, new: u32, _: Site) -> Result<u32, u32> {
        let word = &self.words32[index32(word)];
        word.compare_exchange(current, new, Ordering::SeqCst, Ordering::SeqCst)
    }

    fn exchange64(&self, word: Word64, current: u64, new: u64, _: Site) -> Result<u64, u64> {
        let word = &self.words64[index64(word)];
        word.compare_exchange(current, new, Ordering::SeqCst, Ordering::SeqCst)
    }

    fn raise32(&self, word: Word32, _: Site) {
        self.words32[index32(word)].fetch_add(1, Ordering::SeqCst);
    }

    fn set32(&self, word: Word32, bits: u32, _: Site) -> u32 {
        self.words32[index32(word)].fetch_or(bits, Ordering::SeqCst)
    }

    fn clear32(&self, word: Word32, bits: u32, _: Site) -> u32 {
        self.words32[index32(word)].fetch_and(!bits, Ordering::SeqCst)
    }

    fn clear64(&self, word: Word64, bits: u64, _: Site) {
        self.words64[index64(word)].fetch_and(!bits, Ordering::SeqCst);
    }

    fn area(&self) -> usize {
        self.data.len()
    }

    fn reserved(&self) -> usize {
        self.reserved.load(Ordering::SeqCst)
    }

    fn reserve(&self, from: usize, to: usize) -> Result<usize> {
        assert!(from == self.reserved() && from < to && to <= self.area());
        if to > self.reservable {
            return Err(Error::NoMemory);
        }
        // In pages, as it were.
        let end = to.next_multiple_of(16).min(self.area());
        self.reserved.store(end, Ordering::SeqCst);
        Ok(end)
    }

    fn copy_in(&self, offset: usize, src: &[u8]) {
        assert!(
            offset + src.len() <= self.reserved(),
            "a copy to where there is no memory"
        );
        for (to, from) in self.range(offset, src.len()).iter().zip(src) {
            to.store(*from, Ordering::Relaxed);
        }
    }

    fn copy_out(&self, offset: usize, dst: &mut [u8]) {
        let len = dst.len();
        for (to, from) in dst.iter_mut().zip(self.range(offset, len)) {
            *to = from.load(Ordering::Relaxed);
        }
    }

    fn light_fence(&self, _: Fence) {
        unreachable!("it is symmetric");
    }

    fn full_fence(&self, _: Fence) {
        fence(Ordering::SeqCst);
    }

    fn is_symmetric(&self) -> bool {
        true
    }

    fn heavy_fence(&self, _: Fence) -> Result<()> {
        fence(Ordering::SeqCst);
        Ok(())
    }

    fn wake_futex(&self, _: Word32) {
        drop(self.asleep.lock().unwrap());
        self.woken.notify_all();
    }
}

impl Notify for &Heap {
    fn ring(&self) {
        self.rings.fetch_add(1, Ordering::SeqCst);
    }

    fn alert(&self, _: u32) {
        self.alerts.fetch_add(1, Ordering::SeqCst);
    }
}

impl Park for &Heap {
    fn sleep(&self, word: Word32, expected: u32, deadline: Deadline) -> Result<Wake> {
        if deadline != Deadline::NEVER {
            return Ok(Wake::TimedOut);
        }
        // As a futex: compared under the lock that the waker takes, so that a
        // wake-up cannot fall between the look and the sleep.
        let asleep = self.asleep.lock().unwrap();
        if self.get32(word) == expected {
            drop(self.woken.wait(asleep).unwrap());
        }
        Ok(Wake::Woken)
    }

    fn relax(&self) {
        std::thread::yield_now();
    }
}

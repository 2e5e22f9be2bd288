//! A futex, modelled after the kernel's: the comparison and the way to sleep are
//! one step under the lock that a waker takes too.
//!
//! Nobody here times out and nothing wakes for nothing, so a lost wake-up ends
//! in a state in which all threads sleep, which loom reports as a deadlock.

use std::sync::atomic::{AtomicUsize, Ordering};

use loom::sync::atomic::AtomicU32;
use loom::sync::{Condvar, Mutex};

/// What the kernel keeps for one futex word.
#[derive(Debug)]
pub(crate) struct Futex {
    lock: Mutex<()>,
    sleepers: Condvar,
    /// Not part of the model: for claims about how often somebody was woken.
    wakes: AtomicUsize,
}

impl Futex {
    pub(crate) fn new() -> Self {
        Self {
            lock: Mutex::new(()),
            sleepers: Condvar::new(),
            wakes: AtomicUsize::new(0),
        }
    }

    /// `FUTEX_WAIT`: sleeps, unless `word` does not hold `expected`.
    /// `before_look` is called under the lock.
    pub(crate) fn wait(&self, word: &AtomicU32, expected: u32, before_look: impl FnOnce()) {
        let guard = self.lock.lock().expect("loom does not poison");
        before_look();
        // Relaxed: the kernel reads the word like anybody else. The lock alone
        // makes it see what a waker stored that was here before.
        if word.load(loom::sync::atomic::Ordering::Relaxed) == expected {
            drop(self.sleepers.wait(guard).expect("loom does not poison"));
        }
    }

    /// `FUTEX_WAKE`, of all.
    pub(crate) fn wake(&self) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        let guard = self.lock.lock().expect("loom does not poison");
        self.sleepers.notify_all();
        drop(guard);
    }

    /// How many wake-ups cost a system call.
    pub(crate) fn wakes(&self) -> usize {
        self.wakes.load(Ordering::Relaxed)
    }
}

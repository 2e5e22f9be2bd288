//! A futex there and another one back: the least that a round trip with sleeping takes.

#![allow(
    unsafe_code,
    reason = "the system call has no safe form for shared memory"
)]

use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;

use super::memory::Memory;
use crate::channel::{Channel, Class, Name, Parcel, Transport, Waiting};

const WORDS: [usize; 2] = [0, 1024];

/// One end: a word that it wakes and one that it sleeps on. Carries no message.
pub(crate) struct Futex {
    memory: Memory,
    outgoing: usize,
    incoming: usize,
    sent: u32,
    received: u32,
}

impl Futex {
    fn new(memory: Memory, end: usize) -> Self {
        Self {
            memory,
            outgoing: WORDS[end],
            incoming: WORDS[1 - end],
            sent: 0,
            received: 0,
        }
    }
}

impl Transport for Futex {
    type End = Self;
    const NAME: Name = Name {
        key: "futex",
        title: "futex",
        class: Class::Limit,
        waiting: Waiting::Block,
        most: 64,
    };

    fn connect(parcel: &mut Parcel) -> Result<Self> {
        Ok(Self::new(Memory::create(4096, parcel)?, 0))
    }

    fn accept(parcel: &mut Parcel) -> Result<Self> {
        Ok(Self::new(Memory::accept(parcel)?, 1))
    }
}

fn futex(word: &AtomicU32, operation: libc::c_int, value: u32) {
    // SAFETY: the word is valid for the call; there is no timeout.
    unsafe {
        let none = ptr::null::<libc::timespec>();
        libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, none);
    }
}

impl Channel for Futex {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        self.sent = self.sent.wrapping_add(1);
        let word = self.memory.half_word(self.outgoing);
        word.store(self.sent << 8 | u32::from(message[0]), Ordering::SeqCst);
        futex(word, libc::FUTEX_WAKE, 1);
    }

    #[inline(always)]
    fn receive(&mut self, buf: &mut [u8]) {
        self.received = self.received.wrapping_add(1);
        let word = self.memory.half_word(self.incoming);
        loop {
            let value = word.load(Ordering::Acquire);
            if value >> 8 == self.received & 0xFF_FFFF {
                buf[0] = value as u8;
                return;
            }
            futex(word, libc::FUTEX_WAIT, value);
        }
    }
}

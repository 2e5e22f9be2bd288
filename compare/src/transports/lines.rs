//! A cache line there and another one back: the least that a round trip between CPUs takes.

use std::hint;
use std::sync::atomic::Ordering;

use anyhow::Result;

use super::memory::Memory;
use crate::channel::{Channel, Class, Name, Parcel, Transport, Waiting};

/// Apart far enough for no prefetcher to take them for one.
const LINES: [usize; 2] = [0, 1024];

/// One end: a line that it writes and one that it reads. Carries no message.
pub(crate) struct CacheLine {
    memory: Memory,
    outgoing: usize,
    incoming: usize,
    sent: u64,
    received: u64,
}

impl CacheLine {
    fn new(memory: Memory, end: usize) -> Self {
        Self {
            memory,
            outgoing: LINES[end],
            incoming: LINES[1 - end],
            sent: 0,
            received: 0,
        }
    }
}

impl Transport for CacheLine {
    type End = Self;
    const NAME: Name = Name {
        key: "cache-line",
        title: "cache line",
        class: Class::Limit,
        waiting: Waiting::Spin,
        // The flag that ends a job is all that it takes along.
        most: 64,
    };

    fn connect(parcel: &mut Parcel) -> Result<Self> {
        Ok(Self::new(Memory::create(4096, parcel)?, 0))
    }

    fn accept(parcel: &mut Parcel) -> Result<Self> {
        Ok(Self::new(Memory::accept(parcel)?, 1))
    }
}

impl Channel for CacheLine {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        self.sent += 1;
        let word = self.sent << 8 | u64::from(message[0]);
        self.memory
            .word(self.outgoing)
            .store(word, Ordering::Release);
    }

    #[inline(always)]
    fn receive(&mut self, buf: &mut [u8]) {
        self.received += 1;
        loop {
            let word = self.memory.word(self.incoming).load(Ordering::Acquire);
            if word >> 8 == self.received {
                buf[0] = word as u8;
                return;
            }
            hint::spin_loop();
        }
    }
}

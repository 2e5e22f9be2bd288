//! The yardstick: a ring of bytes with one producer and one consumer that has cached indices and
//! plain release stores. No wake-ups, no closing, no checks against the peer, and nothing that is there
//! for speed alone, as fetching ahead and keeping off the other end's lines are: nobody could use it.

#![allow(unsafe_code, reason = "a ring in memory mapped by hand")]

use std::hint;
use std::ptr;
use std::sync::atomic::Ordering;

use anyhow::Result;

use super::memory::Memory;
use crate::channel::{ANY_SIZE, Channel, Class, Name, Parcel, Transport, Waiting};

/// As in a zocket stream.
const CAPACITY: usize = 256 << 10;
const TAIL: usize = 0;
const HEAD: usize = 128;
/// Where the bytes begin.
const DATA: usize = 4096;
const DIRECTION: usize = DATA + CAPACITY;
/// Bytes of a large message that are published at once.
const PIECE: usize = 16 << 10;

/// One end of two such rings.
pub(crate) struct BareRing {
    memory: Memory,
    outgoing: Position,
    incoming: Position,
}

/// Where an end stands in one direction.
struct Position {
    /// Where the direction begins in the memory.
    base: usize,
    own: u64,
    /// The peer's, as last seen.
    peer: u64,
}

impl BareRing {
    fn new(memory: Memory, end: usize) -> Self {
        let position = |direction| Position {
            base: direction * DIRECTION,
            own: 0,
            peer: 0,
        };
        Self {
            memory,
            outgoing: position(end),
            incoming: position(1 - end),
        }
    }

    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) {
        let ring = &mut self.outgoing;
        while ring.own - ring.peer + bytes.len() as u64 > CAPACITY as u64 {
            ring.peer = self.memory.word(ring.base + HEAD).load(Ordering::Acquire);
            if ring.own - ring.peer + bytes.len() as u64 > CAPACITY as u64 {
                hint::spin_loop();
            }
        }
        let [first, second] = ring.spans(&self.memory, bytes.len());
        // SAFETY: both spans lie in this direction's data and have been released by the consumer;
        // together they have the length of `bytes`, which is private.
        unsafe {
            if second.1 == 0 {
                // By itself: the length is a constant where messages are small.
                ptr::copy_nonoverlapping(bytes.as_ptr(), first.0, bytes.len());
            } else {
                ptr::copy_nonoverlapping(bytes.as_ptr(), first.0, first.1);
                ptr::copy_nonoverlapping(bytes.as_ptr().add(first.1), second.0, second.1);
            }
        }
        ring.own += bytes.len() as u64;
        self.memory
            .word(ring.base + TAIL)
            .store(ring.own, Ordering::Release);
    }

    #[inline(always)]
    fn read(&mut self, buf: &mut [u8]) {
        let ring = &mut self.incoming;
        while ring.peer - ring.own < buf.len() as u64 {
            ring.peer = self.memory.word(ring.base + TAIL).load(Ordering::Acquire);
            if ring.peer - ring.own < buf.len() as u64 {
                hint::spin_loop();
            }
        }
        let [first, second] = ring.spans(&self.memory, buf.len());
        // SAFETY: as in `write`; the producer has published them.
        unsafe {
            if second.1 == 0 {
                ptr::copy_nonoverlapping(first.0, buf.as_mut_ptr(), buf.len());
            } else {
                ptr::copy_nonoverlapping(first.0, buf.as_mut_ptr(), first.1);
                ptr::copy_nonoverlapping(second.0, buf.as_mut_ptr().add(first.1), second.1);
            }
        }
        ring.own += buf.len() as u64;
        self.memory
            .word(ring.base + HEAD)
            .store(ring.own, Ordering::Release);
    }
}

impl Position {
    /// The two ranges from the own position on, the second empty unless the ring wraps there.
    #[inline(always)]
    fn spans(&self, memory: &Memory, len: usize) -> [(*mut u8, usize); 2] {
        let offset = self.own as usize % CAPACITY;
        let first = len.min(CAPACITY - offset);
        let data = self.base + DATA;
        [
            (memory.at(data + offset, first), first),
            (memory.at(data, len - first), len - first),
        ]
    }
}

impl Transport for BareRing {
    type End = Self;
    const NAME: Name = Name {
        key: "bare-ring",
        title: "bare ring",
        class: Class::Limit,
        waiting: Waiting::Spin,
        most: ANY_SIZE,
    };

    fn connect(parcel: &mut Parcel) -> Result<Self> {
        Ok(Self::new(Memory::create(2 * DIRECTION, parcel)?, 0))
    }

    fn accept(parcel: &mut Parcel) -> Result<Self> {
        Ok(Self::new(Memory::accept(parcel)?, 1))
    }
}

impl Channel for BareRing {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) {
        if message.len() <= PIECE {
            return self.write(message);
        }
        for piece in message.chunks(PIECE) {
            self.write(piece);
        }
    }

    #[inline(always)]
    fn receive(&mut self, buf: &mut [u8]) {
        if buf.len() <= PIECE {
            return self.read(buf);
        }
        for piece in buf.chunks_mut(PIECE) {
            self.read(piece);
        }
    }
}

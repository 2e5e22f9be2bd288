//! Reading and writing, with sizes around whatever makes a difference.

use zocket::zx;

use super::{Generator, Want};
use crate::calls::{Buffer, Call, Memory};

/// Beyond 32 bits: nobody has so much memory, and nobody looks at it.
const HUGE: usize = 0x1_0000_0000;

impl Generator {
    pub(super) fn write(&mut self) -> Call {
        let handle = self.pick(Want::socket(zx::ZX_RIGHT_WRITE));
        let (free, capacity) = self
            .socket(handle)
            .map_or((8, 64), |s| (s.free, s.capacity));
        let size = match self.rng.below(20) {
            0 => 0,
            1 | 2 => 1,
            3..6 => 2 + self.rng.below(64),
            6..10 => 1 + self.rng.below(capacity),
            10..13 => free,
            13 | 14 => free + 1,
            15 => free.saturating_sub(1),
            16 => capacity,
            17 => capacity + 1 + self.rng.below(capacity),
            18 => free / 2,
            _ => self.big(),
        };
        let content = self.position;
        self.position += size.min(1 << 20) as u64;
        Call::Write {
            handle,
            options: self.options(&[1, 8, u32::MAX]),
            buffer: self.buffer(size),
            content,
        }
    }

    pub(super) fn read(&mut self) -> Call {
        let handle = self.pick(Want::socket(zx::ZX_RIGHT_READ));
        let socket = self.socket(handle);
        let (available, queued) = socket.map_or((8, 8), |s| (s.available, s.queued));
        let size = match self.rng.below(20) {
            0 => 0,
            1 | 2 => 1,
            3..6 => 2 + self.rng.below(64),
            6..9 => 1 + self.rng.below(available + 1),
            9..12 => available,
            12 | 13 => available + 1,
            14 => available.saturating_sub(1),
            15 | 16 => queued,
            17 | 18 => queued + 100,
            _ => self.big(),
        };
        Call::Read {
            handle,
            options: match self.rng.chance(15) {
                true => zx::ZX_SOCKET_PEEK,
                false => self.options(&[1, 9, 1 << 31]),
            },
            buffer: match size >= HUGE - 1 && self.rng.chance(50) {
                // As much as there is to read has room.
                true => Buffer::good(size),
                false => self.buffer(size),
            },
        }
    }

    /// 0, or sometimes one of these.
    pub(super) fn options(&mut self, others: &[u32]) -> u32 {
        match self.rng.chance(4) {
            true => self.rng.pick(others),
            false => 0,
        }
    }

    fn big(&mut self) -> usize {
        self.rng.pick(&[HUGE, HUGE - 1, HUGE + 5, usize::MAX, 4097])
    }

    pub(super) fn buffer(&mut self, size: usize) -> Buffer {
        let memory = match self.rng.below(50) {
            0 => Memory::Null,
            1 | 2 => Memory::Bad,
            // Longer than what there is: must not be looked at.
            _ if size >= HUGE - 1 => Memory::Bad,
            _ => Memory::Good,
        };
        Buffer { memory, size }
    }
}

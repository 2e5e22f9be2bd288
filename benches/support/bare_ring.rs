//! The yardstick: a cross-process single-producer single-consumer byte ring with
//! nothing but cached indices and plain release stores. No wake-ups, no closing, no
//! checks against the peer, no partial reads. Nothing faster can be built on the
//! same idea, and nobody could use it.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use nix::sys::memfd::{MFdFlags, memfd_create};

const CAPACITY: usize = 256 << 10;
/// Head and tail each on a pair of cache lines of their own, then the data.
const DATA: usize = 4096;

/// A memfd for two rings that children inherit.
pub(crate) fn memory() -> OwnedFd {
    let fd = memfd_create(c"bare_ring", MFdFlags::empty()).unwrap();
    nix::unistd::ftruncate(&fd, 2 * (DATA + CAPACITY) as i64).unwrap();
    fd
}

/// One end of a pair of bare rings.
pub(crate) struct BareRing {
    _map: MmapRaw,
    outgoing: Direction,
    incoming: Direction,
}

struct Direction {
    base: *mut u8,
    own: u64,
    peer: u64,
}

impl BareRing {
    /// End 0 or 1 of the rings in `fd`.
    pub(crate) fn attach(fd: &OwnedFd, end: usize) -> Self {
        let map = MmapOptions::new()
            .len(2 * (DATA + CAPACITY))
            .map_raw(fd)
            .unwrap();
        let direction = |index: usize| Direction {
            // SAFETY: both directions lie within the mapping.
            base: unsafe { map.as_mut_ptr().add(index * (DATA + CAPACITY)) },
            own: 0,
            peer: 0,
        };
        Self {
            outgoing: direction(end),
            incoming: direction(1 - end),
            _map: map,
        }
    }

    /// Writes a message, or says that there is no space.
    #[inline(always)]
    pub(crate) fn try_write<const N: usize>(&mut self, message: &[u8; N]) -> bool {
        let ring = &mut self.outgoing;
        if ring.own - ring.peer + N as u64 > CAPACITY as u64 {
            ring.peer = ring.word(128).load(Ordering::Acquire);
            if ring.own - ring.peer + N as u64 > CAPACITY as u64 {
                return false;
            }
        }
        // SAFETY: N divides CAPACITY, so the message lies within the data; the consumer
        // has released it.
        unsafe {
            ring.at(ring.own)
                .cast::<[u8; N]>()
                .write_unaligned(*message)
        };
        ring.own += N as u64;
        ring.word(0).store(ring.own, Ordering::Release);
        true
    }

    /// Reads a message, or says that there is none.
    #[inline(always)]
    pub(crate) fn try_read<const N: usize>(&mut self, message: &mut [u8; N]) -> bool {
        let ring = &mut self.incoming;
        if ring.own == ring.peer {
            ring.peer = ring.word(0).load(Ordering::Acquire);
            if ring.own == ring.peer {
                return false;
            }
        }
        // SAFETY: as in `try_write`; the producer has published it.
        *message = unsafe { ring.at(ring.own).cast::<[u8; N]>().read_unaligned() };
        ring.own += N as u64;
        ring.word(128).store(ring.own, Ordering::Release);
        true
    }
}

impl Direction {
    #[inline(always)]
    fn word(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: the offsets used are 8-aligned and before DATA, within the mapping.
        unsafe { AtomicU64::from_ptr(self.base.add(offset).cast()) }
    }

    #[inline(always)]
    fn at(&self, position: u64) -> *mut u8 {
        // SAFETY: within the data of this direction.
        unsafe { self.base.add(DATA + position as usize % CAPACITY) }
    }
}

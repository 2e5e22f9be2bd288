//! Looking at pairs from outside: what tools show of them.
//!
//! Whoever may open the memory of a pair can say how full it is, who sleeps, and what is closed,
//! without having an endpoint of it. `zocket ls` is made of this.
//!
//! The law of this module:
//!
//! 1. Nothing is written, and neither end is disturbed: the memory is read with `pread(2)`, through a
//!    descriptor that need not be open for writing.
//! 2. Whatever is read may have been written by an enemy. The header is checked as when an endpoint is
//!    claimed; figures are kept within the bounds that are given here, and are fiction else.
//! 3. What is seen is for people to look at. The figures are read one after the other while both
//!    ends go on, and order nothing.
//!
//! The memory is found where the kernel lists the descriptors of a process: a link in `/proc/PID/fd`
//! that says [`LINK`]. What has the memory and the [doorbell](Pair::doorbells) of an end has that end.
//!
//! # Examples
//! ```no_run
//! use std::fs::File;
//! use zocket::inspect::{self, Pair};
//!
//! let link = "/proc/4242/fd/7";
//! if std::fs::read_link(link)?.to_str() == Some(inspect::LINK) {
//!     let pair = Pair::open(File::open(link)?.into())?;
//!     let [a, b] = pair.look()?;
//!     println!("{}: {} bytes for A, {} for B", pair.kind(), a.readable, b.readable);
//! }
//! # Ok::<(), std::io::Error>(())
//! ```

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::uio::pread;

use crate::error::{Error, Result};
use crate::layout::{DIRECTION_SIZE, FenceMode, HUGE_PAGE_SHIFT, Header, Kind, Side};
use crate::mem::{Role, Word32, Word64, flags, stored, waiter};
use crate::signals::Signals;
use crate::sys::region;

/// What the link in `/proc/PID/fd` says of a descriptor of a pair's memory.
///
/// Anybody can call a file so; [`Pair::open`] looks what it is. It reads what it is given, so who
/// looks at descriptors of others makes sure before that this is no file whose owner can make a read
/// last.
pub const LINK: &str = "/memfd:zocket (deleted)";

/// How often positions are read that change all the time.
const LOOKS: u32 = 8;

/// The memory of a pair, to be looked at.
#[derive(Debug)]
pub struct Pair {
    memory: OwnedFd,
    header: Header,
}

impl Pair {
    /// Takes a descriptor of a pair's memory, open for reading.
    ///
    /// # Errors
    /// What it is not: [`Error::MissingSeals`], [`Error::WrongMemorySize`], [`Error::NotAnEndpoint`],
    /// [`Error::UnsupportedVersion`], [`Error::BadHeader`]. [`Error::Os`].
    pub fn open(memory: OwnedFd) -> Result<Self> {
        let (header, _) = region::read_header(&memory)?;
        Ok(Self { memory, header })
    }

    /// Stream or datagram.
    pub fn kind(&self) -> Kind {
        self.header.kind
    }

    /// Payload bytes that each direction holds.
    pub fn capacity(&self) -> usize {
        self.header.capacity
    }

    /// Who pays for fences.
    pub fn fence_mode(&self) -> FenceMode {
        self.header.fence_mode
    }

    /// Whether the memory is said to be on huge pages.
    pub fn has_huge_pages(&self) -> bool {
        self.header.page_shift == HUGE_PAGE_SHIFT
    }

    /// Identities of A, the endpoint that was returned first when the pair was made, and B.
    pub fn koids(&self) -> [u64; 2] {
        self.header.koids
    }

    /// Inodes of the sockets that are the doorbells of A and of B: a process whose descriptors include one
    /// (`socket:[INODE]` in `/proc/PID/fd`) and the memory has that end.
    ///
    /// That a process has the descriptors is the kernel's word. Which socket belongs to which end is the word
    /// of whoever made the pair, and either end can change it.
    pub fn doorbells(&self) -> [Option<u64>; 2] {
        let known = |inode: u32| (inode != 0).then_some(inode.into());
        self.header.doorbells.map(known)
    }

    /// Bytes of the memory.
    pub fn size(&self) -> usize {
        self.header.total_size()
    }

    /// Bytes of the memory that the system has given so far.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn allocated(&self) -> Result<u64> {
        region::stat(&self.memory).map(|stat| region::allocated(&stat))
    }

    /// Looks at both ends, A and B.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub fn look(&self) -> Result<[End; 2]> {
        let mut words = self.words()?;
        let mut fills = [None; 2];
        for _ in 0..LOOKS {
            let now = self.words()?;
            for side in SIDES {
                let fill = &mut fills[side.index()];
                *fill = fill.or_else(|| words.fill_until(&now, side));
            }
            words = now;
            if fills.iter().all(Option::is_some) {
                break;
            }
        }
        // Of those that never stood still, rather too little between them than too much.
        let fills = SIDES.map(|side| fills[side.index()].unwrap_or_else(|| words.fill(side)));
        Ok(SIDES.map(|side| self.end(&words, fills, side)))
    }

    fn words(&self) -> Result<Words> {
        let mut words = Words([0; 2 * DIRECTION_SIZE]);
        let mut done = 0;
        while done < words.0.len() {
            let offset = (Header::direction_offset(Side::A) + done) as i64;
            match pread(&self.memory, &mut words.0[done..], offset) {
                // The size is sealed, so this is none of ours.
                Ok(0) => return Err(Error::NotAnEndpoint),
                Ok(len) => done += len,
                Err(errno) => return Err(Error::os("pread", errno)),
            }
        }
        Ok(words)
    }

    fn end(&self, words: &Words, fills: [Fill; 2], side: Side) -> End {
        let capacity = self.header.capacity as u64;
        // Named by who writes them.
        let (outgoing, incoming) = (side, side.peer());
        let [written, read] = [outgoing, incoming].map(|writer| fills[writer.index()]);
        let has = |of: Side, word, bit| words.u32_at(of, word) & bit != 0;
        let signals = words.u64_at(incoming, Word64::Signals) & stored::ON;
        End {
            readable: read.queued().min(capacity),
            unread_by_peer: written.queued().min(capacity),
            total_read: read.head,
            total_written: written.tail,
            closed: has(outgoing, Word32::ProducerFlags, flags::CLOSED)
                || has(incoming, Word32::ConsumerFlags, flags::CLOSED),
            write_disabled: has(outgoing, Word32::ConsumerFlags, flags::WRITE_DISABLED),
            writing: words.u32_at(outgoing, Word32::Writing) != 0,
            user_signals: Signals::from_bits_retain(signals as u32) & Signals::USER_ALL,
            read_threshold: words.u64_at(incoming, Word64::ReadThreshold).min(capacity),
            write_threshold: words.u64_at(incoming, Word64::WriteThreshold).min(capacity),
            for_data: words.waits(incoming, Role::Consumer),
            for_space: words.waits(outgoing, Role::Producer),
        }
    }
}

/// The memory's descriptor.
impl AsFd for Pair {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }
}

/// What one end of a pair looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct End {
    /// Payload bytes written by the peer and not yet read by this end; at most the capacity.
    pub readable: u64,
    /// Payload bytes written by this end and not yet read by the peer; at most the capacity.
    pub unread_by_peer: u64,
    /// Payload bytes read by this end since the pair was made.
    pub total_read: u64,
    /// Payload bytes written by this end since the pair was made.
    pub total_written: u64,
    /// Whether this end is known to be closed. One whose process was killed is so only once its peer
    /// has noticed.
    pub closed: bool,
    /// Whether this end may not write.
    pub write_disabled: bool,
    /// Whether this end is in the middle of a write.
    pub writing: bool,
    /// The user signals that are on.
    pub user_signals: Signals,
    /// Queued bytes from which on [`READ_THRESHOLD`](Signals::READ_THRESHOLD) is on; 0 is none.
    pub read_threshold: u64,
    /// Free bytes from which on [`WRITE_THRESHOLD`](Signals::WRITE_THRESHOLD) is on; 0 is none.
    pub write_threshold: u64,
    /// Who waits at this end for something to read, or for a signal.
    pub for_data: Waits,
    /// Who waits at this end for space to write, or for a signal that space turns on.
    pub for_space: Waits,
}

/// Who waits in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waits {
    /// Those who wait for bytes.
    pub bytes: Option<Waiter>,
    /// Those who wait for signals.
    pub signals: Option<Waiter>,
}

/// How somebody waits, and for how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waiter {
    /// Threads sleep on a futex, or are about to.
    pub threads: bool,
    /// Somebody polls a descriptor, by `poll`, `epoll` or a port.
    pub pollers: bool,
    /// Queued bytes, or free ones, that are waited for. `None` is for those whom no number of bytes
    /// wakes.
    pub least: Option<u64>,
    /// Whether fewer bytes are of use as well, if the peer goes to sleep.
    pub soft: bool,
}

const SIDES: [Side; 2] = [Side::A, Side::B];

/// The control words of both directions, copied.
struct Words([u8; 2 * DIRECTION_SIZE]);

/// Positions of a direction.
#[derive(Clone, Copy, Debug)]
struct Fill {
    head: u64,
    tail: u64,
}

impl Fill {
    fn queued(self) -> u64 {
        self.tail.wrapping_sub(self.head)
    }
}

impl Words {
    /// Of the direction that `writer` writes.
    fn u32_at(&self, writer: Side, word: Word32) -> u32 {
        u32::from_ne_bytes(self.bytes_at(writer, word.offset()))
    }

    fn u64_at(&self, writer: Side, word: Word64) -> u64 {
        u64::from_ne_bytes(self.bytes_at(writer, word.offset()))
    }

    fn bytes_at<const LEN: usize>(&self, writer: Side, offset: usize) -> [u8; LEN] {
        let at = writer.index() * DIRECTION_SIZE + offset;
        self.0[at..at + LEN]
            .try_into()
            .expect("a range of that length")
    }

    /// Head and tail at one moment, if the head was the same before the tail was read and after.
    fn fill_until(&self, later: &Self, writer: Side) -> Option<Fill> {
        let head = later.u64_at(writer, Word64::Head);
        let tail = later.u64_at(writer, Word64::Tail);
        (self.u64_at(writer, Word64::Head) == head).then_some(Fill { head, tail })
    }

    /// Head and tail, which was read first, and may be behind.
    fn fill(&self, writer: Side) -> Fill {
        let head = self.u64_at(writer, Word64::Head);
        let tail = self.u64_at(writer, Word64::Tail);
        let is_behind = tail.wrapping_sub(head) > i64::MAX as u64;
        Fill {
            head,
            tail: if is_behind { head } else { tail },
        }
    }

    /// Who waits at the end that has `role` in the direction that `writer` writes.
    fn waits(&self, writer: Side, role: Role) -> Waits {
        let bits = self.u32_at(writer, role.waiter());
        let waiter = |threads, pollers, want| {
            let least = self.u64_at(writer, want);
            (bits & (threads | pollers) != 0).then_some(Waiter {
                threads: bits & threads != 0,
                pollers: bits & pollers != 0,
                least: (least != u64::MAX).then_some(least),
                soft: threads == waiter::FUTEX && bits & waiter::SOFT != 0,
            })
        };
        Waits {
            bytes: waiter(waiter::FUTEX, waiter::DOORBELL, role.want()),
            signals: waiter(waiter::EVENT, waiter::EVENT_BELL, role.event_want()),
        }
    }
}

#[cfg(test)]
mod tests;

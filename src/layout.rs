//! Where everything lies in the shared memory, and the header's parser.
//!
//! The header, written once before anybody else sees the memory; then one
//! [`DIRECTION_SIZE`] block of control words for each direction; then the two data
//! areas. The first begins in the page of the control words, so that a pair that is
//! used little touches two pages. `docs/layout.md` has the same as a table.
//!
//! The header is read with `pread` into private memory and parsed from there,
//! before anything is mapped: [`Header::parse`] treats it like a packet from
//! the network.

use std::fmt;

use crate::error::{Error, Result};

/// First eight bytes of the shared memory: `"zocket"`, then two bytes that are
/// not text.
pub const MAGIC: u64 = u64::from_le_bytes(*b"zocket\xA7\x02");
/// Layout version; any change of this module that moves or adds a word raises it.
pub const VERSION: u32 = 4;

/// Smallest capacity of a direction, in bytes.
pub const MIN_CAPACITY: usize = 4 << 10;
/// Largest capacity of a direction, in bytes.
pub const MAX_CAPACITY: usize = 1 << 30;
/// Capacity of a direction unless the builder says otherwise, in bytes.
pub(crate) const DEFAULT_CAPACITY: usize = 256 << 10;

/// Bytes of a header, all of them parsed.
pub const HEADER_SIZE: usize = 64;
/// Everything that is written by different sides is this far apart: two cache
/// lines, since the adjacent-line prefetcher of x86-64 works on pairs.
pub(crate) const LINE: usize = 128;
/// Where the block of the first direction begins.
pub(crate) const DIRECTIONS: usize = LINE;
/// Bytes of the block of one direction: six lines, see `word`.
pub const DIRECTION_SIZE: usize = 6 * LINE;

/// Where the data of the first direction begins.
pub(crate) const AREAS: usize = DIRECTIONS + 2 * DIRECTION_SIZE;

/// log2 of an ordinary page.
pub const PAGE_SHIFT: u32 = 12;
/// log2 of a huge page.
pub(crate) const HUGE_PAGE_SHIFT: u32 = 21;

/// Offsets of the words of a direction within its block.
pub(crate) mod word {
    use super::LINE;

    // The producer line: written by the producer on every write.
    /// `u64`: payload bytes ever published.
    pub(crate) const TAIL: usize = 0;
    /// `u64`: where in the area the producer goes on.
    pub(crate) const TAIL_CURSOR: usize = 8;

    // The consumer line: written by the consumer on every read.
    /// `u64`: payload bytes ever consumed.
    pub(crate) const HEAD: usize = LINE;
    /// `u64`: where in the area the consumer goes on.
    pub(crate) const HEAD_CURSOR: usize = LINE + 8;

    // The consumer control line: read by the producer on every write.
    /// `u32`: consumer closed, and how often writing was disabled and enabled.
    pub(crate) const CONSUMER_FLAGS: usize = 2 * LINE;
    /// `u32`: how the consumer waits; its futex.
    pub(crate) const CONSUMER_WAITER: usize = 2 * LINE + 4;
    /// `u64`: how many queued bytes the consumer waits for.
    pub(crate) const CONSUMER_WANT: usize = 2 * LINE + 8;
    /// `u64`: how many queued bytes concern those who wait for signals of the consumer.
    pub(crate) const CONSUMER_EVENT_WANT: usize = 2 * LINE + 16;
    /// `u32`: the consumer's fences are full ones.
    pub(crate) const CONSUMER_ANNOUNCED: usize = 2 * LINE + 24;

    // The producer control line: read by the consumer on every read.
    /// `u32`: producer closed.
    pub(crate) const PRODUCER_FLAGS: usize = 3 * LINE;
    /// `u32`: how the producer waits; its futex.
    pub(crate) const PRODUCER_WAITER: usize = 3 * LINE + 4;
    /// `u64`: how many free bytes the producer waits for.
    pub(crate) const PRODUCER_WANT: usize = 3 * LINE + 8;
    /// `u64`: how many free bytes concern those who wait for signals of the producer.
    pub(crate) const PRODUCER_EVENT_WANT: usize = 3 * LINE + 16;
    /// `u32`: the producer's fences are full ones.
    pub(crate) const PRODUCER_ANNOUNCED: usize = 3 * LINE + 24;

    // The producer-private line: read by the consumer only to confirm an end.
    /// `u32`: a write is in progress.
    pub(crate) const WRITING: usize = 4 * LINE;

    // The line of the endpoint that consumes: what it stores about itself as a whole.
    /// `u32`: counts what those who wait for signals should look at; their futex.
    pub(crate) const EVENTS: usize = 5 * LINE;
    /// `u64`: stored signals, and which of them went on.
    pub(crate) const SIGNALS: usize = 5 * LINE + 8;
    /// `u64`: the read threshold, 0 is none.
    pub(crate) const READ_THRESHOLD: usize = 5 * LINE + 16;
    /// `u64`: the write threshold (for the other direction), 0 is none.
    pub(crate) const WRITE_THRESHOLD: usize = 5 * LINE + 24;
}

const _: () = {
    assert!(HEADER_SIZE <= DIRECTIONS);
    assert!(AREAS <= 1 << PAGE_SHIFT && AREAS.is_multiple_of(LINE));
    assert!(word::TAIL.is_multiple_of(LINE) && word::TAIL_CURSOR == word::TAIL + 8);
    assert!(word::HEAD.is_multiple_of(LINE) && word::HEAD_CURSOR == word::HEAD + 8);
    assert!(word::CONSUMER_FLAGS.is_multiple_of(LINE));
    assert!(word::CONSUMER_WAITER == word::CONSUMER_FLAGS + 4);
    assert!(word::CONSUMER_WANT == word::CONSUMER_FLAGS + 8);
    assert!(word::PRODUCER_FLAGS.is_multiple_of(LINE));
    assert!(word::PRODUCER_WAITER == word::PRODUCER_FLAGS + 4);
    assert!(word::PRODUCER_WANT == word::PRODUCER_FLAGS + 8);
    assert!(word::CONSUMER_EVENT_WANT == word::CONSUMER_FLAGS + 16);
    assert!(word::PRODUCER_EVENT_WANT == word::PRODUCER_FLAGS + 16);
    assert!(word::CONSUMER_ANNOUNCED == word::CONSUMER_FLAGS + 24);
    assert!(word::PRODUCER_ANNOUNCED == word::PRODUCER_FLAGS + 24);
    assert!(word::WRITING.is_multiple_of(LINE));
    assert!(word::EVENTS == word::WRITING + LINE);
    assert!(word::SIGNALS == word::EVENTS + 8);
    assert!(word::READ_THRESHOLD == word::EVENTS + 16);
    assert!(word::WRITE_THRESHOLD == word::EVENTS + 24);
    assert!(word::EVENTS + LINE == DIRECTION_SIZE);
    assert!(DEFAULT_CAPACITY.is_multiple_of(1 << PAGE_SHIFT));
};

/// Whether boundaries between writes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Bytes without boundaries; reads and writes may be partial.
    Stream,
    /// Whole messages.
    Datagram,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream => "stream",
            Self::Datagram => "datagram",
        })
    }
}

impl Kind {
    pub(crate) fn to_wire(self) -> u32 {
        self as u32
    }

    pub(crate) fn from_wire(value: u32) -> Option<Self> {
        match value {
            0 => Some(Self::Stream),
            1 => Some(Self::Datagram),
            _ => None,
        }
    }

    /// Ring bytes that hold `capacity` bytes of payload in any division into
    /// records. A record's prefix is never longer than its payload
    /// ([`record`](crate::protocol::record)), so twice the capacity is enough.
    pub(crate) const fn area(self, capacity: usize) -> usize {
        match self {
            Self::Stream => capacity,
            Self::Datagram => 2 * capacity,
        }
    }
}

/// Who pays for the fence between "I go to sleep" and "is there anything".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FenceMode {
    /// Whoever goes to sleep, with `membarrier(2)`; reads and writes hold no
    /// fence at all. Needs a kernel and a sandbox that allow the call.
    Asymmetric,
    /// Both sides, with a fence on every read and write: about twenty times
    /// slower for small messages.
    Symmetric,
}

impl FenceMode {
    fn to_wire(self) -> u32 {
        self as u32
    }

    fn from_wire(value: u32) -> Option<Self> {
        match value {
            0 => Some(Self::Asymmetric),
            1 => Some(Self::Symmetric),
            _ => None,
        }
    }
}

/// One of the two endpoints of a pair. Also names the direction that it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The endpoint that `pair` returns first.
    A,
    /// The endpoint that `pair` returns second.
    B,
}

impl Side {
    pub(crate) fn peer(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }

    pub(crate) fn from_wire(value: u32) -> Option<Self> {
        match value {
            0 => Some(Self::A),
            1 => Some(Self::B),
            _ => None,
        }
    }
}

/// The facts of a pair that never change, as every side knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Stream or datagram.
    pub kind: Kind,
    /// Fence mode of both sides.
    pub fence_mode: FenceMode,
    /// log2 of the page size of the memory.
    pub page_shift: u32,
    /// Payload bytes that one direction holds.
    pub capacity: usize,
    /// Identities of the two endpoints.
    pub koids: [u64; 2],
    /// Inodes of the two ends of the doorbell, by which whoever looks from outside tells what
    /// process has which endpoint; 0 is unknown.
    pub doorbells: [u32; 2],
}

impl Header {
    /// Ring bytes of one direction.
    pub fn area(&self) -> usize {
        self.kind.area(self.capacity)
    }

    /// Where the block of control words of the direction that `writer` writes begins.
    pub fn direction_offset(writer: Side) -> usize {
        DIRECTIONS + writer.index() * DIRECTION_SIZE
    }

    /// Where the data of the direction that `writer` writes begins.
    pub fn area_offset(&self, writer: Side) -> usize {
        AREAS + writer.index() * self.area()
    }

    /// Bytes of the whole shared memory: whole pages.
    pub fn total_size(&self) -> usize {
        (1 << self.page_shift) + 2 * self.area()
    }

    /// The header as it stands at the beginning of the shared memory.
    pub fn to_bytes(&self) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &MAGIC.to_le_bytes());
        put(8, &VERSION.to_le_bytes());
        put(12, &self.kind.to_wire().to_le_bytes());
        put(16, &(self.capacity as u64).to_le_bytes());
        put(24, &self.koids[0].to_le_bytes());
        put(32, &self.koids[1].to_le_bytes());
        put(40, &self.fence_mode.to_wire().to_le_bytes());
        put(44, &self.page_shift.to_le_bytes());
        put(48, &(self.total_size() as u64).to_le_bytes());
        put(56, &self.doorbells[0].to_le_bytes());
        put(60, &self.doorbells[1].to_le_bytes());
        bytes
    }

    /// Reads a header that anybody may have written.
    ///
    /// # Errors
    /// [`Error::NotAnEndpoint`] without the magic number,
    /// [`Error::UnsupportedVersion`] for another layout, [`Error::BadHeader`]
    /// for any field that [`to_bytes`](Self::to_bytes) never writes.
    pub fn parse(bytes: &[u8; HEADER_SIZE]) -> Result<Self> {
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        if u64_at(0) != MAGIC {
            return Err(Error::NotAnEndpoint);
        }
        if u32_at(8) != VERSION {
            return Err(Error::UnsupportedVersion { found: u32_at(8) });
        }
        let page_shift = u32_at(44);
        if page_shift != PAGE_SHIFT && page_shift != HUGE_PAGE_SHIFT {
            return Err(Error::BadHeader("page size"));
        }
        let header = Self {
            kind: Kind::from_wire(u32_at(12)).ok_or(Error::BadHeader("kind"))?,
            fence_mode: FenceMode::from_wire(u32_at(40)).ok_or(Error::BadHeader("fence mode"))?,
            page_shift,
            capacity: parse_capacity(u64_at(16), page_shift)?,
            koids: [u64_at(24), u64_at(32)],
            doorbells: [u32_at(56), u32_at(60)],
        };
        if u64_at(48) != header.total_size() as u64 {
            return Err(Error::BadHeader("total size"));
        }
        Ok(header)
    }
}

/// The capacity field, if a builder can have chosen it.
fn parse_capacity(value: u64, page_shift: u32) -> Result<usize> {
    let capacity = usize::try_from(value).map_err(|_| Error::BadHeader("capacity"))?;
    if round_capacity(capacity, page_shift) == Ok(capacity) {
        Ok(capacity)
    } else {
        Err(Error::BadHeader("capacity"))
    }
}

/// `requested` rounded up to whole pages.
///
/// # Errors
/// [`Error::InvalidCapacity`] outside [`MIN_CAPACITY`] to [`MAX_CAPACITY`].
pub(crate) fn round_capacity(requested: usize, page_shift: u32) -> Result<usize> {
    if (MIN_CAPACITY..=MAX_CAPACITY).contains(&requested) {
        Ok(requested.next_multiple_of(1 << page_shift))
    } else {
        Err(Error::InvalidCapacity { requested })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: Header = Header {
        kind: Kind::Datagram,
        fence_mode: FenceMode::Symmetric,
        page_shift: PAGE_SHIFT,
        capacity: 8192,
        koids: [1024, 1025],
        doorbells: [77, u32::MAX],
    };

    #[test]
    fn header_survives_the_round_trip() {
        assert_eq!(Header::parse(&VALID.to_bytes()), Ok(VALID));
    }

    #[test]
    fn header_with_one_field_altered_is_refused() {
        type Case = (usize, Vec<u8>, Error);
        let cases: [Case; 10] = [
            (0, vec![0], Error::NotAnEndpoint),
            (8, vec![9], Error::UnsupportedVersion { found: 9 }),
            (12, vec![2], Error::BadHeader("kind")),
            (16, vec![1], Error::BadHeader("capacity")),
            (
                16,
                4096u64.to_le_bytes().into(),
                Error::BadHeader("total size"),
            ),
            (
                16,
                (1u64 << 31).to_le_bytes().into(),
                Error::BadHeader("capacity"),
            ),
            (
                16,
                u64::MAX.to_le_bytes().into(),
                Error::BadHeader("capacity"),
            ),
            (40, vec![7], Error::BadHeader("fence mode")),
            (44, vec![63], Error::BadHeader("page size")),
            (48, vec![1], Error::BadHeader("total size")),
        ];
        for (at, value, expected) in cases {
            let mut bytes = VALID.to_bytes();
            bytes[at..at + value.len()].copy_from_slice(&value);
            assert_eq!(Header::parse(&bytes), Err(expected), "byte {at}");
        }
    }

    #[test]
    fn areas_do_not_overlap_and_fill_all_but_part_of_a_page() {
        for kind in [Kind::Stream, Kind::Datagram] {
            let header = Header { kind, ..VALID };
            let a = header.area_offset(Side::A);
            let b = header.area_offset(Side::B);
            assert!(Header::direction_offset(Side::B) + DIRECTION_SIZE <= a);
            assert_eq!(a + header.area(), b);
            assert!(b + header.area() <= header.total_size());
            assert!(header.total_size() - header.area() - b < 1 << PAGE_SHIFT);
        }
    }

    #[test]
    fn capacity_is_rounded_up_to_pages_within_its_limits() {
        assert_eq!(round_capacity(5000, PAGE_SHIFT), Ok(8192));
        assert_eq!(round_capacity(5000, HUGE_PAGE_SHIFT), Ok(2 << 20));
        assert_eq!(round_capacity(MAX_CAPACITY, PAGE_SHIFT), Ok(MAX_CAPACITY));
        for requested in [0, 4095, MAX_CAPACITY + 1, usize::MAX] {
            assert_eq!(
                round_capacity(requested, PAGE_SHIFT),
                Err(Error::InvalidCapacity { requested })
            );
        }
    }
}

//! The reading side of a ring.

use super::record::{self, First, MAX_PREFIX};
use super::{offset, positions, split};
use crate::error::{Result, Violation};
use crate::layout::Kind;
use crate::mem::{Memory, Site, Word64};

/// The reading side of a ring: data, bytes, release.
#[derive(Debug)]
pub struct Consumer<M> {
    mem: M,
    /// Payload bytes consumed. Ours: stored for the peer, never read back.
    head: u64,
    /// Payload bytes published, as last seen; may be too small.
    tail: u64,
    /// Ring bytes consumed; counted for records only.
    cursor: u64,
    /// Where the next byte comes from, within the area.
    offset: usize,
    capacity: u64,
    broken: Option<Violation>,
}

/// The first record in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Ring bytes before the payload.
    pub prefix: usize,
    /// Bytes of the payload, at least one and no more than are queued.
    pub payload: usize,
}

impl<M: Memory> Consumer<M> {
    /// Takes over the reading side where its former owner stopped.
    ///
    /// # Errors
    /// [`Error::Protocol`](crate::Error::Protocol) if the positions are impossible.
    pub fn attach(mem: M, kind: Kind, capacity: usize) -> Result<Self> {
        let (tail, head) = positions(&mem, capacity)?;
        Ok(Self {
            head,
            tail,
            cursor: mem.load64(Word64::HeadCursor, Site::Cursor),
            offset: offset(&mem, kind, head, Word64::HeadCursor),
            capacity: capacity as u64,
            broken: None,
            mem,
        })
    }

    /// The memory underneath.
    #[inline(always)]
    pub fn mem(&self) -> &M {
        &self.mem
    }

    /// Payload bytes that this direction holds.
    #[inline(always)]
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Payload bytes ever consumed.
    pub fn total(&self) -> u64 {
        self.head
    }

    /// Queued payload bytes as last seen; there may be more.
    #[inline(always)]
    pub fn queued(&self) -> u64 {
        self.tail.wrapping_sub(self.head)
    }

    /// Whether the last look found nothing queued, and nothing wrong either.
    #[inline(always)]
    pub fn is_known_empty(&self) -> bool {
        self.tail == self.head && self.broken.is_none()
    }

    /// Looks at the tail again and returns the queued payload bytes.
    ///
    /// # Errors
    /// A violation, now and ever after, if the tail went back or is further
    /// ahead than the capacity.
    #[inline]
    pub fn refresh(&mut self) -> Result<u64, Violation> {
        if let Some(violation) = self.broken {
            return Err(violation);
        }
        // ORDERING(data-published): Acquire; pairs with the Release in
        // `Producer::publish`: the bytes before this tail are visible.
        let tail = self.mem.load64(Word64::Tail, Site::ObserveTail);
        // One comparison: `tail` must lie between the last one seen and a full ring.
        if tail.wrapping_sub(self.tail) > self.capacity - self.queued() {
            return Err(self.break_off(Violation::TailOutOfRange));
        }
        self.tail = tail;
        Ok(self.queued())
    }

    /// Queued payload bytes as last seen, for whoever knows that no more will come.
    ///
    /// # Errors
    /// The violation, if there was one, as [`refresh`](Self::refresh).
    pub fn seen(&self) -> Result<u64, Violation> {
        match self.broken {
            Some(violation) => Err(violation),
            None => Ok(self.queued()),
        }
    }

    /// Makes this side useless: no data, and `refresh` reports why.
    #[cold]
    fn break_off(&mut self, violation: Violation) -> Violation {
        self.broken = Some(violation);
        self.tail = self.head;
        violation
    }

    /// Reads the prefix of the first record. Something must be queued.
    ///
    /// # Errors
    /// [`Violation::RecordLength`], now and ever after, if the prefix is
    /// impossible.
    #[inline]
    pub fn record(&mut self) -> Result<Record, Violation> {
        let queued = self.queued();
        let mut first = [0];
        self.copy_out(0, &mut first);
        match record::parse_first(first[0], queued) {
            Ok(First::Short(payload)) => Ok(Record { prefix: 1, payload }),
            Ok(First::Long) => self.long_record(queued),
            Err(violation) => Err(self.break_off(violation)),
        }
    }

    /// The first record, if it has a short prefix and is [in one piece](Self::in_one_piece).
    /// Something must be queued. [`record`](Self::record) reads any other, and tells what is wrong.
    #[inline(always)]
    pub fn short_record(&self) -> Option<Record> {
        let mut first = [0];
        self.copy_out_one_piece(0, &mut first);
        match record::parse_first(first[0], self.queued()) {
            Ok(First::Short(payload)) if payload < self.in_one_piece() => {
                Some(Record { prefix: 1, payload })
            }
            _ => None,
        }
    }

    fn long_record(&mut self, queued: u64) -> Result<Record, Violation> {
        let mut rest = [0; MAX_PREFIX - 1];
        self.copy_out(1, &mut rest);
        match record::parse_long(rest, queued) {
            Ok(payload) => Ok(Record {
                prefix: MAX_PREFIX,
                payload,
            }),
            Err(violation) => Err(self.break_off(violation)),
        }
    }

    /// Copies bytes from behind the head, `at` ring bytes further on, to `dst`.
    ///
    /// The caller has seen that much data; the wrap is handled here.
    #[inline(always)]
    pub fn copy_out(&self, at: usize, dst: &mut [u8]) {
        let (start, first) = split(self.mem.area(), self.offset + at, dst.len());
        if first == dst.len() {
            self.mem.copy_out(start, dst);
        } else {
            let (before, after) = dst.split_at_mut(first);
            self.mem.copy_out(start, before);
            self.mem.copy_out(0, after);
        }
    }

    /// Ring bytes from the head to the end of the area: what is not cut in two.
    #[inline(always)]
    pub fn in_one_piece(&self) -> usize {
        self.mem.area() - self.offset
    }

    /// Copies bytes from behind the head, `at` ring bytes further on, to `dst`.
    ///
    /// The caller has seen that much data, and that it is [in one
    /// piece](Self::in_one_piece).
    #[inline(always)]
    pub fn copy_out_one_piece(&self, at: usize, dst: &mut [u8]) {
        self.mem.copy_out(self.offset + at, dst);
    }

    /// The two ranges of the area that `len` ring bytes occupy behind the head,
    /// `at` ring bytes further on, each as offset and length.
    pub fn ranges(&self, at: usize, len: usize) -> [(usize, usize); 2] {
        let (start, first) = split(self.mem.area(), self.offset + at, len);
        [(start, first), (0, len - first)]
    }

    /// Gives `len` bytes of a stream back to the producer.
    #[inline(always)]
    pub fn publish(&mut self, len: usize) {
        self.advance(len, len);
    }

    /// Gives the first record back to the producer.
    #[inline(always)]
    pub fn publish_record(&mut self, record: Record) {
        let ring = record.prefix + record.payload;
        self.cursor = self.cursor.wrapping_add(ring as u64);
        self.mem
            .store64(Word64::HeadCursor, self.cursor, Site::Cursor);
        self.advance(record.payload, ring);
    }

    #[inline(always)]
    fn advance(&mut self, payload: usize, ring: usize) {
        let offset = self.offset + ring;
        let area = self.mem.area();
        self.offset = if offset >= area {
            offset - area
        } else {
            offset
        };
        self.head = self.head.wrapping_add(payload as u64);
        // ORDERING(space-freed): Release; pairs with the Acquire in
        // `Producer::refresh`: our reads of the bytes are over.
        self.mem.store64(Word64::Head, self.head, Site::PublishHead);
    }
}

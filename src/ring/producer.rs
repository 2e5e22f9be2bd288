//! The writing side of a ring.

use std::hint::cold_path;

use super::position::{Piece, Position};
use super::{Record, positions, split};
use crate::error::{Result, Violation};
use crate::layout::Kind;
use crate::mem::{Memory, Role, Site, Word64};

/// Ring bytes that are given memory at once, at most, beyond what a write needs: more would be
/// felt as a pause.
const MOST_AHEAD: usize = 1 << 20;

/// The writing side of a ring: space, bytes, publication.
#[derive(Debug)]
pub struct Producer<M> {
    mem: M,
    place: Place,
}

/// Where a producer stands. Apart from the memory, for calls that hold both at once.
#[derive(Debug)]
pub(crate) struct Place {
    /// The tail.
    position: Position,
    /// Payload bytes consumed, as last seen; may be too small.
    head: u64,
    /// Where the tail must not pass: all up to there is free, as last seen, and has memory.
    limit: u64,
    /// Ring bytes from the beginning of the area that have memory.
    reserved: usize,
    capacity: u64,
    broken: Option<Violation>,
}

impl Place {
    /// Payload bytes published.
    #[inline(always)]
    fn tail(&self) -> u64 {
        self.position.payload()
    }

    /// Free payload bytes as last seen; there may be more.
    #[inline(always)]
    fn free(&self) -> u64 {
        self.capacity - self.tail().wrapping_sub(self.head)
    }

    /// Payload bytes that can be written as things are: free as last seen, and with memory.
    #[inline(always)]
    fn at_hand(&self) -> u64 {
        self.limit.wrapping_sub(self.tail())
    }

    /// Where in an area of this size a record goes, if it is in one piece there and its payload is at
    /// hand.
    #[inline(always)]
    pub(crate) fn piece(&self, area: usize, record: Record) -> Option<Piece> {
        if record.payload as u64 > self.at_hand() {
            cold_path();
            return None;
        }
        self.position.piece(area, record.ring())
    }

    /// Publishes `len` bytes of a stream, which are this piece.
    #[inline(always)]
    pub(crate) fn publish<M: Memory>(&mut self, mem: &M, piece: Piece, len: usize) {
        self.position.publish(mem, Role::Producer, piece, len);
    }

    /// Publishes one record, which is this piece.
    #[inline(always)]
    pub(crate) fn publish_record<M: Memory>(&mut self, mem: &M, piece: Piece, record: Record) {
        self.position
            .publish_record(mem, Role::Producer, piece, record);
    }
}

impl<M: Memory> Producer<M> {
    /// Takes over the writing side where its former owner stopped.
    ///
    /// # Errors
    /// [`Error::Protocol`](crate::Error::Protocol) if the positions are impossible.
    pub fn attach(mem: M, kind: Kind, capacity: usize) -> Result<Self> {
        let (tail, head) = positions(&mem, capacity)?;
        let place = Place {
            position: Position::attach(&mem, Role::Producer, kind, tail),
            head,
            limit: tail,
            reserved: mem.reserved(),
            capacity: capacity as u64,
            broken: None,
        };
        let mut producer = Self { mem, place };
        producer.place.limit = producer.find_limit();
        Ok(producer)
    }

    /// The memory, as a value, and where the producer stands.
    #[inline(always)]
    pub(crate) fn parts(&mut self) -> (M::Local<'_>, &mut Place) {
        (self.mem.local(), &mut self.place)
    }

    /// The memory underneath.
    #[inline(always)]
    pub fn mem(&self) -> &M {
        &self.mem
    }

    /// Payload bytes that this direction holds.
    #[inline(always)]
    pub fn capacity(&self) -> u64 {
        self.place.capacity
    }

    /// Payload bytes ever published.
    pub fn total(&self) -> u64 {
        self.place.tail()
    }

    /// Free payload bytes as last seen; there may be more.
    #[inline(always)]
    pub fn free(&self) -> u64 {
        self.place.free()
    }

    /// Payload bytes that can be written as things are: free as last seen, and with memory.
    #[inline(always)]
    pub fn at_hand(&self) -> u64 {
        self.place.at_hand()
    }

    /// Looks at the head again and returns the free payload bytes.
    ///
    /// # Errors
    /// A violation, now and ever after, if the head went back or beyond the tail.
    #[inline]
    pub fn refresh(&mut self) -> Result<u64, Violation> {
        if let Some(violation) = self.place.broken {
            return Err(violation);
        }
        // ORDERING(space-freed): Acquire; pairs with the Release in
        // `Position::advance`: the consumer has read what we may overwrite now.
        let head = self.mem.load64(Word64::Head, Site::ObserveHead);
        // One comparison: `head` must lie between the last one seen and the tail.
        if head.wrapping_sub(self.place.head) > self.place.tail().wrapping_sub(self.place.head) {
            return Err(self.break_off(Violation::HeadOutOfRange));
        }
        self.place.head = head;
        self.place.limit = self.find_limit();
        Ok(self.free())
    }

    /// Gives memory to what `payload` more bytes need, however they are divided, and to some more
    /// with it.
    ///
    /// Twice what there was, so that a small use takes little and a large one few calls.
    ///
    /// # Errors
    /// What the system refused. What there was before is still there.
    #[cold]
    pub fn reserve(&mut self, payload: u64) -> Result<()> {
        let area = self.mem.area();
        let needed = (payload * self.ring_per_payload())
            .min((area - self.place.position.offset()) as u64) as usize;
        // What does not end within the area goes on at its beginning, which has memory by then.
        let least = self.place.position.offset() + needed;
        let ample = (self.place.reserved + self.place.reserved.min(MOST_AHEAD)).clamp(least, area);
        let reserve = |to| self.mem.reserve(self.place.reserved, to);
        self.place.reserved = reserve(ample).or_else(|_| reserve(least))?;
        self.place.limit = self.find_limit();
        Ok(())
    }

    fn find_limit(&self) -> u64 {
        let area = self.mem.area();
        let mut at_hand = self.free();
        if self.place.reserved < area {
            let backed = self
                .place
                .reserved
                .saturating_sub(self.place.position.offset()) as u64;
            at_hand = at_hand.min(backed / self.ring_per_payload());
        }
        self.place.tail().wrapping_add(at_hand)
    }

    /// Ring bytes that a byte of payload may need at most, prefixes included.
    fn ring_per_payload(&self) -> u64 {
        self.mem.area() as u64 / self.place.capacity
    }

    /// Makes this side useless: no space, and `refresh` reports why.
    #[cold]
    fn break_off(&mut self, violation: Violation) -> Violation {
        self.place.broken = Some(violation);
        self.place.head = self.place.tail().wrapping_sub(self.place.capacity);
        self.place.limit = self.place.tail();
        violation
    }

    /// Copies `src` behind the tail, `at` ring bytes further on.
    ///
    /// The caller has seen that much space; the wrap is handled here.
    #[inline(always)]
    pub fn copy_in(&self, at: usize, src: &[u8]) {
        let (start, first) = split(
            self.mem.area(),
            self.place.position.offset() + at,
            src.len(),
        );
        if first == src.len() {
            self.mem.copy_in(start, src);
        } else {
            self.mem.copy_in(start, &src[..first]);
            self.mem.copy_in(0, &src[first..]);
        }
    }

    /// Copies bytes that were written but not published back to `dst`.
    pub fn copy_back(&self, at: usize, dst: &mut [u8]) {
        let (start, first) = split(
            self.mem.area(),
            self.place.position.offset() + at,
            dst.len(),
        );
        let (before, after) = dst.split_at_mut(first);
        self.mem.copy_out(start, before);
        self.mem.copy_out(0, after);
    }

    /// The two ranges of the area that `len` ring bytes occupy behind the tail,
    /// `at` ring bytes further on, each as offset and length.
    pub fn ranges(&self, at: usize, len: usize) -> [(usize, usize); 2] {
        let (start, first) = split(self.mem.area(), self.place.position.offset() + at, len);
        [(start, first), (0, len - first)]
    }

    /// Publishes `len` bytes of a stream.
    #[inline(always)]
    pub fn publish(&mut self, len: usize) {
        let position = &mut self.place.position;
        position.publish_all(&self.mem, Role::Producer, len);
    }

    /// Publishes one record.
    #[inline(always)]
    pub fn publish_record(&mut self, record: Record) {
        let position = &mut self.place.position;
        position.publish_whole_record(&self.mem, Role::Producer, record);
    }
}

//! The reading side of a ring.

use std::hint::cold_path;

use super::position::{Piece, Position};
use super::record::{self, First, MAX_PREFIX, Prefix, Record};
use super::{positions, split};
use crate::error::{Result, Violation};
use crate::layout::Kind;
use crate::mem::{Memory, Role, Site, Word64};

/// How many ring bytes ahead of a read the cache line is fetched that a later one needs: what is
/// between two misses of the cache is otherwise so much that they come one after the other. Measured
/// with messages of 8 and of 64 bytes: 80 and 75 million a second without, 112 and 133 with 128 bytes, 118
/// and 120 with 256, 105 and 110 with 512.
const AHEAD: usize = 128;

/// Payload bytes that are few to have come since the last look.
const FEW: u64 = 4 << 10;
/// Looks in a row that show few more bytes before the consumer is on the heels of the producer.
const HEELS: u32 = 8;

/// The reading side of a ring: data, bytes, release.
#[derive(Debug)]
pub struct Consumer<M> {
    mem: M,
    place: Place,
}

/// Where a consumer stands. Apart from the memory, for calls that hold both at once.
#[derive(Debug)]
pub(crate) struct Place {
    /// The head.
    position: Position,
    /// Payload bytes published, as last seen; may be too small.
    tail: u64,
    /// Payload bytes that may be queued for a tail to be taken as it is: the capacity, or none
    /// where there is more to be looked at.
    plausible: u64,
    /// Looks in a row that have shown few more bytes, and some.
    short_looks: u32,
    capacity: u64,
    broken: Option<Violation>,
}

impl Place {
    /// Payload bytes consumed.
    #[inline(always)]
    fn head(&self) -> u64 {
        self.position.payload()
    }

    /// Queued payload bytes as last seen; there may be more.
    #[inline(always)]
    pub(crate) fn queued(&self) -> u64 {
        self.tail.wrapping_sub(self.head())
    }

    /// Whether `most` payload bytes are queued. If not, [`queued`](Self::queued) shows how many are. Of an
    /// impossible tail, and where there is more to be looked at than the tail, or it should be looked at
    /// [later](Consumer::is_on_heels), [`refresh`](Consumer::refresh) tells.
    #[inline(always)]
    pub(crate) fn has<M: Memory>(&mut self, mem: &M, most: u64) -> bool {
        let known = self.queued();
        if known >= most {
            return true;
        }
        if self.plausible == 0 || self.short_looks == HEELS {
            cold_path();
            return false;
        }
        // The bytes come with the tail, not after it: a round trip of 64 bytes takes 170 ns instead of 210,
        // and one cache line back and forth 140. It takes a line away from a producer that is about to
        // write there, which has to have the tail back anyway; streams go as fast as without.
        mem.prefetch_to_read(self.position.offset());
        // ORDERING(data-published): Acquire; as in `Consumer::refresh`.
        let tail = mem.load64(Word64::Tail, Site::ObserveTail);
        let queued = tail.wrapping_sub(self.head());
        // With more than was known the tail has not gone back.
        if queued >= most && queued <= self.plausible {
            self.tail = tail;
            self.short_looks = if queued < FEW {
                self.short_looks + 1
            } else {
                0
            };
            return true;
        }
        self.short_looks = 0;
        if queued != known {
            self.look_closer(tail);
        }
        false
    }

    /// With a tail that shows less than was looked for.
    #[inline(never)]
    fn look_closer(&mut self, tail: u64) {
        // A violation is remembered.
        let _ = self.take(tail);
    }

    /// Takes note of a tail.
    ///
    /// # Errors
    /// A violation if it went back or is further ahead than the capacity.
    #[inline(always)]
    fn take(&mut self, tail: u64) -> Result<(), Violation> {
        // One comparison: it must lie between the last one seen and a full ring.
        if tail.wrapping_sub(self.tail) > self.capacity - self.queued() {
            return Err(self.break_off(Violation::TailOutOfRange));
        }
        self.tail = tail;
        Ok(())
    }

    /// Makes this side useless: no data, and `refresh` reports why.
    #[cold]
    fn break_off(&mut self, violation: Violation) -> Violation {
        self.broken = Some(violation);
        self.plausible = 0;
        self.tail = self.head();
        violation
    }

    /// Fetches the cache line that a later read needs, if it was published. An earlier look at one
    /// that is still being written would take it away from the producer.
    #[inline(always)]
    pub(crate) fn prefetch<M: Memory>(&self, mem: &M) {
        if self.queued() >= 2 * AHEAD as u64 {
            mem.prefetch_to_read(self.position.offset() + AHEAD);
        }
    }

    /// The next `len` bytes of a stream as a record without a prefix, and where they are, if they are
    /// in one piece.
    #[inline(always)]
    pub(crate) fn bytes_in_one_piece<M: Memory>(
        &self,
        mem: &M,
        len: usize,
    ) -> Option<(Record, Piece)> {
        let piece = self.position.piece(mem.area(), len)?;
        let (prefix, payload) = (0, len);
        Some((Record { prefix, payload }, piece))
    }

    /// The first record, of which something is queued, and where it is, if it is in one piece.
    /// [`record`](Consumer::record) reads any other, and tells what is wrong.
    ///
    /// Most have the length of the buffer that they are read to, `usual`.
    #[inline(always)]
    pub(crate) fn record_in_one_piece<M: Memory>(
        &self,
        mem: &M,
        usual: usize,
    ) -> Option<(Record, Piece)> {
        if let Some(prefix) = Prefix::short(usual)
            && let Some(piece) = self.position.piece(mem.area(), prefix.len() + usual)
            && usual as u64 <= self.queued()
        {
            let mut first = [0];
            mem.copy_out(piece.at, &mut first);
            if first == prefix {
                let (prefix, payload) = (prefix.len(), usual);
                return Some((Record { prefix, payload }, piece));
            }
        }
        self.unusual_record(mem.local())
    }

    /// With the memory as a value, as otherwise it would be put in memory for this.
    #[inline(never)]
    fn unusual_record(&self, mem: impl Memory) -> Option<(Record, Piece)> {
        let area = mem.area();
        let piece = self.position.piece(area, 1)?;
        let mut first = [0];
        mem.copy_out(piece.at, &mut first);
        let record = match record::parse_first(first[0], self.queued()).ok()? {
            First::Short(payload) => Record { prefix: 1, payload },
            First::Long => {
                let mut rest = [0; MAX_PREFIX - 1];
                let at = super::piece(area, piece.at + 1, rest.len())?;
                mem.copy_out(at, &mut rest);
                let payload = record::parse_long(rest, self.queued()).ok()?;
                let prefix = MAX_PREFIX;
                Record { prefix, payload }
            }
        };
        Some((record, self.position.piece(area, record.ring())?))
    }

    /// Gives `len` bytes of a stream, which are this piece, back to the producer.
    #[inline(always)]
    pub(crate) fn publish<M: Memory>(&mut self, mem: &M, piece: Piece, len: usize) {
        self.position.publish(mem, Role::Consumer, piece, len);
    }

    /// Gives the first record, which is this piece, back to the producer.
    #[inline(always)]
    pub(crate) fn publish_record<M: Memory>(&mut self, mem: &M, piece: Piece, record: Record) {
        self.position
            .publish_record(mem, Role::Consumer, piece, record);
    }
}

impl<M: Memory> Consumer<M> {
    /// Takes over the reading side where its former owner stopped.
    ///
    /// # Errors
    /// [`Error::Protocol`](crate::Error::Protocol) if the positions are impossible.
    pub fn attach(mem: M, kind: Kind, capacity: usize) -> Result<Self> {
        let (tail, head) = positions(&mem, capacity)?;
        let place = Place {
            position: Position::attach(&mem, Role::Consumer, kind, head),
            tail,
            plausible: capacity as u64,
            short_looks: 0,
            capacity: capacity as u64,
            broken: None,
        };
        Ok(Self { mem, place })
    }

    /// The memory, as a value, and where the consumer stands.
    #[inline(always)]
    pub(crate) fn parts(&mut self) -> (M::Local<'_>, &mut Place) {
        (self.mem.local(), &mut self.place)
    }

    /// Has no tail taken as it is from here on, or any again.
    pub(crate) fn set_careful(&mut self, careful: bool) {
        let broken = self.place.broken.is_some();
        self.place.plausible = if careful || broken {
            0
        } else {
            self.place.capacity
        };
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

    /// Payload bytes ever consumed.
    pub fn total(&self) -> u64 {
        self.place.head()
    }

    /// Queued payload bytes as last seen; there may be more.
    #[inline(always)]
    pub fn queued(&self) -> u64 {
        self.place.queued()
    }

    /// Whether the last look found nothing queued, and there is no more to be looked at.
    #[inline(always)]
    pub fn is_known_empty(&self) -> bool {
        self.place.queued() == 0 && self.place.plausible != 0 && self.place.short_looks == 0
    }

    /// Whether this end reads a few bytes each time as soon as they come, and they come all the time. Each
    /// look takes the tail, and a line of bytes, away from the producer. After a while a look would show
    /// more: the next one is a [`refresh`](Self::refresh), whenever it comes.
    #[inline(always)]
    pub fn is_on_heels(&self) -> bool {
        self.place.short_looks == HEELS
    }

    /// Looks at the tail again and returns the queued payload bytes.
    ///
    /// # Errors
    /// A violation, now and ever after, if the tail went back or is further
    /// ahead than the capacity.
    #[inline]
    pub fn refresh(&mut self) -> Result<u64, Violation> {
        if let Some(violation) = self.place.broken {
            return Err(violation);
        }
        // ORDERING(data-published): Acquire; pairs with the Release in
        // `Producer::publish`: the bytes before this tail are visible.
        let tail = self.mem.load64(Word64::Tail, Site::ObserveTail);
        self.place.take(tail)?;
        // This was the look that came later; if the next one is short again, so will be the one after.
        self.place.short_looks = self.place.short_looks.min(HEELS - 1);
        Ok(self.queued())
    }

    /// Queued payload bytes as last seen, for whoever knows that no more will come.
    ///
    /// # Errors
    /// The violation, if there was one, as [`refresh`](Self::refresh).
    pub fn seen(&self) -> Result<u64, Violation> {
        match self.place.broken {
            Some(violation) => Err(violation),
            None => Ok(self.queued()),
        }
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
            Err(violation) => Err(self.place.break_off(violation)),
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
            Err(violation) => Err(self.place.break_off(violation)),
        }
    }

    /// Copies bytes from behind the head, `at` ring bytes further on, to `dst`.
    ///
    /// The caller has seen that much data; the wrap is handled here.
    #[inline(always)]
    pub fn copy_out(&self, at: usize, dst: &mut [u8]) {
        let (start, first) = split(
            self.mem.area(),
            self.place.position.offset() + at,
            dst.len(),
        );
        if first == dst.len() {
            self.mem.copy_out(start, dst);
        } else {
            let (before, after) = dst.split_at_mut(first);
            self.mem.copy_out(start, before);
            self.mem.copy_out(0, after);
        }
    }

    /// The two ranges of the area that `len` ring bytes occupy behind the head,
    /// `at` ring bytes further on, each as offset and length.
    pub fn ranges(&self, at: usize, len: usize) -> [(usize, usize); 2] {
        let (start, first) = split(self.mem.area(), self.place.position.offset() + at, len);
        [(start, first), (0, len - first)]
    }

    /// Gives `len` bytes of a stream back to the producer.
    #[inline(always)]
    pub fn publish(&mut self, len: usize) {
        let position = &mut self.place.position;
        position.publish_all(&self.mem, Role::Consumer, len);
    }

    /// Gives the first record back to the producer.
    #[inline(always)]
    pub fn publish_record(&mut self, record: Record) {
        let position = &mut self.place.position;
        position.publish_whole_record(&self.mem, Role::Consumer, record);
    }
}

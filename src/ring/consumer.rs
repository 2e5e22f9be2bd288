//! The reading side of a ring.

use std::hint::cold_path;

use super::position::{Piece, Position};
use super::record::{self, First, MAX_PREFIX, Prefix, Record};
use super::{positions, split};
use crate::error::{Result, Violation};
use crate::layout::Kind;
use crate::mem::{Memory, Role, Site, Word64};

/// How many ring bytes ahead of a read the cache line is fetched that a later one needs, if it was published
/// (earlier it would be taken away from the producer): what is
/// between two misses of the cache is otherwise so much that they come one after the other. Measured
/// with messages of 8 and of 64 bytes: 80 and 75 million a second without, 112 and 133 with 128 bytes, 118
/// and 120 with 256, 105 and 110 with 512.
const AHEAD: usize = 128;

/// Payload bytes that are few to have come since the last look.
const FEW: u64 = 4 << 10;
/// Looks in a row, each of which shows a few more bytes, before the consumer may be on the heels of the
/// producer; at first and at most.
const HEELS: [u32; 2] = [8, 1 << 16];

/// The reading side of a ring: data, bytes, release.
#[derive(Debug)]
pub struct Consumer<M> {
    mem: M,
    place: Place,
    /// Whether there is more to be looked at than the tail.
    is_careful: bool,
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
    /// Looks that are left until those in a row, `looks`, are counted; and the head when they last were.
    looks_left: u32,
    looks: u32,
    counted_from: u64,
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

    /// Queued payload bytes, if there are `least` or more. If not, [`seen_short`](Consumer::seen_short) shows
    /// how many there are. Of an impossible tail, and where there is more to be looked at than the tail, or it
    /// should be looked at [later](Consumer::is_on_heels), [`refresh`](Consumer::refresh) tells.
    ///
    /// In here nothing is called, so that a caller needs to save no registers.
    #[inline(always)]
    pub(crate) fn look<M: Memory>(&mut self, mem: &M, least: u64) -> Option<u64> {
        // As values, which a load that acquires does not have loaded again.
        let (head, known) = (self.head(), self.queued());
        if known >= least {
            if known >= 2 * AHEAD as u64 {
                mem.prefetch_to_read(self.position.offset() + AHEAD);
            }
            return Some(known);
        }
        if self.plausible == 0 {
            cold_path();
            return None;
        }
        // The bytes come with the tail, not after it: a round trip of 64 bytes takes 170 ns instead of 210,
        // and one cache line back and forth 140. It takes a line away from a producer that is about to
        // write there, which has to have the tail back anyway; streams go as fast as without.
        mem.prefetch_to_read(self.position.offset());
        // ORDERING(data-published): Acquire; as in `Consumer::refresh`.
        let tail = mem.load64(Word64::Tail, Site::ObserveTail);
        let queued = tail.wrapping_sub(head);
        // Too little or too much, of which a note is taken; a violation is remembered. Two branches: the
        // compiler makes one of the two conditions that takes longer.
        if queued < least {
            cold_path();
            let _ = self.take(tail);
            return None;
        }
        // With more than was known the tail has not gone back.
        if queued > self.plausible {
            cold_path();
            let _ = self.take(tail);
            return None;
        }
        self.tail = tail;
        self.looks_left -= 1;
        if self.looks_left == 0 {
            cold_path();
            self.plausible = 0;
        }
        Some(queued)
    }

    /// After some looks in a row that have shown more bytes: whether those were few.
    #[cold]
    fn looks_were_short(&mut self) -> bool {
        let bytes = self.head().wrapping_sub(self.counted_from);
        self.counted_from = self.head();
        bytes < FEW * u64::from(self.looks)
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
    #[inline(always)]
    fn break_off(&mut self, violation: Violation) -> Violation {
        self.broken = Some(violation);
        self.plausible = 0;
        self.tail = self.head();
        violation
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

    /// The first of the records that so many payload bytes are queued of, and where it is, if it is in one
    /// piece.
    /// [`record`](Consumer::record) reads any other, and tells what is wrong.
    ///
    /// Most have the length of the buffer that they are read to, `usual`.
    #[inline(always)]
    pub(crate) fn record_in_one_piece<M: Memory>(
        &self,
        mem: &M,
        queued: u64,
        usual: usize,
    ) -> Option<(Record, Piece)> {
        if let Some(prefix) = Prefix::short(usual)
            && let Some(piece) = self.position.piece(mem.area(), prefix.len() + usual)
            && usual as u64 <= queued
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
                self.position.piece(area, MAX_PREFIX)?;
                mem.copy_out(piece.at + 1, &mut rest);
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
            looks_left: HEELS[0],
            looks: HEELS[0],
            counted_from: head,
            capacity: capacity as u64,
            broken: None,
        };
        Ok(Self {
            mem,
            place,
            is_careful: false,
        })
    }

    /// The memory, as a value, and where the consumer stands.
    #[inline(always)]
    pub(crate) fn parts(&mut self) -> (M::Local<'_>, &mut Place) {
        (self.mem.local(), &mut self.place)
    }

    /// Has no tail taken as it is from here on, or any again.
    pub(crate) fn set_careful(&mut self, careful: bool) {
        self.is_careful = careful;
        self.set_plausible();
    }

    fn set_plausible(&mut self) {
        let no_look = self.is_careful || self.is_on_heels() || self.place.broken.is_some();
        self.place.plausible = if no_look { 0 } else { self.place.capacity };
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

    /// After a look that showed less than was looked for: queued payload bytes. None if there may be more, as
    /// the look was left to [`refresh`](Self::refresh).
    #[inline(always)]
    pub fn seen_short(&mut self) -> u64 {
        if self.place.looks_left == 0 {
            self.seen_short_after_many();
        } else {
            // A new row.
            self.place.looks_left = self.place.looks;
            self.place.counted_from = self.place.head();
        }
        match self.place.plausible {
            0 => 0,
            _ => self.queued(),
        }
    }

    /// After so many looks in a row that there was no other: if they were not short, there is one now.
    #[cold]
    fn seen_short_after_many(&mut self) {
        if self.place.looks_were_short() {
            return;
        }
        self.place.looks_left = self.place.looks;
        self.set_plausible();
        // Nothing has as many; a violation is remembered.
        let _ = self.place.look(&self.mem, u64::MAX);
    }

    /// Whether the last look found nothing queued, and there is no more to be looked at.
    #[inline(always)]
    pub fn is_known_empty(&self) -> bool {
        self.place.queued() == 0 && self.place.plausible != 0
    }

    /// Whether this end may be on the heels of the producer: it has read a few bytes each time, and whenever
    /// it looked again there were a few more. Each look takes the tail, and a line of bytes, away from the
    /// producer. After a while a look would show more. Until it is [asked](Self::producer_is_writing) every
    /// look is a [`refresh`](Self::refresh).
    #[inline(always)]
    pub fn is_on_heels(&self) -> bool {
        self.place.looks_left == 0
    }

    /// Being on the heels of the producer, if it is writing at this moment: as seen by two looks with a
    /// pause between them. If it is not, this end reads what somebody gives it from time to time,
    /// perhaps the same thread, and is to ask again after twice as many short looks.
    #[cold]
    pub fn producer_is_writing(&mut self, pause: impl FnOnce()) -> bool {
        let look = || self.mem.load64(Word64::Tail, Site::ObserveTail);
        let before = look();
        pause();
        let is_writing = look() != before;
        let place = &mut self.place;
        (place.looks, place.looks_left) = match is_writing {
            // The next short look is the last one again.
            true => (HEELS[0], 1),
            false => {
                let most = (2 * place.looks).min(HEELS[1]);
                (most, most)
            }
        };
        self.set_plausible();
        is_writing
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
        // `Position::advance`: the bytes before this tail are visible.
        let tail = self.mem.load64(Word64::Tail, Site::ObserveTail);
        self.place.take(tail)?;
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

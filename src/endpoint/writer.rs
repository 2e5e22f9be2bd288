//! The producing end of a direction.

use super::check_fits;
use crate::error::{Error, Result};
use crate::layout::Kind;
use crate::mem::{Fence, Memory, Role, Site, Step, Word32, Word64, flags, waiter};
use crate::ring::{Producer, Record};
use crate::wait::{self, Arming, Condition, Deadline, Fencing, Park, Spinner};

/// How many ring bytes ahead of a write the cache line is fetched that a later one goes to. It is
/// in the consumer's cache, and stores wait for it one after the other. Measured with 64-byte messages, where
/// the CPUs are near each other: 79 million a second without, 88 with 256 or 512 bytes, 81 with 1 KiB;
/// where they are far: 20, and 30 to 40.
const AHEAD: usize = 512;

/// The producing end of a direction.
#[derive(Debug)]
pub struct Writer<M> {
    pub(super) ring: Producer<M>,
    fencing: Fencing,
}

impl<M: Park> Writer<M> {
    /// Takes over the producing end where its former owner stopped.
    ///
    /// # Errors
    /// [`Error::Protocol`] if the positions are impossible.
    pub fn attach(mem: M, kind: Kind, capacity: usize) -> Result<Self> {
        let ring = Producer::attach(mem, kind, capacity)?;
        let fencing = Fencing::new(ring.mem());
        Ok(Self { ring, fencing })
    }

    /// The memory underneath.
    pub fn mem(&self) -> &M {
        self.ring.mem()
    }

    /// Payload bytes that this direction holds.
    pub fn capacity(&self) -> u64 {
        self.ring.capacity()
    }

    /// Free payload bytes as last seen; there may be more.
    pub fn free(&self) -> u64 {
        self.ring.free()
    }

    /// Payload bytes ever published.
    pub fn total(&self) -> u64 {
        self.ring.total()
    }

    /// Begins a write of `least` to `most` payload bytes and says how many there
    /// is space for.
    ///
    /// # Errors
    /// In this order: [`Error::PeerClosed`], [`Error::WriteDisabled`],
    /// [`Error::TooLarge`] if `least` exceeds the capacity,
    /// [`Error::WouldBlock`] if less than `least` is free, [`Error::NoMemory`] if it has no memory
    /// yet and the system gives none;
    /// [`Error::Protocol`] if the head is impossible.
    #[inline(always)]
    pub fn begin(&mut self, least: usize, most: usize) -> Result<Grant<'_, M>> {
        let mut at_hand = self.ring.at_hand();
        if at_hand < most as u64 {
            at_hand = self.look_for_space(least, most)?;
        }
        let (grant, refused) = self.mark((most as u64).min(at_hand) as usize);
        match refused {
            0 => Ok(grant),
            flags => Err(grant.refuse(flags)),
        }
    }

    /// Begins a write of `len` bytes of a stream, one at least, to one place, if nothing is known to be in
    /// its way; if something is, [`begin`](Self::begin) tells.
    #[inline(always)]
    pub fn begin_all(&mut self, len: usize) -> Option<Grant<'_, M>> {
        let (prefix, payload) = (0, len);
        let (mem, place) = self.ring.parts();
        let piece = place.piece(mem.area(), Record { prefix, payload });
        if len == 0 || piece.is_none() {
            return None;
        }
        match self.mark(len) {
            (grant, 0) => Some(grant),
            (grant, flags) => {
                grant.refuse(flags);
                None
            }
        }
    }

    /// The write that costs little: of all of `buf` to one place, behind the prefix that makes it a
    /// datagram; without one it is part of a stream. Or says that nothing was written: there may be no
    /// such place, or nobody may write; [`begin`](Self::begin) does it then, or tells why not.
    ///
    /// What a [`Grant`] does step by step, with everything that it needs in registers.
    #[inline(always)]
    pub(super) fn put<const N: usize>(&mut self, prefix: [u8; N], buf: &[u8]) -> bool {
        let record = Record {
            prefix: N,
            payload: buf.len(),
        };
        let (mem, place) = self.ring.parts();
        let Some(piece) = place.piece(mem.area(), record) else {
            return false;
        };
        mem.store32(Word32::Writing, 1, Site::BeginWrite);
        self.fencing.marked(&mem);
        if mem.load32(Word32::ConsumerFlags, Site::CheckFlags) & flags::REFUSED != 0 {
            return self.take_back();
        }
        mem.prefetch_to_write(piece.at + AHEAD);
        mem.copy_in(piece.at, &prefix);
        mem.copy_in(piece.at + N, buf);
        match N {
            0 => place.publish(&mem, piece, buf.len()),
            _ => place.publish_record(&mem, piece, record),
        }
        // ORDERING(write-in-progress): Release; as in `end`.
        mem.store32(Word32::Writing, 0, Site::EndWrite);
        // As in `published`, which is left to the case that there is more to do: one call at the end.
        // ORDERING(arm-then-check): light; as in `Fencing::published`.
        let is_done = !self.fencing.is_full() && {
            mem.light_fence(Fence::PublishThenLook);
            !wait::shows_waiter(&mem, Role::Consumer)
        };
        if !is_done {
            self.published_fully();
        }
        true
    }

    #[cold]
    #[inline(never)]
    fn published_fully(&mut self) {
        self.published();
    }

    /// Ends a write that must not be.
    #[cold]
    #[inline(never)]
    fn take_back(&mut self) -> bool {
        self.end();
        false
    }

    /// Marks that a write is under way, and says which flags refuse it.
    #[inline(always)]
    fn mark(&mut self, len: usize) -> (Grant<'_, M>, u32) {
        self.mem().store32(Word32::Writing, 1, Site::BeginWrite);
        self.fencing.marked(self.mem());
        let flags = self.mem().load32(Word32::ConsumerFlags, Site::CheckFlags);
        (Grant { writer: self, len }, flags & flags::REFUSED)
    }

    /// Whether there is space for `least` payload bytes.
    ///
    /// # Errors
    /// As [`begin`](Self::begin), if there is not.
    #[inline]
    pub fn check_space(&mut self, least: usize) -> Result<()> {
        if self.ring.at_hand() < least as u64 {
            self.look_for_space(least, least)?;
        }
        Ok(())
    }

    /// The slow half of `begin`: as far as is known there is too little.
    #[inline]
    fn look_for_space(&mut self, least: usize, most: usize) -> Result<u64> {
        let free = self.ring.refresh().map_err(Error::Protocol)?;
        if free < least as u64 {
            return Err(self.why_no_space(least));
        }
        let wanted = free.min(most as u64);
        if self.ring.at_hand() < wanted {
            self.reserve(least as u64, wanted)?;
        }
        Ok(self.ring.at_hand())
    }

    /// Gives memory to free space that never had any; to `least` bytes if there is not more.
    #[cold]
    #[inline(never)]
    fn reserve(&mut self, least: u64, wanted: u64) -> Result<()> {
        self.check()?;
        match self.ring.reserve(wanted) {
            Err(_) if self.ring.at_hand() >= least.max(1) => Ok(()),
            Err(_) if least < wanted => self.ring.reserve(least.max(1)),
            result => result,
        }
    }

    #[cold]
    fn why_no_space(&self, least: usize) -> Error {
        let capacity = self.ring.capacity();
        match self.check() {
            Err(error) => error,
            // As in Zircon, a completely full ring is reported before a datagram
            // that can never fit: the caller learns that when there is space.
            Ok(()) if least as u64 > capacity && self.ring.free() > 0 => Error::TooLarge {
                requested: least as u64,
                capacity,
            },
            Ok(()) => Error::WouldBlock,
        }
    }

    /// Whether a write could be accepted at all, space aside.
    ///
    /// # Errors
    /// [`Error::PeerClosed`], else [`Error::WriteDisabled`].
    pub fn check(&self) -> Result<()> {
        match self.mem().load32(Word32::ConsumerFlags, Site::CheckFlags) & flags::REFUSED {
            0 => Ok(()),
            flags => Err(refusal(flags)),
        }
    }

    /// The last part of every write: the mark goes, and who waits is woken.
    #[inline(always)]
    fn end(&mut self) {
        // ORDERING(write-in-progress): Release; pairs with the Acquire in
        // `Reader::no_write_in_progress`: who sees no mark sees this write's tail.
        self.mem().store32(Word32::Writing, 0, Site::EndWrite);
        self.published();
    }

    /// Wakes who waits for what was published.
    #[inline(always)]
    fn published(&mut self) {
        self.fencing.published(self.ring.mem(), Role::Producer);
        if wait::shows_waiter(self.mem(), Role::Consumer) {
            self.wake_consumer();
        }
    }

    /// Wakes the consumer if what it waits for is there, or will never come.
    #[cold]
    fn wake_consumer(&mut self) {
        // A violation shows at the next write; waking for nothing does no harm.
        let free = self.ring.refresh().unwrap_or(0);
        let queued = self.ring.capacity() - free;
        let last = self.mem().performs(Step::WakeAfterDisabledWrite)
            && self.mem().load32(Word32::ConsumerFlags, Site::CheckFlags) & flags::WRITE_DISABLED
                != 0;
        if wait::wake_satisfied(self.mem(), Role::Consumer, queued, last) {
            self.fencing.woke(self.ring.mem(), Role::Producer);
        }
    }

    /// Blocks until `least` payload bytes are free, or writing is over.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::TimedOut`], [`Error::Protocol`], or what the
    /// system refused.
    pub fn wait(&mut self, least: usize, spinner: &mut Spinner, deadline: Deadline) -> Result<()> {
        check_fits(least as u64, self.capacity())?;
        self.block(least as u64, waiter::FUTEX, spinner, deadline)
    }

    /// Blocks until a useful part of `len` payload bytes is free, or writing is over.
    ///
    /// A writer that is let go on at the first free byte is woken for every read;
    /// one that waits for an empty ring leaves the reader idle. A quarter of the
    /// capacity is between; a reader that would sleep meanwhile lets go on at once.
    ///
    /// # Errors
    /// As for [`wait`](Self::wait), but `len` may be of any size.
    pub fn wait_some(
        &mut self,
        len: usize,
        spinner: &mut Spinner,
        deadline: Deadline,
    ) -> Result<()> {
        let want = self.useful_part(len);
        self.block(want, waiter::FUTEX | waiter::SOFT, spinner, deadline)
    }

    fn block(
        &mut self,
        want: u64,
        how: u32,
        spinner: &mut Spinner,
        deadline: Deadline,
    ) -> Result<()> {
        let (mut condition, arming) = self.waiting(want, how);
        wait::block(&mut condition, arming, spinner, deadline)
    }

    /// Arms the doorbell for `least` free payload bytes, unless there are as many
    /// or writing is over. Says whether it armed.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Protocol`], or what the system refused.
    pub fn arm(&mut self, least: usize) -> Result<bool> {
        check_fits(least as u64, self.capacity())?;
        self.arm_doorbell(least as u64, waiter::DOORBELL)
    }

    /// Arms the doorbell for a useful part of `len` free payload bytes, as [`wait_some`](Self::wait_some)
    /// waits for it.
    ///
    /// # Errors
    /// As for [`arm`](Self::arm), but `len` may be of any size.
    pub fn arm_some(&mut self, len: usize) -> Result<bool> {
        let want = self.useful_part(len);
        self.arm_doorbell(want, waiter::DOORBELL | waiter::SOFT)
    }

    fn arm_doorbell(&mut self, want: u64, how: u32) -> Result<bool> {
        let (mut condition, arming) = self.waiting(want, how);
        wait::arm_doorbell(&mut condition, arming)
    }

    fn useful_part(&self, len: usize) -> u64 {
        (len as u64).min(self.ring.capacity() / 4).max(1)
    }

    fn waiting(&mut self, want: u64, how: u32) -> (Space<'_, M>, Arming) {
        let arming = Arming {
            role: Role::Producer,
            how,
            want,
        };
        let condition = Space {
            writer: self,
            want,
            soft: how & waiter::SOFT != 0,
        };
        (condition, arming)
    }
}

/// Why a write is refused with these flags.
fn refusal(flags: u32) -> Error {
    if flags & flags::CLOSED != 0 {
        Error::PeerClosed
    } else {
        // The only other bit.
        Error::WriteDisabled
    }
}

/// "There is space", or writing is over.
struct Space<'a, M> {
    writer: &'a mut Writer<M>,
    want: u64,
    soft: bool,
}

impl<M: Park> Condition for Space<'_, M> {
    type Memory = M;

    fn mem(&self) -> &M {
        self.writer.mem()
    }

    fn holds(&mut self) -> Result<bool> {
        let free = self.writer.ring.refresh().map_err(Error::Protocol)?;
        Ok(free >= self.want
            || self.writer.check().is_err()
            || (self.soft && free > 0 && self.consumer_waits()))
    }
}

impl<M: Park> Space<'_, M> {
    /// Whether the consumer waits as well: then there will be no more space.
    fn consumer_waits(&self) -> bool {
        let mem = self.mem();
        if !mem.performs(Step::RelieveSoftWaiter) {
            return false;
        }
        let bits = mem.load32(Word32::ConsumerWaiter, Site::LookForWaiter);
        let for_signals = bits & waiter::EVENTS != 0
            // Of the bytes queued, or of none at all.
            && mem.load64(Word64::ConsumerEventWant, Site::ReadWant) <= self.writer.capacity();
        bits & waiter::BYTES != 0 || for_signals
    }
}

/// A write that was let in: space that is ours until it is committed or dropped.
///
/// While it lives the consumer is not told that the stream has ended.
#[derive(Debug)]
pub struct Grant<'a, M: Park> {
    writer: &'a mut Writer<M>,
    len: usize,
}

impl<M: Park> Grant<'_, M> {
    /// Payload bytes that may be written.
    #[inline(always)]
    #[allow(
        clippy::len_without_is_empty,
        reason = "a grant for nothing is only asked for on purpose"
    )]
    pub fn len(&self) -> usize {
        self.len
    }

    /// The ring, to copy into.
    #[inline(always)]
    pub fn ring(&self) -> &Producer<M> {
        &self.writer.ring
    }

    /// Publishes the first `len` bytes, as part of a stream.
    #[inline(always)]
    pub fn commit(self, len: usize) {
        debug_assert!(len <= self.len);
        self.finish(|ring| ring.publish(len));
    }

    /// Publishes the first `len` bytes, as part of a stream, and goes on with what is left.
    pub(super) fn commit_part(&mut self, len: usize) {
        debug_assert!(len <= self.len);
        self.len -= len;
        self.writer.ring.publish(len);
        self.writer.published();
    }

    /// Publishes a record that was written out.
    #[inline(always)]
    pub fn commit_record(self, prefix: usize, payload: usize) {
        debug_assert!(payload <= self.len);
        self.finish(|ring| ring.publish_record(Record { prefix, payload }));
    }

    #[inline(always)]
    fn finish(self, publish: impl FnOnce(&mut Producer<M>)) {
        let mut grant = std::mem::ManuallyDrop::new(self);
        publish(&mut grant.writer.ring);
        grant.writer.end();
    }

    /// Gives the write up because of `flags`.
    #[cold]
    #[inline(never)]
    fn refuse(self, flags: u32) -> Error {
        drop(self);
        refusal(flags)
    }
}

/// Nothing was written.
impl<M: Park> Drop for Grant<'_, M> {
    // Compiled into its caller, as otherwise every grant is put in memory for it.
    #[inline(always)]
    fn drop(&mut self) {
        self.writer.end();
    }
}

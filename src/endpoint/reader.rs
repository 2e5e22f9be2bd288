//! The consuming end of a direction.

use super::check_fits;
use crate::error::{Error, Result};
use crate::layout::Kind;
use crate::mem::{Fence, Memory, Role, Site, Step, Word32, flags, waiter};
use crate::ring::Consumer;
use crate::wait::{self, Arming, Condition, Deadline, Fencing, Park, Spinner};

/// Why nothing will ever follow what is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer is closed or gone.
    PeerClosed,
    /// Writing was disabled, by either end.
    WriteDisabled,
}

impl End {
    /// What a read of nothing reports.
    fn error(self) -> Error {
        match self {
            Self::PeerClosed => Error::PeerClosed,
            Self::WriteDisabled => Error::WriteDisabled,
        }
    }
}

/// The consuming end of a direction.
#[derive(Debug)]
pub struct Reader<M> {
    pub(super) ring: Consumer<M>,
    fencing: Fencing,
    /// Once the end is here it stays, whatever the mark says: a refused write that
    /// comes later sets its mark for a moment like any other. With the flags that
    /// it was seen under, since writing can be enabled again.
    end: Option<(End, u32)>,
}

impl<M: Park> Reader<M> {
    /// Takes over the consuming end where its former owner stopped.
    ///
    /// # Errors
    /// [`Error::Protocol`] if the positions are impossible.
    pub fn attach(mem: M, kind: Kind, capacity: usize) -> Result<Self> {
        let ring = Consumer::attach(mem, kind, capacity)?;
        Ok(Self {
            fencing: Fencing::new(ring.mem()),
            ring,
            end: None,
        })
    }

    /// The memory underneath.
    pub fn mem(&self) -> &M {
        self.ring.mem()
    }

    /// The ring, to look into.
    pub fn ring(&self) -> &Consumer<M> {
        &self.ring
    }

    /// Payload bytes that this direction holds.
    pub fn capacity(&self) -> u64 {
        self.ring.capacity()
    }

    /// Payload bytes ever consumed.
    pub fn total(&self) -> u64 {
        self.ring.total()
    }

    /// Queued payload bytes: `most` or more if there are as many, else all.
    ///
    /// # Errors
    /// With nothing queued, in this order: [`Error::PeerClosed`],
    /// [`Error::WriteDisabled`], [`Error::WouldBlock`]; and [`Error::Protocol`]
    /// if the tail is impossible.
    #[inline(always)]
    pub fn available(&mut self, most: usize) -> Result<u64> {
        let queued = self.ring.queued();
        if queued >= most as u64 && queued > 0 {
            return Ok(queued);
        }
        self.look_for_data()
    }

    /// Queued payload bytes, `most` at most, as far as that is seen at once; if there are none,
    /// [`available`](Self::available) tells why.
    #[inline(always)]
    pub fn at_once(&mut self, most: u64) -> u64 {
        let (mem, place) = self.ring.parts();
        match place.look(&mem, most) {
            Some(_) => most,
            None => self.ring.seen_short().min(most),
        }
    }

    /// As [`Consumer::seen_short`].
    #[inline(always)]
    pub(crate) fn seen_short(&mut self) -> u64 {
        self.ring.seen_short()
    }

    /// As [`Consumer::is_on_heels`].
    #[inline(always)]
    pub fn is_on_heels(&self) -> bool {
        self.ring.is_on_heels()
    }

    /// Being on the heels of the producer: whether it is writing, see [`Consumer::producer_is_writing`].
    pub fn producer_is_writing(&mut self, pause: impl FnOnce()) -> bool {
        self.ring.producer_is_writing(pause)
    }

    /// Having seen that nothing is queued: whether that is all there is to say, as nothing has
    /// ended or gone wrong.
    #[inline(always)]
    pub fn is_idle(&self) -> bool {
        let mem = self.ring.mem();
        self.ring.is_known_empty()
            // ORDERING: as in `end`, which finds out the rest.
            && mem.load32(Word32::ProducerFlags, Site::ObserveClosed) & flags::CLOSED == 0
            && mem.load32(Word32::ConsumerFlags, Site::ObserveDisabled) & flags::WRITE_DISABLED == 0
    }

    /// The slow half of `available`: the cached tail says that there is too little.
    #[inline]
    fn look_for_data(&mut self) -> Result<u64> {
        match self.refresh()? {
            0 => self.why_empty(),
            queued => Ok(queued),
        }
    }

    #[inline]
    fn refresh(&mut self) -> Result<u64> {
        let queued = if self.has_ended() {
            // The tail was read after the end was certain: this is all there is.
            self.ring.seen()
        } else {
            self.ring.refresh()
        };
        queued.map_err(Error::Protocol)
    }

    /// Whether the end is here and writing was not enabled since.
    #[inline]
    fn has_ended(&mut self) -> bool {
        match self.end {
            None => false,
            Some((End::PeerClosed, _)) => true,
            Some((End::WriteDisabled, seen)) => {
                if self.mem().performs(Step::CheckEnabled) && seen != self.disposition() {
                    self.set_end(None);
                }
                self.end.is_some()
            }
        }
    }

    /// An end that was seen is to be looked at before any tail.
    fn set_end(&mut self, end: Option<(End, u32)>) {
        self.end = end;
        self.ring.set_careful(end.is_some());
    }

    /// The count of how often writing was disabled and enabled.
    fn disposition(&self) -> u32 {
        // ORDERING: Relaxed; the fence and the mark decide about bytes, see the module.
        self.mem()
            .load32(Word32::ConsumerFlags, Site::ObserveDisabled)
            & !flags::CLOSED
    }

    #[cold]
    fn why_empty(&mut self) -> Result<u64> {
        let end = self.end()?;
        // The end is not here yet if the last look at the tail found more.
        match (self.ring.queued(), end) {
            (0, Some(end)) => Err(end.error()),
            (0, None) => Err(Error::WouldBlock),
            (queued, _) => Ok(queued),
        }
    }

    /// Whether anything can follow what [`Consumer::queued`] shows from now on.
    ///
    /// # Errors
    /// [`Error::Protocol`] if the tail is impossible, or what the fence reports.
    pub fn end(&mut self) -> Result<Option<End>> {
        if let Some((End::PeerClosed, _)) = self.end {
            return Ok(Some(End::PeerClosed));
        }
        let mem = self.ring.mem();
        // ORDERING(closed): Acquire; pairs with the Release in `close_end`: the
        // tail that is read next is the last one.
        if mem.load32(Word32::ProducerFlags, Site::ObserveClosed) & flags::CLOSED != 0 {
            if mem.performs(Step::CheckTailAfterClosed) {
                self.refresh()?;
            }
            self.set_end(Some((End::PeerClosed, 0)));
            return Ok(Some(End::PeerClosed));
        }
        if self.has_ended() {
            return Ok(Some(End::WriteDisabled));
        }
        let disposition = self.disposition();
        if disposition & flags::WRITE_DISABLED == 0 || !self.no_write_in_progress()? {
            return Ok(None);
        }
        if self.ring.mem().performs(Step::CheckTailAfterMark) {
            self.refresh()?;
        }
        self.set_end(Some((End::WriteDisabled, disposition)));
        Ok(Some(End::WriteDisabled))
    }

    /// Having seen that writing is disabled: whether the last write that was let
    /// in is over.
    fn no_write_in_progress(&self) -> Result<bool> {
        let mem = self.ring.mem();
        if !mem.performs(Step::CheckMark) {
            return Ok(true);
        }
        // ORDERING(mark-then-check): heavy; pairs with the light fence in `Fencing::marked`.
        mem.heavy_fence(Fence::DisableThenCheckMark)?;
        // ORDERING(write-in-progress): Acquire; pairs with the Release in
        // `Writer::end` and `Writer::put`: without a mark, the write's tail is visible.
        Ok(mem.load32(Word32::Writing, Site::ObserveWrite) == 0)
    }

    /// The last part of every read that freed space: a producer that waits for it
    /// is woken.
    #[inline(always)]
    pub(super) fn freed(&mut self) {
        self.fencing.published(self.ring.mem(), Role::Consumer);
        if wait::shows_waiter(self.mem(), Role::Producer) {
            self.wake_producer();
        }
    }

    #[cold]
    #[inline(never)]
    fn freed_fully(&mut self) {
        self.freed();
    }

    /// Takes all of `buf` out of a stream, or the first datagram if it fits there, from one place.
    /// `None`, and nothing was taken, if that cannot be.
    ///
    /// What [`freed`](Self::freed) and others do, with everything that it needs in registers. (With a
    /// closure for what depends on the kind, the compiler left that out of line, where it did not know the
    /// length of `buf`: 57 instead of 140 million datagrams of 8 bytes a second.)
    #[inline(always)]
    pub(super) fn take(&mut self, kind: Kind, buf: &mut [u8]) -> Option<usize> {
        let (mem, place) = self.ring.parts();
        let least = match kind {
            Kind::Stream => buf.len() as u64,
            Kind::Datagram => 1,
        };
        let queued = place.look(&mem, least)?;
        let (record, piece) = match kind {
            Kind::Stream => place.bytes_in_one_piece(&mem, buf.len())?,
            Kind::Datagram => place.record_in_one_piece(&mem, queued, buf.len())?,
        };
        let (at, len) = (piece.at + record.prefix, record.payload);
        // By itself, as a buffer's length is often a constant, and its copy then one of registers.
        if len == buf.len() {
            mem.copy_out(at, buf);
        } else {
            mem.copy_out(at, buf.get_mut(..len)?);
        }
        match kind {
            Kind::Stream => place.publish(&mem, piece, len),
            Kind::Datagram => place.publish_record(&mem, piece, record),
        }
        // As in `freed`, which is left to the case that there is more to do: one call at the end.
        // ORDERING(arm-then-check): light; as in `Fencing::published`.
        let is_done = !self.fencing.is_full() && {
            mem.light_fence(Fence::PublishThenLook);
            !wait::shows_waiter(&mem, Role::Producer)
        };
        if !is_done {
            self.freed_fully();
        }
        Some(len)
    }

    /// Wakes the producer if the space that it waits for is there.
    #[cold]
    fn wake_producer(&mut self) {
        // A violation shows at the next read; waking for nothing does no harm.
        let queued = self.refresh().unwrap_or(0);
        let free = self.ring.capacity() - queued;
        if wait::wake_satisfied(self.mem(), Role::Producer, free, false) {
            self.fencing.woke(self.ring.mem(), Role::Consumer);
        }
    }

    /// Blocks until `least` payload bytes are queued, or no more will be.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::TimedOut`], [`Error::Protocol`], or what the
    /// system refused.
    pub fn wait(&mut self, least: usize, spinner: &mut Spinner, deadline: Deadline) -> Result<()> {
        let want = least as u64;
        check_fits(want, self.capacity())?;
        let mut condition = Data { reader: self, want };
        wait::block(
            &mut condition,
            arming(waiter::FUTEX, want),
            spinner,
            deadline,
        )
    }

    /// Arms the doorbell for `least` queued payload bytes, unless there are as
    /// many or no more will be. Says whether it armed.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Protocol`], or what the system refused.
    pub fn arm(&mut self, least: usize) -> Result<bool> {
        let want = least as u64;
        check_fits(want, self.capacity())?;
        let mut condition = Data { reader: self, want };
        wait::arm_doorbell(&mut condition, arming(waiter::DOORBELL, want))
    }
}

fn arming(how: u32, want: u64) -> Arming {
    Arming {
        role: Role::Consumer,
        how,
        want,
    }
}

/// "There is data", or there will be no more.
struct Data<'a, M> {
    reader: &'a mut Reader<M>,
    want: u64,
}

impl<M: Park> Condition for Data<'_, M> {
    type Memory = M;

    fn mem(&self) -> &M {
        self.reader.mem()
    }

    fn holds(&mut self) -> Result<bool> {
        Ok(self.reader.refresh()? >= self.want
            || self.reader.end()?.is_some()
            // The look at the end may have found the rest.
            || self.reader.ring.queued() >= self.want)
    }

    /// A producer that sleeps on a preference must not wait for us to read.
    fn before_sleep(&mut self) {
        if self.reader.ring.queued() < self.reader.ring.capacity() {
            wait::relieve(self.reader.mem());
        }
    }
}

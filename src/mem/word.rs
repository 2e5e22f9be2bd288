//! The words of a direction that both ends share, by name, and what their bits mean.

use crate::layout::word;

/// The 64-bit words of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word64 {
    /// Payload bytes ever published, written by the producer.
    Tail,
    /// Where in the area the next record goes, written by the producer.
    TailCursor,
    /// Payload bytes ever consumed, written by the consumer.
    Head,
    /// Where in the area the next record is, written by the consumer.
    HeadCursor,
    /// How many queued bytes the consumer waits for.
    ConsumerWant,
    /// How many free bytes the producer waits for.
    ProducerWant,
    /// From how many queued bytes on those who wait for signals of the consuming
    /// endpoint should look.
    ConsumerEventWant,
    /// From how many free bytes on those who wait for signals of the producing
    /// endpoint should look.
    ProducerEventWant,
    /// The [`stored`] signals of the consuming endpoint, set by either side.
    Signals,
    /// The read threshold of the consuming endpoint, written by itself.
    ReadThreshold,
    /// The write threshold of the consuming endpoint, written by itself. It concerns
    /// the other direction, the one that this endpoint produces.
    WriteThreshold,
}

impl Word64 {
    /// Offset within the block of the direction.
    #[inline(always)]
    pub const fn offset(self) -> usize {
        match self {
            Self::Tail => word::TAIL,
            Self::TailCursor => word::TAIL_CURSOR,
            Self::Head => word::HEAD,
            Self::HeadCursor => word::HEAD_CURSOR,
            Self::ConsumerWant => word::CONSUMER_WANT,
            Self::ProducerWant => word::PRODUCER_WANT,
            Self::ConsumerEventWant => word::CONSUMER_EVENT_WANT,
            Self::ProducerEventWant => word::PRODUCER_EVENT_WANT,
            Self::Signals => word::SIGNALS,
            Self::ReadThreshold => word::READ_THRESHOLD,
            Self::WriteThreshold => word::WRITE_THRESHOLD,
        }
    }
}

/// The 32-bit words of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word32 {
    /// The closed bit and the count of dispositions, see [`flags`]; either side changes both.
    ConsumerFlags,
    /// Set of [`waiter`] bits; the consumer's futex.
    ConsumerWaiter,
    /// The closed bit, see [`flags`], set by either side.
    ProducerFlags,
    /// Set of [`waiter`] bits; the producer's futex.
    ProducerWaiter,
    /// 1 while the producer is between its check of the flags and its publication.
    Writing,
    /// Counts what concerns those who wait for signals of the consuming endpoint; their futex.
    Events,
    /// 1 while the consumer's fences are full ones.
    ConsumerAnnounced,
    /// 1 while the producer's fences are full ones.
    ProducerAnnounced,
}

impl Word32 {
    /// Offset within the block of the direction.
    #[inline(always)]
    pub const fn offset(self) -> usize {
        match self {
            Self::ConsumerFlags => word::CONSUMER_FLAGS,
            Self::ConsumerWaiter => word::CONSUMER_WAITER,
            Self::ProducerFlags => word::PRODUCER_FLAGS,
            Self::ProducerWaiter => word::PRODUCER_WAITER,
            Self::Writing => word::WRITING,
            Self::Events => word::EVENTS,
            Self::ConsumerAnnounced => word::CONSUMER_ANNOUNCED,
            Self::ProducerAnnounced => word::PRODUCER_ANNOUNCED,
        }
    }
}

/// Parts of [`Word32::ConsumerFlags`] and [`Word32::ProducerFlags`].
pub mod flags {
    /// The endpoint at this end of the direction is closed.
    pub const CLOSED: u32 = 1;
    /// Writing in this direction is disabled. Only in the consumer's flags,
    /// because the producer reads those on every write.
    ///
    /// This bit and those above it are a count: disabling adds one to an even
    /// count, enabling adds one to an odd one. So whoever remembers the word can tell not
    /// only what holds, but what has happened since.
    pub const WRITE_DISABLED: u32 = 2;
    /// Either of the two, which a producer must see off.
    pub const REFUSED: u32 = CLOSED | WRITE_DISABLED;
}

/// Parts of [`Word64::Signals`].
pub mod stored {
    /// The signals that are on.
    pub const ON: u64 = u32::MAX as u64;
    /// How far above its own bit a signal has one that says: it went on since
    /// somebody of the endpoint's process looked, and perhaps off again.
    pub const RISEN_SHIFT: u32 = u32::BITS;
}

/// Bits of [`Word32::ConsumerWaiter`] and [`Word32::ProducerWaiter`].
pub mod waiter {
    /// A thread sleeps, or is about to, on the futex in this word.
    pub const FUTEX: u32 = 1;
    /// Somebody polls the descriptor and wants a byte through the doorbell.
    pub const DOORBELL: u32 = 2;
    /// The want is a preference: with fewer bytes the waiter can go on too,
    /// and must be let go on rather than have both sides asleep.
    pub const SOFT: u32 = 4;
    /// Threads wait for signals of this endpoint, on the futex in
    /// [`Word32::Events`](super::Word32::Events). In the consumer's word whatever they wait for, in
    /// the producer's if space concerns them. Comes with a want of its own.
    pub const EVENT: u32 = 8;
    /// Somebody who waits for signals wants a byte through the doorbell.
    pub const EVENT_BELL: u32 = 16;

    /// The bits of whoever waits for bytes.
    pub const BYTES: u32 = FUTEX | DOORBELL | SOFT;
    /// The bits of those who wait for signals.
    pub const EVENTS: u32 = EVENT | EVENT_BELL;
}

/// The two ends of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Writes.
    Producer,
    /// Reads.
    Consumer,
}

impl Role {
    /// The word in which this end publishes payload bytes.
    #[inline(always)]
    pub const fn position(self) -> Word64 {
        match self {
            Self::Producer => Word64::Tail,
            Self::Consumer => Word64::Head,
        }
    }

    /// The word in which this end says where in the area it stands.
    #[inline(always)]
    pub const fn cursor(self) -> Word64 {
        match self {
            Self::Producer => Word64::TailCursor,
            Self::Consumer => Word64::HeadCursor,
        }
    }

    /// The word in which this end says how it waits.
    #[inline(always)]
    pub const fn waiter(self) -> Word32 {
        match self {
            Self::Producer => Word32::ProducerWaiter,
            Self::Consumer => Word32::ConsumerWaiter,
        }
    }

    /// The word in which this end says that its fences are full ones.
    #[inline(always)]
    pub const fn announced(self) -> Word32 {
        match self {
            Self::Producer => Word32::ProducerAnnounced,
            Self::Consumer => Word32::ConsumerAnnounced,
        }
    }

    /// The word in which this end says from how many bytes on signals may change.
    #[inline(always)]
    pub const fn event_want(self) -> Word64 {
        match self {
            Self::Producer => Word64::ProducerEventWant,
            Self::Consumer => Word64::ConsumerEventWant,
        }
    }

    /// The word in which this end says what it waits for.
    #[inline(always)]
    pub const fn want(self) -> Word64 {
        match self {
            Self::Producer => Word64::ProducerWant,
            Self::Consumer => Word64::ConsumerWant,
        }
    }

    /// The word that says whether this end is closed.
    #[inline(always)]
    pub const fn flags(self) -> Word32 {
        match self {
            Self::Producer => Word32::ProducerFlags,
            Self::Consumer => Word32::ConsumerFlags,
        }
    }

    /// The other end of the direction.
    #[inline(always)]
    pub const fn peer(self) -> Self {
        match self {
            Self::Producer => Self::Consumer,
            Self::Consumer => Self::Producer,
        }
    }
}

//! The signals of an endpoint, computed from its state.
//!
//! Nothing here is stored twice: who asks gets what positions, flags and thresholds say at
//! that moment. Stored are only the user signals, which mean what both ends agree
//! on, and whether an endpoint without a peer shows as writable; in one word of the endpoint,
//! which either side may change.
//!
//! # What went on and off again
//!
//! A signal that is set and cleared before anybody looks must still end a wait for it.
//! Those that only the own process turns off (data, space, thresholds) it does not turn off
//! behind its own back. Of the others a trace remains: whoever sets a stored signal
//! sets a second bit above it, in the same read-modify-write, until the owner
//! [takes](take_traces) it; and flags count how often writing was disabled
//! and enabled. A [`State`] has both, and [`State::risen_since`] tells.

use super::disposition::ATTEMPTS;
use super::{check_fits, fill};
use crate::error::{Error, Result};
use crate::mem::{Memory, Role, Site, Step, Word32, Word64, flags, stored};
use crate::signals::Signals;

/// What the signals of an endpoint are made of, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Bytes queued for this endpoint.
    pub queued: u64,
    /// Bytes free for this endpoint to write.
    pub free: u64,
    /// Whether the peer is closed.
    pub peer_closed: bool,
    /// How often this endpoint's writes were disabled and enabled.
    own_flags: u32,
    /// The same of the peer's writes.
    peer_flags: u32,
    /// Stored signals.
    stored: Signals,
    /// Stored signals that went on since they were taken last.
    risen: Signals,
    /// The read threshold.
    pub read_threshold: u64,
    /// The write threshold.
    pub write_threshold: u64,
}

impl State {
    /// Looks at the endpoint that writes `outgoing` and reads `incoming`.
    pub fn load<M: Memory>(outgoing: &M, incoming: &M, capacity: u64) -> Self {
        // The end before the positions: who sees the peer closed sees all that it wrote.
        let peer_closed = peer_is_closed(outgoing, incoming);
        // ORDERING(signals-stored): Acquire; pairs with the Release in `change_stored`:
        // what was done before a signal was set shows.
        let stored = incoming.load64(Word64::Signals, Site::ObserveSignals);
        // ORDERING: Relaxed; nothing is read because of them.
        let own_flags = outgoing.load32(Word32::ConsumerFlags, Site::ObserveDisabled);
        let peer_flags = incoming.load32(Word32::ConsumerFlags, Site::ObserveDisabled);
        Self {
            peer_closed,
            own_flags,
            peer_flags,
            stored: on(stored),
            risen: risen(stored),
            read_threshold: read_threshold(incoming, capacity),
            write_threshold: write_threshold(incoming, capacity),
            queued: fill(incoming, capacity).queued,
            free: capacity - fill(outgoing, capacity).queued,
        }
    }

    /// The same state with other bytes queued, seen by whoever reads them.
    #[must_use]
    pub fn with_queued(self, queued: u64) -> Self {
        Self {
            queued,
            risen: Signals::empty(),
            ..self
        }
    }

    /// The same state with other bytes free, seen by whoever writes them.
    #[must_use]
    pub fn with_free(self, free: u64) -> Self {
        Self {
            free,
            risen: Signals::empty(),
            ..self
        }
    }

    /// Whether this endpoint may not write.
    pub fn is_disabled(&self) -> bool {
        self.own_flags & flags::WRITE_DISABLED != 0
    }

    /// The stored signals that went on since they were [taken](take_traces) last.
    pub fn traces(&self) -> Signals {
        self.risen
    }

    /// The signals that are on.
    pub fn signals(&self) -> Signals {
        let own_disabled = self.is_disabled();
        let peer_disabled = self.peer_flags & flags::WRITE_DISABLED != 0;
        let writable = !own_disabled
            && if self.peer_closed {
                self.stored.contains(Signals::WRITABLE)
            } else {
                self.free > 0
            };
        let reached = |threshold, amount| threshold > 0 && amount >= threshold;
        let mut signals = self.stored & Signals::USER_ALL;
        for (signal, is_on) in [
            (Signals::READABLE, self.queued > 0),
            (Signals::WRITABLE, writable),
            (Signals::PEER_CLOSED, self.peer_closed),
            (Signals::WRITE_DISABLED, own_disabled),
            (Signals::PEER_WRITE_DISABLED, peer_disabled),
            (
                Signals::READ_THRESHOLD,
                reached(self.read_threshold, self.queued),
            ),
            (
                Signals::WRITE_THRESHOLD,
                reached(self.write_threshold, self.free),
            ),
        ] {
            signals.set(signal, is_on);
        }
        signals
    }

    /// The signals that have gone on since `before`, the last look of those who
    /// watch this endpoint; some of them may be off again.
    pub fn risen_since(&self, before: &Self) -> Signals {
        let mut risen = self.signals() - before.signals();
        // Of these the trace says more than two looks can.
        risen.remove(Signals::USER_ALL);
        risen |= self.risen & Signals::USER_ALL;
        let own = Changes::between(before.own_flags, self.own_flags);
        let peer = Changes::between(before.peer_flags, self.peer_flags);
        risen.set(Signals::WRITE_DISABLED, own.disabled);
        risen.set(Signals::PEER_WRITE_DISABLED, peer.disabled);
        // Enabled, and with space, if only for a moment.
        let enabled = own.enabled && !self.peer_closed;
        // The space came while the peer lived: only it makes any, and it closes afterwards.
        let was_full = before.free == 0
            && !before.peer_closed
            && before.own_flags & flags::WRITE_DISABLED == 0;
        let writable = self.free > 0 && (enabled || was_full);
        risen.set(
            Signals::WRITABLE,
            writable || risen.contains(Signals::WRITABLE),
        );
        risen
    }
}

/// What happened to a direction's disposition between two looks.
struct Changes {
    disabled: bool,
    enabled: bool,
}

impl Changes {
    fn between(before: u32, now: u32) -> Self {
        let count = |flags: u32| (flags & !flags::CLOSED) / flags::WRITE_DISABLED;
        let times = count(now).wrapping_sub(count(before)) & (u32::MAX >> 1);
        let is_disabled = now & flags::WRITE_DISABLED != 0;
        Self {
            disabled: times > 1 || (times == 1 && is_disabled),
            enabled: times > 1 || (times == 1 && !is_disabled),
        }
    }
}

/// Whether the peer of the endpoint that writes `outgoing` is closed.
pub(super) fn peer_is_closed<M: Memory>(outgoing: &M, incoming: &M) -> bool {
    // A closing peer sets one and then the other; neither is ever taken back.
    super::is_closed(incoming, Role::Producer) || super::is_closed(outgoing, Role::Consumer)
}

/// Bytes queued in a direction, at one moment between call and return.
pub(super) fn queued<M: Memory>(mem: &M) -> u64 {
    // As much as an enemy likes.
    fill(mem, u64::MAX).queued
}

fn on(word: u64) -> Signals {
    Signals::from_bits_retain((word & stored::ON) as u32)
}

fn risen(word: u64) -> Signals {
    Signals::from_bits_retain((word >> stored::RISEN_SHIFT) as u32)
}

/// Clears and sets stored signals of the endpoint that consumes `mem`, at once.
pub fn change_stored<M: Memory>(mem: &M, clear: Signals, set: Signals) {
    for _ in 0..ATTEMPTS {
        let word = mem.load64(Word64::Signals, Site::ObserveSignals);
        let (before, traces) = (on(word), risen(word));
        let after = (before - clear) | set;
        let rises = if mem.performs(Step::RecordRise) {
            after - before
        } else {
            Signals::empty()
        };
        if after == before {
            return;
        }
        let next =
            u64::from(after.bits()) | u64::from((traces | rises).bits()) << stored::RISEN_SHIFT;
        // ORDERING(signals-stored): Release; pairs with the Acquire in `State::load`.
        if mem
            .exchange64(Word64::Signals, word, next, Site::StoreSignals)
            .is_ok()
        {
            return;
        }
    }
}

/// Removes the traces of these signals; they were acted upon.
pub fn take_traces<M: Memory>(mem: &M, risen: Signals) {
    if !risen.is_empty() {
        let bits = u64::from(risen.bits()) << stored::RISEN_SHIFT;
        mem.clear64(Word64::Signals, bits, Site::StoreSignals);
    }
}

/// The read threshold, in bytes; 0 is none.
pub fn read_threshold<M: Memory>(incoming: &M, capacity: u64) -> u64 {
    let bytes = incoming.load64(Word64::ReadThreshold, Site::Threshold);
    bytes.min(capacity)
}

/// The write threshold, in bytes; 0 is none.
pub fn write_threshold<M: Memory>(incoming: &M, capacity: u64) -> u64 {
    let bytes = incoming.load64(Word64::WriteThreshold, Site::Threshold);
    bytes.min(capacity)
}

/// Sets the read threshold; 0 is none.
///
/// # Errors
/// [`Error::TooLarge`] beyond the capacity; the old one stays.
pub fn set_read_threshold<M: Memory>(incoming: &M, bytes: u64, capacity: u64) -> Result<()> {
    check_fits(bytes, capacity)?;
    incoming.store64(Word64::ReadThreshold, bytes, Site::Threshold);
    Ok(())
}

/// Sets the write threshold; 0 is none.
///
/// # Errors
/// [`Error::TooLarge`] beyond the capacity; [`Error::PeerClosed`]; the old one stays.
pub fn set_write_threshold<M: Memory>(
    outgoing: &M,
    incoming: &M,
    bytes: u64,
    capacity: u64,
) -> Result<()> {
    check_fits(bytes, capacity)?;
    if peer_is_closed(outgoing, incoming) {
        return Err(Error::PeerClosed);
    }
    incoming.store64(Word64::WriteThreshold, bytes, Site::Threshold);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: u64 = 100;

    fn empty() -> State {
        State {
            free: CAPACITY,
            ..State::default()
        }
    }

    #[test]
    fn what_goes_on_has_risen_and_what_stays_or_goes_off_has_not() {
        let readable = empty().with_queued(1);
        assert_eq!(readable.risen_since(&empty()), Signals::READABLE);
        assert_eq!(readable.risen_since(&readable), Signals::empty());
        assert_eq!(empty().risen_since(&readable), Signals::empty());
    }

    #[test]
    fn space_that_came_before_the_end_has_risen() {
        let full = State::default();
        let orphaned = State {
            peer_closed: true,
            ..empty()
        };
        let expected = Signals::WRITABLE | Signals::PEER_CLOSED;
        assert_eq!(orphaned.risen_since(&full), expected);
        // No space came: it had been there, or the peer was closed already, or it did not.
        assert_eq!(orphaned.risen_since(&empty()), Signals::PEER_CLOSED);
        let full_orphan = State {
            free: 0,
            ..orphaned
        };
        assert_eq!(orphaned.risen_since(&full_orphan), Signals::empty());
        assert_eq!(full_orphan.risen_since(&full), Signals::PEER_CLOSED);
    }

    #[test]
    fn stored_signals_have_risen_by_their_trace_only() {
        let user = |n: u32| Signals::from_bits_retain(Signals::USER_0.bits() << n);
        // On without a trace: they were, or somebody took the trace. Off with one: a pulse.
        let state = State {
            stored: user(0) | user(1),
            risen: user(1) | user(2),
            ..empty()
        };
        assert_eq!(state.risen_since(&empty()), user(1) | user(2));
        assert_eq!(state.risen_since(&state), user(1) | user(2));
        assert_eq!(state.signals() & Signals::USER_ALL, user(0) | user(1));
    }

    #[test]
    fn stored_bits_that_mean_nothing_show_nowhere() {
        let state = State {
            stored: Signals::from_bits_retain(u32::MAX),
            risen: Signals::from_bits_retain(u32::MAX),
            ..empty()
        };
        let possible = Signals::WRITABLE | Signals::USER_ALL;
        assert_eq!(state.signals(), possible);
        assert_eq!(state.risen_since(&empty()), Signals::USER_ALL);
    }

    #[test]
    fn dispositions_rise_by_their_count_across_its_end() {
        let with = |own_flags, peer_flags| State {
            own_flags,
            peer_flags,
            ..empty()
        };
        let (disabled, enabled) = (Signals::WRITE_DISABLED, Signals::WRITABLE);
        let last = !flags::CLOSED;
        for (before, now, risen) in [
            (0, 0, Signals::empty()),
            (0, 2, disabled),
            (2, 4, enabled),
            (2, 6, disabled | enabled),
            (0, 4, disabled | enabled),
            (last - 2, last, disabled),
            (last, 0, enabled),
            (last, 2, disabled | enabled),
            // The closed bit is none of the count.
            (1, 0, Signals::empty()),
            (2, 3, Signals::empty()),
            (last | 1, 0, enabled),
        ] {
            let own = with(now, 0).risen_since(&with(before, 0));
            assert_eq!(own, risen, "{before:#x} to {now:#x}");
            let peer = with(0, now).risen_since(&with(0, before));
            let peers = Signals::PEER_WRITE_DISABLED;
            assert_eq!(peer.contains(peers), risen.contains(disabled));
            assert!(peers.contains(peer), "{peer:?}");
        }
    }

    #[test]
    fn enabling_makes_writable_only_with_space_and_a_peer() {
        let (before, now) = (2, 4);
        let state = |free, peer_closed, own_flags| State {
            own_flags,
            peer_closed,
            ..empty().with_free(free)
        };
        for (free, closed, rises) in [(1, false, true), (0, false, false), (1, true, false)] {
            let risen = state(free, closed, now).risen_since(&state(free, closed, before));
            assert_eq!(risen.contains(Signals::WRITABLE), rises);
        }
    }

    #[test]
    fn threshold_of_zero_is_none() {
        let full = State {
            queued: CAPACITY,
            ..empty()
        };
        let thresholds = Signals::READ_THRESHOLD | Signals::WRITE_THRESHOLD;
        assert!(!full.signals().intersects(thresholds));
        let reached = State {
            read_threshold: CAPACITY,
            write_threshold: CAPACITY,
            ..full
        };
        assert!(reached.signals().contains(thresholds));
        let missed = reached.with_queued(CAPACITY - 1).with_free(CAPACITY - 1);
        assert!(!missed.signals().intersects(thresholds));
    }
}

//! Waiting for signals of an endpoint as a whole: any number of threads and ports, for
//! any of the things that can happen to it.
//!
//! ```text
//! waiter:  events.load(); wants.store(); waiter.set(EVENT) at both ends; HEAVY FENCE;
//!          signals? ; futex wait on events
//! waker:   publish; LIGHT FENCE; waiter & EVENT == 0 -> done
//!          want reached? -> waiter.clear(EVENT) -> events += 1; futex wake
//! ```
//!
//! It is the handshake of `src/wait`, with three differences. The futex is a count of
//! its own, since what is waited for concerns both directions and so two waiter words; the
//! number is read before anything else, so whatever happens later changes it; and whoever reads a
//! number sees that the bits are gone of which it is the announcement, and does not take itself
//! for armed. The wants say from
//! how many bytes on a signal may change that somebody is interested in; what is not
//! a matter of bytes (closing, dispositions, user signals) needs none. And all who wait for signals of
//! an endpoint live in one process, the one that owns it: they agree on
//! wants and bits among themselves, under a lock of theirs.

use crate::error::Result;
use crate::mem::{Fence, Memory, Role, Site, Step, Word32, waiter};
use crate::signals::Signals;
use crate::wait::{self, Notify};

use super::signals::{State, change_stored};

/// What those who wait for signals of an endpoint are interested in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// [`waiter::EVENT`], [`waiter::EVENT_BELL`], both or none.
    pub how: u32,
    /// From how many queued bytes on.
    pub data: u64,
    /// From how many free bytes on.
    pub space: u64,
}

/// No number of bytes.
pub const NEVER: u64 = u64::MAX;

impl Interest {
    /// Nobody waits.
    pub const NONE: Self = Self {
        how: 0,
        data: NEVER,
        space: NEVER,
    };

    /// Of those who wait in manner `how` for any of `signals`, in this state.
    ///
    /// A signal that is on can only go off by our own doing, and we look again then.
    pub fn new(how: u32, signals: Signals, state: &State) -> Self {
        let mut off = signals - state.signals();
        if state.is_disabled() {
            // Not by any number of bytes.
            off.remove(Signals::WRITABLE);
        }
        let least = |one: Signals, threshold: Signals, bytes: u64| {
            if off.contains(one) {
                1
            } else if off.contains(threshold) && bytes > 0 {
                bytes
            } else {
                NEVER
            }
        };
        Self {
            how,
            data: least(
                Signals::READABLE,
                Signals::READ_THRESHOLD,
                state.read_threshold,
            ),
            space: least(
                Signals::WRITABLE,
                Signals::WRITE_THRESHOLD,
                state.write_threshold,
            ),
        }
    }
}

/// Nobody waits.
impl Default for Interest {
    fn default() -> Self {
        Self::NONE
    }
}

/// How many events there were, to be read before anything else.
pub fn count<M: Memory>(incoming: &M) -> u32 {
    // ORDERING(waiters-taken): Acquire; pairs with the Release in `alert_own`.
    incoming.load32(Word32::Events, Site::CountEvents)
}

/// Says how and for what signals are waited for. Whatever happens from then on
/// is announced, once; what happened before shows in a [`State`] that is loaded now.
///
/// # Errors
/// What the fence reports; the peer may then not see that anybody waits.
pub fn arm<M: Notify>(outgoing: &M, incoming: &M, interest: Interest) -> Result<()> {
    set(incoming, Role::Consumer, interest.data, interest.how);
    let how = if interest.space == NEVER {
        0
    } else {
        interest.how
    };
    set(outgoing, Role::Producer, interest.space, how);
    // ORDERING(arm-then-check): heavy; pairs with the light fence in `wait::is_awaited`.
    incoming.heavy_fence(Fence::ArmThenCheck)
}

/// Before a sleep: a producer that sleeps on a preference must not wait for us to read.
pub fn before_sleep<M: Notify>(incoming: &M, interest: Interest, state: &State, capacity: u64) {
    if interest.data <= capacity && state.queued < capacity {
        wait::relieve(incoming);
    }
}

fn set<M: Memory>(mem: &M, role: Role, want: u64, how: u32) {
    mem.store64(role.event_want(), want, Site::SetWant);
    let others = waiter::EVENTS & !how;
    let before = mem.load32(role.waiter(), Site::LookForWaiter);
    if before & others != 0 {
        mem.clear32(role.waiter(), others, Site::Disarm);
    }
    if before & how != how {
        mem.set32(role.waiter(), how, Site::Arm);
    }
}

/// Whether `interest`, once armed, is still announced: nobody has taken any of it.
pub fn is_armed<M: Memory>(outgoing: &M, incoming: &M, interest: Interest) -> bool {
    let shows = |mem: &M, role: Role| {
        mem.load32(role.waiter(), Site::LookForWaiter) & waiter::EVENTS == interest.how
    };
    shows(incoming, Role::Consumer) && (interest.space == NEVER || shows(outgoing, Role::Producer))
}

/// Nobody waits for signals any more.
pub fn disarm<M: Memory>(outgoing: &M, incoming: &M) {
    for (mem, role) in [(incoming, Role::Consumer), (outgoing, Role::Producer)] {
        mem.clear32(role.waiter(), waiter::EVENTS, Site::Disarm);
    }
}

/// Has those look who wait for signals of the peer, after something changed that is not a matter
/// of bytes.
pub fn alert_peer<M: Notify>(outgoing: &M) {
    // They show in the consumer's word whatever they wait for.
    if wait::is_awaited(outgoing, Role::Consumer) {
        wait::wake_peer(outgoing, Role::Consumer, waiter::EVENTS);
    }
}

/// Has the threads look that wait for signals of the endpoint that consumes `incoming`.
pub fn alert_own<M: Memory>(incoming: &M) {
    // ORDERING(waiters-taken): Release; pairs with the Acquire in `count`. Of our own events,
    // and of those of a peer that is the consumer here.
    incoming.raise32(Word32::Events, Site::RaiseEvents);
    incoming.wake_futex(Word32::Events);
}

/// Clears and sets user signals of the peer.
pub fn signal_peer<M: Notify>(outgoing: &M, clear: Signals, set: Signals) {
    change_stored(outgoing, clear, set);
    if outgoing.performs(Step::WakeAfterSignal) {
        alert_peer(outgoing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing queued, all free, thresholds of 10 and 20.
    fn state() -> State {
        let mut state = State::default().with_free(100);
        state.read_threshold = 10;
        state.write_threshold = 20;
        state
    }

    fn wants(signals: Signals, state: &State) -> (u64, u64) {
        let interest = Interest::new(waiter::EVENT, signals, state);
        assert_eq!(interest.how, waiter::EVENT);
        (interest.data, interest.space)
    }

    #[test]
    fn want_is_the_first_byte_that_turns_a_wanted_signal_on() {
        let full = state().with_free(0);
        let cases = [
            (Signals::READABLE, (1, NEVER)),
            (Signals::READ_THRESHOLD, (10, NEVER)),
            (Signals::READABLE | Signals::READ_THRESHOLD, (1, NEVER)),
            (Signals::WRITABLE, (NEVER, 1)),
            (Signals::WRITE_THRESHOLD, (NEVER, 20)),
            (Signals::READABLE | Signals::WRITE_THRESHOLD, (1, 20)),
            (Signals::USER_ALL | Signals::PEER_CLOSED, (NEVER, NEVER)),
            (Signals::empty(), (NEVER, NEVER)),
            (Signals::from_bits_retain(u32::MAX), (1, 1)),
        ];
        for (signals, expected) in cases {
            assert_eq!(wants(signals, &full), expected, "{signals:?}");
        }
    }

    #[test]
    fn signal_that_is_on_wants_no_bytes() {
        let on = state().with_queued(5);
        assert_eq!(wants(Signals::READABLE, &on), (NEVER, NEVER));
        assert_eq!(wants(Signals::WRITABLE, &on), (NEVER, NEVER));
        // But the one that is still off does.
        let both = Signals::READABLE | Signals::READ_THRESHOLD;
        assert_eq!(wants(both, &on), (10, NEVER));
    }

    #[test]
    fn threshold_of_zero_wants_no_bytes() {
        let mut none = state();
        (none.read_threshold, none.write_threshold) = (0, 0);
        let thresholds = Signals::READ_THRESHOLD | Signals::WRITE_THRESHOLD;
        assert_eq!(wants(thresholds, &none), (NEVER, NEVER));
    }
}

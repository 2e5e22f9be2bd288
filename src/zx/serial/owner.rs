//! The word that says whose lock it is.

/// How many threads can be the owner, one after the other.
pub(super) const SEATS: usize = 4;

/// Below this many bits of an [`Owner`] stands the seat.
const SEAT_BITS: u32 = SEATS.trailing_zeros();

/// Stands where a thread's number would, when there is no owner. No thread has it:
/// they count from one.
const NO_THREAD: u64 = u64::MAX >> SEAT_BITS;

/// Which thread is the owner, if any is, and in which seat it sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner(pub(super) u64);

impl Owner {
    /// Nobody yet: the first to come is.
    pub(super) const NOBODY_YET: Self = Self::new(NO_THREAD, 0);
    /// Nobody any more: all share the lock.
    pub(super) const ALL: Self = Self::new(NO_THREAD, SEATS - 1);

    pub(super) const fn new(thread: u64, seat: usize) -> Self {
        Self(thread << SEAT_BITS | seat as u64)
    }

    /// Whether it is the thread with this number; 0 is nobody's.
    #[inline(always)]
    pub(super) const fn is(self, thread: u64) -> bool {
        self.0 >> SEAT_BITS == thread
    }

    /// In which seat it sits, or none has sat yet.
    #[inline(always)]
    pub(super) const fn seat(self) -> usize {
        self.0 as usize % SEATS
    }

    /// Whether there is an owner.
    pub(super) const fn is_somebody(self) -> bool {
        !self.is(NO_THREAD)
    }

    /// Who is the owner when `thread` comes: itself, if a seat is left.
    pub(super) fn successor(self, thread: u64) -> Self {
        match self {
            Self::ALL => Self::ALL,
            Self::NOBODY_YET => Self::new(thread, 0),
            _ if self.is(thread) => self,
            _ if self.seat() + 1 < SEATS => Self::new(thread, self.seat() + 1),
            _ => Self::ALL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_changes_hands_as_often_as_there_are_seats_and_then_is_for_all() {
        let mut owner = Owner::NOBODY_YET;
        for thread in 1..=SEATS as u64 {
            assert!(!owner.is(thread));
            owner = owner.successor(thread);
            assert!(owner.is(thread) && owner.is_somebody());
            assert_eq!(owner.successor(thread), owner);
        }
        assert_eq!(owner.successor(9), Owner::ALL);
        assert_eq!(Owner::ALL.successor(9), Owner::ALL);
        assert!(!Owner::ALL.is_somebody());
    }

    #[test]
    fn thread_without_a_number_is_never_the_owner() {
        for owner in [Owner::NOBODY_YET, Owner::ALL, Owner::new(1, 0)] {
            assert!(!owner.is(0));
        }
    }
}

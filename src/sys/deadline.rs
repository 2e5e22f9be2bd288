//! One type for "until when".

use std::time::{Duration, Instant};

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

fn read(clock: ClockId) -> TimeSpec {
    clock_gettime(clock).expect("the clock exists")
}

fn since_start(time: TimeSpec) -> Duration {
    Duration::new(time.tv_sec() as u64, time.tv_nsec() as u32)
}

/// The time of a clock, in nanoseconds.
pub(crate) fn now(clock: ClockId) -> i64 {
    let now = read(clock);
    now.tv_sec()
        .saturating_mul(1_000_000_000)
        .saturating_add(now.tv_nsec())
}

/// A point on the monotonic clock, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Option<TimeSpec>);

impl Deadline {
    /// Waits without end.
    pub const NEVER: Self = Self(None);

    /// `timeout` from now on; a time beyond the clock's range is never.
    pub fn after(timeout: Duration) -> Self {
        // The kernel takes seconds up to i64::MAX.
        let end = since_start(read(ClockId::CLOCK_MONOTONIC))
            .checked_add(timeout)
            .filter(|end| i64::try_from(end.as_secs()).is_ok());
        Self(end.map(TimeSpec::from_duration))
    }

    /// The point at `nanos` on the monotonic clock; `i64::MAX` is never.
    pub(crate) fn at(nanos: i64) -> Self {
        match nanos {
            i64::MAX => Self::NEVER,
            // All times before the clock began are alike, and system calls take none of them.
            nanos => Self(Some(TimeSpec::from_duration(Duration::from_nanos(
                nanos.max(0) as u64,
            )))),
        }
    }

    /// How long it is until the point; `None` is without end.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let end = self.0?;
        let now = read(ClockId::CLOCK_MONOTONIC);
        Some(since_start(end).saturating_sub(since_start(now)))
    }

    /// Whether the point lies in the past.
    pub(crate) fn has_passed(&self) -> bool {
        self.0
            .is_some_and(|end| end <= read(ClockId::CLOCK_MONOTONIC))
    }

    /// The point for a system call; `None` is never.
    pub(crate) fn timespec(&self) -> Option<&libc::timespec> {
        self.0.as_ref().map(AsRef::as_ref)
    }
}

/// `None` is never. An instant in the past is a deadline that has passed.
impl From<Option<Instant>> for Deadline {
    fn from(instant: Option<Instant>) -> Self {
        // std's `Instant` is the monotonic clock, but does not show its value.
        instant.map_or(Self::NEVER, |instant| {
            Self::after(instant.saturating_duration_since(Instant::now()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_timeout_is_never() {
        assert_eq!(Deadline::after(Duration::MAX), Deadline::NEVER);
        assert_ne!(Deadline::after(Duration::from_secs(1)), Deadline::NEVER);
    }

    #[test]
    fn past_instant_is_a_deadline() {
        let past = Deadline::from(Some(Instant::now()));
        assert!(past.timespec().is_some());
        assert!(past.has_passed());
        assert!(!Deadline::after(Duration::from_secs(1000)).has_passed());
        assert!(!Deadline::NEVER.has_passed());
    }
}

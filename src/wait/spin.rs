//! Looking again for a while before going to sleep, as long as that pays.
//!
//! A sleep and a wake-up across CPUs cost tens of microseconds, a look costs ten nanoseconds. So a
//! waiter looks for some time before it sleeps, its *budget*, learned from how the last waits ended:
//!
//! - One that ended while looking allows the next twice the time that it took, and a margin. One that
//!   ended between arming and sleeping says the same.
//! - One that ended in a sleep takes half of the budget away. So a peer that is idle, or that
//!   cannot run because we keep its CPU busy, brings it to nothing.
//!
//! That alone has two stable states for a peer that answers at once: both sides look, or both
//! sleep. In the second each answer takes as long as waking the peer and being woken, which is more
//! than any budget that has shrunk. So every so often comes a *trial*: a few waits in a row look for
//! as long as the last sleep lasted. If the peer is one that answers promptly once it
//! is awake, the answers after the first come at once, and both are back in the first state. If
//! not, the next trial comes after twice as many waits. Sleeps that last longer than any wake-up takes
//! lead to no trial.

use std::time::{Duration, Instant};

use super::{Condition, Deadline, Park};
use crate::error::Result;

/// Most time that a wait looks: what one sleep and wake-up across CPUs costs, so a wait costs at
/// most twice the better choice.
const MOST: Duration = Duration::from_micros(25);
/// The budget of a waiter that knows nothing yet.
const FIRST: Duration = Duration::from_micros(10);
/// What is added to twice the time that the last wait took.
const MARGIN: Duration = Duration::from_micros(2);
/// An answer that comes within this time came from a peer that was awake.
const PROMPT: Duration = Duration::from_micros(5);
/// Sleeps that last longer are not due to slow wake-ups. An answer for which both ends sleep takes 80 to
/// 130 us where idle CPUs are slow to wake: with 100 us here, two ends stayed asleep for good.
const WORTH_A_TRIAL: Duration = Duration::from_micros(250);
/// Waits of a trial.
const TRIAL: u16 = 4;
/// Sleeps between two trials, at first and at most.
const GAPS: [u16; 2] = [8, 1024];
/// Waits in a row that are answered at once before a thread offers its CPU to others. Two that keep
/// each other from sleeping keep the CPUs too, for as long as the scheduler lets them; of 4
/// pairs of threads on 2 CPUs the one that was served least made 0.1 % of what it should. Once in so many
/// this costs 0.2 % where there are no others.
const MOST_PROMPT: u16 = 1024;
/// Looks between two readings of the clock.
pub(crate) const LOOKS: u32 = 16;

/// How long to look before sleeping, learned from how the last waits ended.
#[derive(Clone, Copy, Debug)]
pub struct Spinner {
    enabled: bool,
    budget: Nanos,
    /// Waits of a trial that are left, and how long each looks.
    trial: (u16, Nanos),
    /// Sleeps until the next trial, and between it and the one after.
    until_trial: u16,
    gap: u16,
    /// Waits in a row that were answered at once.
    prompt: u16,
}

/// A time of less than a second, kept small as every endpoint has some.
#[derive(Clone, Copy, Debug)]
struct Nanos(u32);

impl Nanos {
    const ZERO: Self = Self(0);

    fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl From<Nanos> for Duration {
    fn from(nanos: Nanos) -> Self {
        Self::from_nanos(nanos.0.into())
    }
}

impl From<Duration> for Nanos {
    fn from(time: Duration) -> Self {
        Self(u32::try_from(time.as_nanos()).unwrap_or(u32::MAX))
    }
}

/// A wait for which looking has ended without success.
#[derive(Debug)]
pub(super) struct Failed {
    start: Instant,
}

impl Spinner {
    /// A spinner that looks before it sleeps.
    pub fn adaptive() -> Self {
        Self {
            enabled: true,
            budget: FIRST.into(),
            trial: (0, Nanos::ZERO),
            until_trial: GAPS[0],
            gap: GAPS[0],
            prompt: 0,
        }
    }

    /// A spinner that lets every wait sleep at once.
    pub fn disabled() -> Self {
        Self {
            enabled: false,
            ..Self::adaptive()
        }
    }

    /// Looks until `condition` holds (then the answer is `None`), the budget is used up, or
    /// `deadline` has passed.
    ///
    /// # Errors
    /// Whatever the condition reports.
    pub(super) fn spin<C: Condition>(
        &mut self,
        condition: &mut C,
        deadline: Deadline,
    ) -> Result<Option<Failed>> {
        let limit = self.limit();
        // The clock is read after the first looks: a prompt answer does not wait for that.
        if !limit.is_zero() && look(condition)? {
            self.answered_at_once();
            return Ok(None);
        }
        let start = Instant::now();
        let mut now = start;
        while now - start < limit && !deadline.has_passed() {
            let found = look(condition)?;
            now = Instant::now();
            if found {
                self.answered(now - start);
                return Ok(None);
            }
        }
        Ok(Some(Failed { start }))
    }

    /// Whether the next wait will look before it sleeps.
    pub(crate) fn expects_an_answer(&self) -> bool {
        self.enabled && (self.trial.0 > 0 || !self.budget.is_zero())
    }

    /// Whether it ever looks.
    pub(super) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// How long the coming wait may look.
    fn limit(&mut self) -> Duration {
        match &mut self.trial {
            (0, _) => self.budget.into(),
            (left, time) => {
                *left -= 1;
                Duration::from(self.budget).max((*time).into())
            }
        }
    }

    /// A wait has ended with the first looks, as most do where two threads are awake.
    #[inline]
    pub(crate) fn answered_at_once(&mut self) {
        if self.trial.0 > 0 || self.gap > GAPS[0] || Duration::from(self.budget) < MARGIN {
            self.answered(Duration::ZERO);
        }
        self.prompt += 1;
        if self.prompt == MOST_PROMPT {
            self.prompt = 0;
            std::thread::yield_now();
        }
    }

    /// A wait has ended while looking.
    fn answered(&mut self, took: Duration) {
        if took <= PROMPT {
            self.gap = GAPS[0];
            self.trial.0 = 0;
        } else if self.budget.is_zero() {
            // In a trial: the peer had to be woken. The next answer shows what that was good for.
            return;
        }
        let due = (2 * took + MARGIN).min(MOST);
        self.budget = Duration::from(self.budget).max(due).into();
    }

    /// A wait has ended after looking had: in a `sleep`, or just before.
    pub(super) fn learn(&mut self, failed: &Failed, slept: bool) {
        let took = failed.start.elapsed();
        if !slept && took <= PROMPT {
            return self.answered(took);
        }
        self.trial.0 = 0;
        self.budget.0 /= 2;
        if Duration::from(self.budget) < Duration::from_micros(1) {
            self.budget = Nanos::ZERO;
        }
        if took <= WORTH_A_TRIAL {
            self.until_trial = self.until_trial.saturating_sub(1);
        }
        if self.until_trial == 0 {
            self.trial = (TRIAL, took.min(WORTH_A_TRIAL).into());
            self.until_trial = self.gap;
            self.gap = (2 * self.gap).min(GAPS[1]);
        }
    }
}

/// Looks a few times.
#[inline]
fn look<C: Condition>(condition: &mut C) -> Result<bool> {
    for _ in 0..LOOKS {
        condition.mem().relax();
        if condition.holds()? {
            return Ok(true);
        }
    }
    Ok(false)
}

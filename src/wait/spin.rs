//! Looking again for a while before going to sleep, as long as that pays.
//!
//! A sleep and a wake-up across CPUs cost tens of microseconds, a look costs
//! tens of nanoseconds. So a waiter looks a number of times before it sleeps.
//! The number is learned from the recent waits: one that ended while looking
//! allows the next at least twice what it took; one that ended in a sleep takes a
//! quarter away. A peer that answers promptly keeps it high. A peer that
//! is idle, or that cannot run because we keep its CPU busy, brings it to
//! nothing; then every so often one wait tries a few looks, to notice a change.

use super::{Condition, Park};
use crate::error::Result;

/// Most looks before a sleep. At 20 to 40 ns each this is about what one sleep
/// and wake-up across CPUs costs, so a wait costs at most twice the better choice.
const MOST: u32 = 1000;
/// Looks of a waiter that knows nothing yet.
const FIRST: u32 = 200;
/// Looks of a waiter that tries whether spinning pays again.
const TRIAL: u32 = 50;
/// How many waits without a look come between two trials.
const BETWEEN_TRIALS: u32 = 16;

/// How often to look before sleeping, learned from how the last waits ended.
#[derive(Clone, Copy, Debug)]
pub struct Spinner {
    budget: u32,
    since_trial: u32,
    enabled: bool,
}

impl Spinner {
    /// A spinner that looks before it sleeps.
    pub fn adaptive() -> Self {
        Self {
            budget: FIRST,
            since_trial: 0,
            enabled: true,
        }
    }

    /// A spinner that lets every wait sleep at once.
    pub fn disabled() -> Self {
        Self {
            budget: 0,
            since_trial: 0,
            enabled: false,
        }
    }

    /// Looks until `condition` holds or the budget is used up; says which.
    ///
    /// # Errors
    /// Whatever the condition reports.
    pub fn spin<C: Condition>(&mut self, condition: &mut C) -> Result<bool> {
        if !self.enabled {
            return Ok(false);
        }
        let budget = self.budget();
        for look in 0..budget {
            condition.mem().relax();
            if condition.holds()? {
                self.budget = self.budget.max((2 * look + TRIAL).min(MOST));
                return Ok(true);
            }
        }
        self.budget = self.budget / 4 * 3;
        Ok(false)
    }

    /// Looks of the coming wait.
    fn budget(&mut self) -> u32 {
        if self.budget >= TRIAL {
            return self.budget;
        }
        self.since_trial += 1;
        if self.since_trial < BETWEEN_TRIALS {
            return 0;
        }
        self.since_trial = 0;
        TRIAL
    }
}

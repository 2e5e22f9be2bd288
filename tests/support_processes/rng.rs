//! Random numbers that a printed seed brings back.

use std::time::{SystemTime, UNIX_EPOCH};

/// Sets the seed of every random choice of a run.
pub(crate) const SEED_VARIABLE: &str = "ZOCKET_SEED";

/// Random choices, the same ones for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Rng(fastrand::Rng);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// A generator for the test of this name; says how to get the same one again.
    pub(crate) fn for_test(name: &str) -> Self {
        let seed = std::env::var(SEED_VARIABLE).map_or_else(
            |_| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                now.expect("the clock is past 1970").as_nanos() as u64
            },
            |seed| seed.parse().expect("the seed is a number"),
        );
        eprintln!("{name}: {SEED_VARIABLE}={seed}");
        Self::new(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// 0 to `end`, without `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.usize(..end)
    }

    /// 1 to `most`, small values as often as large ones.
    pub(crate) fn length(&mut self, most: usize) -> usize {
        let bits = self.below(most.ilog2() as usize + 1) + 1;
        1 + self.below((1 << bits).min(most))
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// One of them, each as often as its weight says.
    pub(crate) fn weighted<T: Copy>(&mut self, from: &[(usize, T)]) -> T {
        let total = from.iter().map(|(weight, _)| weight).sum();
        let mut at = self.below(total);
        for (weight, choice) in from {
            match at.checked_sub(*weight) {
                None => return *choice,
                Some(left) => at = left,
            }
        }
        unreachable!("{at} is below the sum of the weights")
    }

    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Spins for up to `most` turns: a pause too short to be scheduled away.
    pub(crate) fn spin(&mut self, most: usize) {
        for _ in 0..self.below(most + 1) {
            std::hint::spin_loop();
        }
    }
}

//! How much is measured, and for how long: rounds, points, messages.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::plot::{Lines, ONE_CONNECTION};
use crate::contestant::Contestant;
use crate::task::{Job, Sample, Task};

/// How thoroughly something is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) rounds: usize,
    /// How long one value is measured.
    pub(super) target: Duration,
    /// Of the points of a line, one of so many is measured, and the last.
    step: usize,
    /// Bytes that a long stream carries.
    pub(super) longest: u64,
    /// How many such streams there are of each kind.
    pub(super) long_rounds: usize,
}

impl Pace {
    pub(super) const FULL: Self = Self {
        rounds: 5,
        target: Duration::from_millis(60),
        step: 1,
        longest: 32 << 30,
        long_rounds: 3,
    };
    pub(super) const QUICK: Self = Self {
        rounds: 2,
        target: Duration::from_millis(6),
        step: 3,
        // Just beyond what 32 bits count.
        longest: 5 << 30,
        long_rounds: 1,
    };

    /// Those points that are measured.
    pub(super) fn some_of(&self, points: &[usize]) -> Vec<usize> {
        let (last, others) = points.split_last().expect("a line has points");
        let others = others.iter().step_by(self.step);
        others.chain([last]).copied().collect()
    }

    /// Nanoseconds that a call takes which this thread makes by itself.
    pub(super) fn nanos_each(&self, mut call: impl FnMut() -> Result<()>) -> Result<f64> {
        let (start, mut calls) = (Instant::now(), 0);
        while start.elapsed() < self.target {
            // Several, as reading the clock takes its time too.
            for _ in 0..8 {
                call()?;
            }
            calls += 8;
        }
        Ok(start.elapsed().as_nanos() as f64 / f64::from(calls))
    }

    /// The same task, which takes about as long as one value is measured.
    fn calibrated(&self, contestant: &mut dyn Contestant, task: &Task) -> Result<Task> {
        if task.job != Job::OneWay {
            return Ok(task.lasting(self.target));
        }
        let mut task = Task { count: 16, ..*task };
        loop {
            let elapsed = contestant.run(&task)?.elapsed;
            if elapsed >= self.target / 4 {
                let factor = self.target.as_secs_f64() / elapsed.as_secs_f64();
                task.count = (task.count as f64 * factor).ceil() as u64;
                return Ok(task);
            }
            task.count *= 4;
        }
    }

    /// Carries out all runs once in each round.
    pub(super) fn carry_out(
        &self,
        contestants: &mut [Box<dyn Contestant>],
        mut runs: Vec<Run>,
    ) -> Result<Lines> {
        for run in &mut runs {
            let contestant = &mut *contestants[run.contestant];
            verify(contestant, run.task.size, 3)?;
            run.task = self.calibrated(contestant, &run.task)?;
        }
        let mut lines = Lines::default();
        for _ in 0..self.rounds {
            for run in &runs {
                let sample = contestants[run.contestant].run(&run.task)?;
                lines.add(run.line, run.x, run.unit.of(&sample, &run.task)?);
            }
        }
        Ok(lines)
    }

    /// Carries out one task with one contestant, once.
    pub(super) fn once(
        &self,
        contestant: &mut dyn Contestant,
        task: &Task,
        unit: Unit,
    ) -> Result<f64> {
        verify(contestant, task.size, 3)?;
        let task = self.calibrated(contestant, task)?;
        unit.of(&contestant.run(&task)?, &task)
    }
}

/// Sees that messages arrive as they were sent, both ways.
pub(super) fn verify(contestant: &mut dyn Contestant, size: usize, count: u64) -> Result<()> {
    let task = Task {
        job: Job::Verify,
        size,
        count,
        ..ONE_CONNECTION
    };
    let sample = contestant.run(&task)?;
    ensure!(sample.count == count, "of {count} only {}", sample.count);
    Ok(())
}

/// A task whose result is a point of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) line: &'static str,
    pub(super) x: usize,
    /// Which one of the contestants does it.
    pub(super) contestant: usize,
    pub(super) task: Task,
    pub(super) unit: Unit,
}

/// What is shown of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Nanoseconds for each message or round trip.
    Nanos,
    /// Bytes in each nanosecond.
    Gigabytes,
}

impl Unit {
    /// The sample's value, if everything was carried.
    pub(super) fn of(self, sample: &Sample, task: &Task) -> Result<f64> {
        ensure!(
            sample.count == task.count || task.job != Job::OneWay,
            "{} of {} messages were carried",
            sample.count,
            task.count
        );
        let nanos = sample.elapsed.as_nanos() as f64 / sample.count as f64;
        Ok(match self {
            Self::Nanos => nanos,
            Self::Gigabytes => task.size as f64 / nanos,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_pace_skips_points_and_keeps_both_ends() {
        let points = [1, 2, 3, 4, 5, 6];
        assert_eq!(Pace::FULL.some_of(&points), points);
        assert_eq!(Pace::QUICK.some_of(&points), [1, 4, 6]);
        assert_eq!(Pace::QUICK.some_of(&[1]), [1]);
    }

    #[test]
    fn sample_is_shown_by_message_or_by_byte() {
        let task = Task {
            size: 500,
            count: 4,
            ..ONE_CONNECTION
        };
        let sample = Sample {
            elapsed: Duration::from_nanos(1000),
            count: 4,
            ..Sample::default()
        };
        assert_eq!(Unit::Nanos.of(&sample, &task).unwrap(), 250.0);
        assert_eq!(Unit::Gigabytes.of(&sample, &task).unwrap(), 2.0);
    }

    #[test]
    fn sample_with_messages_missing_is_an_error() {
        let task = Task {
            count: 4,
            ..ONE_CONNECTION
        };
        let sample = Sample {
            count: 3,
            ..Sample::default()
        };
        assert!(Unit::Nanos.of(&sample, &task).is_err());
    }
}

//! Carries contests out, round by round.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::contestant::Contestant;
use crate::extra;
use crate::growth;
use crate::machine;
use crate::plan::{self, Contest, Pace, Part};
use crate::results::{Cell, Fact, Results, Round, Series};
use crate::stats::quantile;
use crate::task::{Job, Sample, Setting, Task};
use crate::transports;

/// Measures something; the argument asks to be quick.
type Measure<T> = fn(bool) -> Result<Vec<T>>;

/// What is measured otherwise than in contests.
const FACTS: &[Measure<Fact>] = &[extra::measure];
/// How costs grow.
const SERIES: &[Measure<Series>] = &[growth::measure];

/// Messages of the pass that compares every byte.
const VERIFIED: u64 = 3;

/// What to run.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) parts: Vec<Part>,
    /// Keys of contestants; all if there are none.
    pub(crate) only: Vec<String>,
    pub(crate) pace: Pace,
    pub(crate) quick: bool,
}

/// Measures all that is ordered.
pub(crate) fn all(order: &Order) -> Result<Results> {
    machine::allow_descriptors()?;
    let mut results = Results {
        machine: machine::facts(),
        date: machine::date(),
        command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
        contestants: transports::ALL
            .iter()
            .map(|entry| entry.name.into())
            .collect(),
        ..Results::default()
    };
    let contests = plan::contests(&order.parts, &order.only);
    for (number, contest) in (1..).zip(&contests) {
        eprintln!("{number} of {}: {}", contests.len(), contest.setting);
        results.cells.extend(hold(contest, order.pace)?);
    }
    if order.parts.contains(&Part::Facts) {
        for measure in FACTS {
            results.facts.extend(measure(order.quick)?);
        }
    }
    if order.parts.contains(&Part::Growth) {
        for measure in SERIES {
            results.series.extend(measure(order.quick)?);
        }
    }
    Ok(results)
}

/// Holds one contest. All take part in each round, so that what happens to the machine meanwhile
/// happens to all; who is not on sleeps. Each time another one begins, as the one before leaves its mark.
///
/// Connections are made anew for each round. Where their memory lies decides how far a cache line has to
/// travel: it goes there and back in 100 ns over one connection and in 150 over another, for as long as they live.
pub(crate) fn hold(contest: &Contest, pace: Pace) -> Result<Vec<Cell>> {
    let setting = contest.setting;
    let target = pace.target(setting);
    let cell = |entry: &transports::Entry| Cell {
        key: entry.name.key.to_owned(),
        part: contest.part,
        setting,
        rounds: Vec::new(),
    };
    let mut cells: Vec<Cell> = contest.entries.iter().map(cell).collect();
    for round in 0..pace.rounds {
        let runners = contest.entries.iter().map(|entry| {
            let start = || Runner::start((entry.start)(setting.connections)?, setting, target);
            start().with_context(|| format!("{}: {setting}", entry.name.key))
        });
        let mut runners = runners.collect::<Result<Vec<_>>>()?;
        for turn in 0..runners.len() {
            let number = (round + turn) % runners.len();
            cells[number].rounds.push(runners[number].round()?);
        }
    }
    Ok(cells)
}

/// A contestant in a contest.
struct Runner {
    contestant: Box<dyn Contestant>,
    task: Task,
}

impl Runner {
    /// Sees whether it carries messages as they are, and what it has to do to take its time; what is new is
    /// slow at first.
    fn start(
        mut contestant: Box<dyn Contestant>,
        setting: Setting,
        target: Duration,
    ) -> Result<Self> {
        if plan::does(contestant.name(), Job::Verify) {
            contestant.run(&Task {
                job: Job::Verify,
                ..setting.task(VERIFIED)
            })?;
        }
        let task = match setting.job {
            Job::RoundTrips { .. } => {
                contestant.run(&setting.task(0).lasting(target / 4))?;
                setting.task(0).lasting(target)
            }
            _ => calibrate(contestant.as_mut(), setting, target)?,
        };
        Ok(Self { contestant, task })
    }

    fn round(&mut self) -> Result<Round> {
        let sample = self.contestant.run(&self.task)?;
        Ok(Round::of(&sample, self.task.job))
    }
}

/// How many messages take the time: increases their number until they take a quarter, and goes on from that.
fn calibrate(contestant: &mut dyn Contestant, setting: Setting, target: Duration) -> Result<Task> {
    let mut task = setting.task(few(setting));
    loop {
        let elapsed = least_of_three(contestant, &task, target / 4)?;
        let factor = target.as_secs_f64() / elapsed.as_secs_f64();
        if factor <= 4.0 {
            task.count = (task.count as f64 * factor).ceil() as u64;
            return Ok(task);
        }
        task.count = (task.count as f64 * factor.min(4.0)) as u64;
    }
}

/// What no contestant takes long for, but longer than it takes to wake up the other side.
fn few(setting: Setting) -> u64 {
    (64 << 10) / setting.size.clamp(64, 16 << 10) as u64
}

/// The least time that a task takes, as something else may have had the CPU meanwhile; the first
/// that is less than `enough` does.
fn least_of_three(
    contestant: &mut dyn Contestant,
    task: &Task,
    enough: Duration,
) -> Result<Duration> {
    let mut least = Duration::MAX;
    for _ in 0..3 {
        least = least.min(contestant.run(task)?.elapsed);
        if least < enough {
            break;
        }
    }
    Ok(least)
}

impl Round {
    /// Sums one execution up.
    fn of(sample: &Sample, job: Job) -> Self {
        let count = sample.count as f64;
        let trips: Vec<f64> = sample.trips.iter().copied().map(f64::from).collect();
        let rests = matches!(job, Job::RoundTrips { think } if !think.is_zero());
        let mean = if rests {
            trips.iter().sum::<f64>() / count
        } else {
            sample.elapsed.as_nanos() as f64 / count
        };
        let fewest = sample.per_connection.iter().min().copied();
        let share = count / sample.per_connection.len().max(1) as f64;
        Self {
            count: sample.count,
            mean,
            p50: quantile(&trips, 0.5),
            p99: quantile(&trips, 0.99),
            p999: quantile(&trips, 0.999),
            cpu: sample.usage.cpu.as_nanos() as f64 / count,
            sleeps: sample.usage.sleeps as f64 / count,
            slowest: fewest.unwrap_or(0) as f64 / share,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Usage;

    fn sample() -> Sample {
        Sample {
            elapsed: Duration::from_micros(8),
            count: 4,
            usage: Usage {
                cpu: Duration::from_micros(2),
                sleeps: 6,
            },
            trips: vec![100, 200, 300, 400],
            per_connection: vec![1, 3],
        }
    }

    #[test]
    fn round_sums_up_each_message() {
        let trips = Job::RoundTrips {
            think: Duration::ZERO,
        };
        let round = Round::of(&sample(), trips);
        assert_eq!((round.count, round.mean, round.p50), (4, 2000.0, 250.0));
        assert_eq!((round.cpu, round.sleeps), (500.0, 1.5));
        assert_eq!(round.slowest, 0.5);
    }

    #[test]
    fn mean_of_round_trips_with_rests_leaves_those_out() {
        let think = Duration::from_millis(1);
        let round = Round::of(&sample(), Job::RoundTrips { think });
        assert_eq!(round.mean, 250.0);
    }
}

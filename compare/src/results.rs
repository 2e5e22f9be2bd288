//! What was measured, as it is kept: everything that the tables and plots are made of.

use serde::{Deserialize, Serialize};

use crate::channel::{Class, Name, Waiting};
use crate::plan::Part;
use crate::task::Setting;

/// One run of everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// Lines of the form "CPU: AMD EPYC, 2 of them".
    pub(crate) machine: Vec<(String, String)>,
    /// Of the beginning, in UTC.
    pub(crate) date: String,
    /// The command line that repeats it.
    pub(crate) command: String,
    /// In the order of the tables.
    pub(crate) contestants: Vec<Identity>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) series: Vec<Series>,
}

/// A contestant's name as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) key: String,
    pub(crate) title: String,
    pub(crate) class: Class,
    pub(crate) waiting: Waiting,
}

impl From<Name> for Identity {
    fn from(name: Name) -> Self {
        Self {
            key: name.key.to_owned(),
            title: name.title.to_owned(),
            class: name.class,
            waiting: name.waiting,
        }
    }
}

/// One contestant at one task: all of its rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// The contestant's key.
    pub(crate) key: String,
    pub(crate) part: Part,
    pub(crate) setting: Setting,
    pub(crate) rounds: Vec<Round>,
}

/// One execution of a task, summed up. Times are nanoseconds for each message or round trip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "[f64; 8]", from = "[f64; 8]")]
pub(crate) struct Round {
    /// Messages or round trips.
    pub(crate) count: u64,
    /// Elapsed time through count; of round trips with rests between, without those.
    pub(crate) mean: f64,
    /// Of single round trips; 0 where none are timed.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// CPU time of both processes.
    pub(crate) cpu: f64,
    /// How often one of them slept, for each message or round trip.
    pub(crate) sleeps: f64,
    /// Round trips of the connection that made fewest, through the mean of all.
    pub(crate) slowest: f64,
}

/// As it is kept: in the order of the fields. There are thousands of them, and no measurement is
/// good for more than five digits.
impl From<Round> for [f64; 8] {
    fn from(round: Round) -> Self {
        let Round {
            count,
            mean,
            p50,
            p99,
            p999,
            cpu,
            sleeps,
            slowest,
        } = round;
        let values = [mean, p50, p99, p999, cpu, sleeps, slowest].map(five_digits);
        let [mean, p50, p99, p999, cpu, sleeps, slowest] = values;
        [count as f64, mean, p50, p99, p999, cpu, sleeps, slowest]
    }
}

impl From<[f64; 8]> for Round {
    fn from(values: [f64; 8]) -> Self {
        let [count, mean, p50, p99, p999, cpu, sleeps, slowest] = values;
        Self {
            count: count as u64,
            mean,
            p50,
            p99,
            p999,
            cpu,
            sleeps,
            slowest,
        }
    }
}

fn five_digits(value: f64) -> f64 {
    let text = format!("{value:.4e}");
    text.parse().expect("a number reads back as one")
}

/// Something else that was measured of a contestant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Fact {
    /// "creation", "idle", "threshold"
    pub(crate) topic: String,
    /// The contestant's key, or a name of its own.
    pub(crate) subject: String,
    /// "descriptors per endpoint"
    pub(crate) what: String,
    /// "us", "KiB", "1"
    pub(crate) unit: String,
    /// In each round; one value for what is counted and not timed.
    pub(crate) values: Vec<f64>,
}

/// How something grows: one plot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Series {
    /// The plot's name, which is its file's name too: "capacity".
    pub(crate) topic: String,
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
}

/// What an axis shows, on a logarithmic scale.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Axis {
    /// With the unit.
    pub(crate) label: String,
}

impl Axis {
    pub(crate) fn new(label: &str) -> Self {
        let label = label.to_owned();
        Self { label }
    }
}

/// One line of a plot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    /// Each with the values of all rounds.
    pub(crate) points: Vec<(f64, Vec<f64>)>,
}

/// Results of no run, to test what is made of results.
#[cfg(test)]
pub(crate) mod made_up {
    use super::*;
    use crate::plan;
    use crate::transports::ALL;

    /// All contests. Everyone's round trips take as many microseconds as it has predecessors,
    /// and one more in each round.
    pub(crate) fn results() -> Results {
        Results {
            machine: vec![("Model name".into(), "abacus".into())],
            date: "2026-01-01 00:00 UTC".into(),
            contestants: ALL.iter().map(|entry| entry.name.into()).collect(),
            cells: cells(),
            facts: facts(),
            series: vec![series()],
            ..Results::default()
        }
    }

    fn cells() -> Vec<Cell> {
        let parts = [
            Part::RoundTrips,
            Part::Rests,
            Part::OneWay,
            Part::Made,
            Part::Pairs,
        ];
        let contests = plan::contests(&parts, &[]);
        let cells = contests.iter().flat_map(|contest| {
            contest
                .entries
                .iter()
                .enumerate()
                .map(|(place, entry)| Cell {
                    key: entry.name.key.to_owned(),
                    part: contest.part,
                    setting: contest.setting,
                    rounds: (1..=3)
                        .map(|round| self::round((place + round) as f64))
                        .collect(),
                })
        });
        cells.collect()
    }

    pub(crate) fn round(us: f64) -> Round {
        Round {
            count: 100,
            mean: us * 1e3,
            p50: us * 1e3,
            p99: us * 2e3,
            p999: us * 3e3,
            cpu: us * 1e3,
            sleeps: 1.0,
            slowest: 0.9,
        }
    }

    fn facts() -> Vec<Fact> {
        let fact = |subject: &str, what: &str, unit: &str, values: &[f64]| Fact {
            topic: "creation".into(),
            subject: subject.into(),
            what: what.into(),
            unit: unit.into(),
            values: values.to_vec(),
        };
        vec![
            fact("pipe", "a pair", "us", &[9.0, 8.0, 12.0]),
            fact("pipe", "descriptors", "1", &[4.0]),
            fact("shelf", "a pair", "us", &[1.0]),
        ]
    }

    pub(crate) fn series() -> Series {
        let line = |name: &str, factor: f64| Line {
            name: name.into(),
            points: [4096.0, 65536.0, 1048576.0]
                .map(|x| (x, [1.0, 1.1, 1.3].map(|y| y * factor).to_vec()))
                .to_vec(),
        };
        Series {
            topic: "capacity".into(),
            title: "Throughput by capacity".into(),
            x: Axis::new("capacity, bytes"),
            y: Axis::new("GB/s"),
            lines: vec![
                line("messages of 64 B", 1.0),
                line("messages of 4 KiB", 10.0),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_is_kept_in_five_digits() {
        let round = Round {
            count: 1_234_567,
            mean: 123.456_789,
            ..Round::default()
        };
        let json = serde_json::to_string(&round).unwrap();
        assert_eq!(json, "[1234567.0,123.46,0.0,0.0,0.0,0.0,0.0,0.0]");
        let again: Round = serde_json::from_str(&json).unwrap();
        assert_eq!((again.count, again.mean), (1_234_567, 123.46));
    }

    #[test]
    fn axis_that_also_says_that_it_is_logarithmic_is_read() {
        let axis: Axis = serde_json::from_str(r#"{"label":"us","logarithmic":true}"#).unwrap();
        assert_eq!(axis.label, "us");
    }
}

//! What was measured, as it is kept: everything that the tables and plots are made of.

use serde::{Deserialize, Serialize};

use crate::task::{Job, Placement};

/// One run of everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// Lines of the form "CPU: AMD EPYC, 2 of them".
    pub(crate) machine: Vec<(String, String)>,
    /// Of the beginning, in UTC.
    pub(crate) date: String,
    /// The command line that repeats it.
    pub(crate) command: String,
    pub(crate) cells: Vec<Cell>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) series: Vec<Series>,
}

/// One contestant at one task: all of its rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Cell {
    /// The contestant's key.
    pub(crate) key: String,
    pub(crate) job: Job,
    pub(crate) size: usize,
    pub(crate) connections: usize,
    pub(crate) placement: Placement,
    pub(crate) rounds: Vec<Round>,
}

/// One execution of a task, summed up. Times are nanoseconds for each message or round trip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
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

/// What an axis shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Axis {
    /// With the unit.
    pub(crate) label: String,
    pub(crate) logarithmic: bool,
}

/// One line of a plot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    /// Each with the values of all rounds.
    pub(crate) points: Vec<(f64, Vec<f64>)>,
}

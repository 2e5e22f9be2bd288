//! What both ends do in one measurement, and what they say about it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the two ends do together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Job {
    /// A message there and back, again and again, on each connection by a thread of its own. Between
    /// two the asking end rests for so long.
    RoundTrips { think: Duration },
    /// Messages one way, and one back when all have arrived.
    OneWay,
    /// The same, and each message is made before it is sent.
    OneWayMade,
    /// Messages with something in them, each of which is compared, both ways. Not timed.
    Verify,
}

/// A job, and what is left open by it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) job: Job,
    /// Bytes of a message.
    pub(crate) size: usize,
    /// Messages or round trips; with several connections, those of all together take as long as
    /// so many of one would.
    pub(crate) count: u64,
    /// Connections that take part.
    pub(crate) connections: usize,
    pub(crate) placement: Placement,
}

/// Which CPUs the two processes may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Placement {
    /// Each has one of its own.
    TwoCpus,
    /// Both have the same one.
    OneCpu,
    /// Any.
    Free,
}

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The one that begins: sends, asks.
    Active,
    /// The one that answers.
    Passive,
}

/// What one process has used during a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// CPU time of all its threads.
    pub(crate) cpu: Duration,
    /// How often one of them gave the CPU up to wait.
    pub(crate) sleeps: u64,
}

/// One execution of a task.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    pub(crate) elapsed: Duration,
    /// Messages or round trips, of all connections.
    pub(crate) count: u64,
    /// Of both processes.
    pub(crate) usage: Usage,
    /// Nanoseconds of each round trip, in order of time, connection by connection.
    pub(crate) trips: Vec<u32>,
    /// Round trips of each connection.
    pub(crate) per_connection: Vec<u64>,
}

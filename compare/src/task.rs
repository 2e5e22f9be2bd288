//! What both ends do in one measurement, and what they say about it.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;
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
    /// Messages of a connection, or the most round trips that one of them makes: these end when it has
    /// made so many, or the time is up.
    pub(crate) count: u64,
    /// How long round trips are made.
    pub(crate) time: Duration,
    /// Connections that take part.
    pub(crate) connections: usize,
    pub(crate) placement: Placement,
}

/// Everything about a task but how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Setting {
    pub(crate) job: Job,
    pub(crate) size: usize,
    pub(crate) connections: usize,
    pub(crate) placement: Placement,
}

/// Most round trips of one execution: each is kept.
const MOST_TRIPS: u64 = 1 << 20;

impl Setting {
    /// With so many messages.
    pub(crate) fn task(self, count: u64) -> Task {
        let Self {
            job,
            size,
            connections,
            placement,
        } = self;
        Task {
            job,
            size,
            count,
            time: Duration::MAX,
            connections,
            placement,
        }
    }
}

impl Task {
    /// Round trips for so long.
    pub(crate) fn lasting(self, time: Duration) -> Self {
        // On two CPUs at most two of many connections get on at the same time.
        let sharing = (self.connections as u64 / 4).max(1);
        Self {
            count: MOST_TRIPS / sharing,
            time,
            ..self
        }
    }
}

/// Which CPUs the two processes may use.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Placement {
    /// Each has one of its own.
    TwoCpus,
    /// Both have the same one.
    OneCpu,
    /// Any.
    Free,
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoundTrips { think } if think.is_zero() => f.write_str("round trips"),
            Self::RoundTrips { think } => match think.as_micros() {
                us if us < 1000 => write!(f, "round trips with rests of {us} us"),
                us => write!(f, "round trips with rests of {} ms", us / 1000),
            },
            Self::OneWay => f.write_str("one way"),
            Self::OneWayMade => f.write_str("made and sent one way"),
            Self::Verify => f.write_str("verified"),
        }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TwoCpus => "two CPUs",
            Self::OneCpu => "one CPU",
            Self::Free => "unpinned",
        })
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            job,
            size,
            connections,
            placement,
        } = self;
        write!(f, "{job}, {}, {placement}", Bytes(*size))?;
        match connections {
            1 => Ok(()),
            n => write!(f, ", {n} connections"),
        }
    }
}

/// A size as it is read.
pub(crate) struct Bytes(pub(crate) usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n >= 1 << 30 && n.is_multiple_of(1 << 30) => write!(f, "{} GiB", n >> 30),
            n if n >= 1 << 20 && n.is_multiple_of(1 << 20) => write!(f, "{} MiB", n >> 20),
            n if n >= 1 << 10 && n.is_multiple_of(1 << 10) => write!(f, "{} KiB", n >> 10),
            n => write!(f, "{n} B"),
        }
    }
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

//! What a whole run measures: the contests, and who takes part in each.

use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::channel::{Name, Waiting};
use crate::task::{Job, Placement, Setting};
use crate::transports::{ALL, Entry};

pub(crate) const TRIP_SIZES: [usize; 4] = [8, 64, 1 << 10, 16 << 10];
pub(crate) const ONE_WAY_SIZES: [usize; 9] = [
    8,
    64,
    256,
    1 << 10,
    4 << 10,
    16 << 10,
    64 << 10,
    256 << 10,
    1 << 20,
];
pub(crate) const MADE_SIZES: [usize; 3] = [4 << 10, 64 << 10, 1 << 20];
pub(crate) const RESTS: [Duration; 2] = [Duration::from_micros(100), Duration::from_millis(10)];
pub(crate) const CONNECTIONS: [usize; 4] = [1, 4, 16, 64];

/// The placements of two processes that may use both CPUs.
pub(crate) const APART: [Placement; 2] = [Placement::TwoCpus, Placement::Free];

/// Limits that carry no message but the byte that ends a job.
const EMPTY: [&str; 3] = ["cache-line", "futex", "memcpy"];
/// These differ from others in how they write, which a round trip does not show.
const ONE_WAY_ONLY: [&str; 4] = [
    "memcpy",
    "zocket-stream-in-place",
    "zocket-stream-vectored",
    "zocket-datagram-in-place",
];

/// A part of a run, which is a section of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    RoundTrips,
    Rests,
    OneWay,
    Made,
    Pairs,
    Facts,
    Growth,
}

/// How long it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) rounds: usize,
    /// One round of one contestant.
    pub(crate) target: Duration,
    /// With rests it takes as long as so many of the longest: ends learn how to wait.
    pub(crate) least_trips: u32,
    /// With several connections it takes so many times as long, as threads take a while until all have begun.
    pub(crate) several: u32,
    /// And no less than so long for each of them: on a CPU with many threads it takes as many time slices, of 3 ms
    /// or so, until each has had its turn. In 125 ms some of 64 connections had none.
    pub(crate) turn: Duration,
}

impl Pace {
    pub(crate) const FULL: Self = Self {
        rounds: 12,
        target: Duration::from_millis(25),
        least_trips: 30,
        several: 5,
        turn: Duration::from_millis(10),
    };
    pub(crate) const QUICK: Self = Self {
        rounds: 3,
        target: Duration::from_millis(10),
        least_trips: 5,
        several: 2,
        turn: Duration::from_millis(2),
    };

    /// The time for a round of it.
    pub(crate) fn target(self, setting: Setting) -> Duration {
        match setting.job {
            Job::RoundTrips { think } if !think.is_zero() => RESTS[1] * self.least_trips,
            _ if setting.connections > 1 => {
                let turns = self.turn * setting.connections as u32;
                turns.max(self.target * self.several)
            }
            _ => self.target,
        }
    }
}

/// One setting, and all who take part in it, alive at the same time.
pub(crate) struct Contest {
    pub(crate) part: Part,
    pub(crate) setting: Setting,
    pub(crate) entries: Vec<Entry>,
}

/// The contests of some parts, between some contestants: all if none is named.
pub(crate) fn contests(parts: &[Part], only: &[String]) -> Vec<Contest> {
    let settings = parts.iter().flat_map(|&part| {
        settings(part)
            .into_iter()
            .map(move |setting| (part, setting))
    });
    settings
        .map(|(part, setting)| Contest {
            part,
            setting,
            entries: entries(part, setting, only),
        })
        .filter(|contest| !contest.entries.is_empty())
        .collect()
}

fn entries(part: Part, setting: Setting, only: &[String]) -> Vec<Entry> {
    let wanted = |name: Name| only.is_empty() || only.iter().any(|key| key == name.key);
    ALL.iter()
        .copied()
        .filter(|entry| wanted(entry.name) && takes_part(entry.name, part, setting))
        .collect()
}

fn takes_part(name: Name, part: Part, setting: Setting) -> bool {
    // Who spins and shares the CPU with the one it waits for shows how long a time slice is; and
    // resting or being many is for those who let others have the CPU.
    let must_block =
        setting.placement == Placement::OneCpu || matches!(part, Part::Rests | Part::Pairs);
    setting.size <= name.most
        && does(name, setting.job)
        && (name.waiting == Waiting::Block || !must_block)
}

/// Whether a contestant has anything to show at such a job.
pub(crate) fn does(name: Name, job: Job) -> bool {
    let empty = EMPTY.contains(&name.key);
    match job {
        Job::RoundTrips { .. } => !ONE_WAY_ONLY.contains(&name.key),
        Job::OneWay => !empty && !stops(name) || name.key == "memcpy",
        Job::OneWayMade => !empty && !stops(name) && name.key != "zocket-stream-vectored",
        Job::Verify => !empty,
    }
}

/// Whether it stops for good in one of some hundred streams: its sender waits for a place in a full queue,
/// and its receiver for an event.
fn stops(name: Name) -> bool {
    name.key == "iceoryx2-event"
}

/// What one part has to measure.
pub(crate) fn settings(part: Part) -> Vec<Setting> {
    let single = |job, size, placement| Setting {
        job,
        size,
        connections: 1,
        placement,
    };
    let at_two = |job, sizes: &[usize]| -> Vec<Setting> {
        let settings = sizes.iter();
        settings
            .map(|&size| single(job, size, Placement::TwoCpus))
            .collect()
    };
    let trips = |think| Job::RoundTrips { think };
    match part {
        Part::RoundTrips => [Placement::TwoCpus, Placement::OneCpu, Placement::Free]
            .into_iter()
            .flat_map(|at| TRIP_SIZES.map(|size| single(trips(Duration::ZERO), size, at)))
            .collect(),
        Part::Rests => RESTS
            .into_iter()
            .flat_map(|think| APART.map(|at| single(trips(think), 64, at)))
            .collect(),
        Part::OneWay => at_two(Job::OneWay, &ONE_WAY_SIZES),
        Part::Made => at_two(Job::OneWayMade, &MADE_SIZES),
        Part::Pairs => APART
            .into_iter()
            .flat_map(|at| CONNECTIONS.map(|connections| pairs(connections, at)))
            .collect(),
        Part::Facts | Part::Growth => Vec::new(),
    }
}

/// So many connections at once.
pub(crate) fn pairs(connections: usize, placement: Placement) -> Setting {
    Setting {
        job: Job::RoundTrips {
            think: Duration::ZERO,
        },
        size: 64,
        connections,
        placement,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(contest: &Contest) -> Vec<&'static str> {
        contest.entries.iter().map(|entry| entry.name.key).collect()
    }

    #[test]
    fn who_spins_takes_no_part_on_one_cpu() {
        let contests = contests(&[Part::RoundTrips], &[]);
        let mut together = contests
            .iter()
            .filter(|contest| contest.setting.placement == Placement::OneCpu);
        assert!(together.all(|contest| !keys(contest).contains(&"zocket-stream-spin")));
    }

    #[test]
    fn nobody_gets_more_than_it_carries() {
        let contests = contests(&[Part::OneWay], &[]);
        let largest = contests.last().unwrap();
        assert_eq!(largest.setting.size, 1 << 20);
        assert!(!keys(largest).contains(&"unix-seqpacket"));
        assert!(keys(largest).contains(&"memcpy"));
    }

    #[test]
    fn only_those_named_take_part() {
        let only = ["pipe".to_owned()];
        for contest in contests(&[Part::Rests, Part::Pairs], &only) {
            assert_eq!(keys(&contest), ["pipe"]);
        }
    }

    #[test]
    fn rests_are_counted() {
        let setting = settings(Part::Rests)[2];
        assert_eq!(
            Pace::FULL.target(setting),
            RESTS[1] * Pace::FULL.least_trips
        );
    }
}

//! What zocket is to reach, and whether it does: ratios within one run.

use std::fmt::Write;
use std::time::Duration;

use super::figure::{self, Figure};
use super::tables::markdown;
use crate::plan::{APART, CONNECTIONS, Part, RESTS, pairs};
use crate::results::Results;
use crate::stats::{Spread, ratios};
use crate::task::{Job, Placement, Setting};

/// One thing to reach.
#[derive(Clone, Debug)]
struct Bar {
    heading: &'static str,
    measure: Measure,
    /// A contestant's key, or another subject of a fact.
    ours: &'static str,
    rival: Rival,
    limit: Limit,
}

/// Where the values come from.
#[derive(Clone, Copy, Debug)]
enum Measure {
    Cell(Part, Setting, Figure),
    Fact(&'static str, &'static str),
}

/// What ours are divided by.
#[derive(Clone, Copy, Debug)]
enum Rival {
    One(&'static str),
    /// The best of all of these.
    Best(&'static [&'static str]),
    /// Nothing: the value itself counts.
    Nobody,
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
    /// In more than three of four rounds.
    Above(f64),
}

/// How it came out.
#[derive(Clone, Debug, PartialEq)]
struct Verdict {
    rival: String,
    ratio: Spread,
    met: bool,
}

impl Limit {
    fn is_met(self, ratios: &[f64], median: f64) -> bool {
        match self {
            Self::AtMost(limit) => median <= limit,
            Self::AtLeast(limit) => median >= limit,
            Self::Above(limit) => {
                let above = ratios.iter().filter(|ratio| **ratio > limit).count();
                4 * above > 3 * ratios.len()
            }
        }
    }

    /// How far the limit is met, to compare ratios under the same one.
    fn margin(self, median: f64) -> f64 {
        match self {
            Self::AtMost(_) => -median,
            Self::AtLeast(_) | Self::Above(_) => median,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(limit) => format!("≤ {limit}"),
            Self::AtLeast(limit) => format!("≥ {limit}"),
            Self::Above(limit) => format!("> {limit} in more than three of four rounds"),
        }
    }
}

impl Measure {
    fn values(self, results: &Results, key: &str) -> Option<Vec<f64>> {
        match self {
            Self::Cell(part, setting, figure) => {
                Some(results.cell(key, part, setting)?.values(figure))
            }
            Self::Fact(topic, what) => {
                let mut facts = results.facts.iter();
                let fact = facts
                    .find(|fact| fact.topic == topic && fact.what == what && fact.subject == key);
                Some(fact?.values.clone())
            }
        }
    }

    fn text(self) -> String {
        match self {
            Self::Cell(_, setting, figure) => format!("{setting}: {}", figure.title()),
            Self::Fact(topic, what) => format!("{topic}: {what}"),
        }
    }
}

impl Bar {
    /// None if one of both was not measured. The best of some is known only if all of them were.
    fn verdict(&self, results: &Results) -> Option<Verdict> {
        let ours = self.measure.values(results, self.ours)?;
        match self.rival {
            Rival::Nobody => self.judge("–", ours),
            Rival::One(key) => self.against(results, &ours, key),
            Rival::Best(keys) => {
                let verdicts = keys.iter().map(|key| self.against(results, &ours, key));
                let verdicts: Option<Vec<_>> = verdicts.collect();
                let margin = |verdict: &Verdict| self.limit.margin(verdict.ratio.median);
                let verdicts = verdicts?.into_iter();
                verdicts.min_by(|a, b| margin(a).total_cmp(&margin(b)))
            }
        }
    }

    fn against(&self, results: &Results, ours: &[f64], key: &str) -> Option<Verdict> {
        let theirs = self.measure.values(results, key)?;
        self.judge(results.title(key), ratios(ours, &theirs))
    }

    fn judge(&self, rival: &str, ratios: Vec<f64>) -> Option<Verdict> {
        let ratio = Spread::of(&ratios)?;
        Some(Verdict {
            rival: rival.to_owned(),
            ratio,
            met: self.limit.is_met(&ratios, ratio.median),
        })
    }
}

/// A table for each heading.
pub(super) fn tables(results: &Results) -> String {
    let bars = all();
    let verdicts: Vec<_> = bars.iter().map(|bar| (bar, bar.verdict(results))).collect();
    let measured = || verdicts.iter().filter_map(|(_, verdict)| verdict.as_ref());
    let (met, count) = (
        measured().filter(|verdict| verdict.met).count(),
        measured().count(),
    );
    if count == 0 {
        return String::new();
    }
    let mut text = format!("{met} of {count} are met.\n");
    for group in verdicts.chunk_by(|(a, _), (b, _)| a.heading == b.heading) {
        let table = table(results, group);
        let _ = write!(text, "\n**{}**\n\n{table}", group[0].0.heading);
    }
    text
}

fn table(results: &Results, group: &[(&Bar, Option<Verdict>)]) -> String {
    let head = ["", "zocket's", "against", "bar", "ratio", "met"].map(str::to_owned);
    let rows = group.iter().map(|(bar, verdict)| {
        let [against, ratio, met] = match verdict {
            Some(verdict) => [
                verdict.rival.clone(),
                figure::spread(verdict.ratio),
                if verdict.met { "yes" } else { "**no**" }.to_owned(),
            ],
            None => ["–", "not measured", "–"].map(str::to_owned),
        };
        let ours = results.title(bar.ours).to_owned();
        vec![
            bar.measure.text(),
            ours,
            against,
            bar.limit.text(),
            ratio,
            met,
        ]
    });
    markdown(4, &head, rows.collect())
}

const SPIN: &str = "zocket-stream-spin";
const BLOCK: &str = "zocket-stream-block";
const UNIX: &str = "unix-stream";
const BY_THRESHOLD: &str = "zocket READ_THRESHOLD";

/// The other ways between processes that are compared one way, if built with all of them.
const ONE_WAY_PEERS: &[&str] = &[
    "shmem-ipc-spin",
    "shmem-ipc-block",
    "iceoryx2-spin",
    "ipc-channel",
    "pipe",
    UNIX,
    "unix-seqpacket",
];
/// The same of round trips.
const ROUND_TRIP_PEERS: &[&str] = &[
    "shmem-ipc-spin",
    "shmem-ipc-block",
    "iceoryx2-spin",
    "iceoryx2-event",
    "ipc-channel",
    "pipe",
    UNIX,
    "unix-seqpacket",
];

/// All of them.
fn all() -> Vec<Bar> {
    [
        spinning(),
        blocking(),
        resting(),
        streaming(),
        made(),
        datagrams(),
        many(),
        facts(),
    ]
    .concat()
}

/// The same for some measures and limits.
fn bars(
    heading: &'static str,
    ours: &'static str,
    bars: impl IntoIterator<Item = (Measure, Rival, Limit)>,
) -> Vec<Bar> {
    let bars = bars.into_iter();
    bars.map(|(measure, rival, limit)| Bar {
        heading,
        measure,
        ours,
        rival,
        limit,
    })
    .collect()
}

fn trip(think: Duration, placement: Placement) -> Setting {
    Setting {
        job: Job::RoundTrips { think },
        ..pairs(1, placement)
    }
}

fn at_once(placement: Placement, figure: Figure) -> Measure {
    Measure::Cell(Part::RoundTrips, trip(Duration::ZERO, placement), figure)
}

fn spinning() -> Vec<Bar> {
    let time = at_once(Placement::TwoCpus, Figure::P50);
    bars(
        "Round trips, both spin",
        SPIN,
        [
            (time, Rival::One("bare-ring"), Limit::AtMost(1.2)),
            (time, Rival::One("cache-line"), Limit::AtMost(1.65)),
            (time, Rival::Best(ROUND_TRIP_PEERS), Limit::AtMost(1.0)),
        ],
    )
}

fn blocking() -> Vec<Bar> {
    let apart = |figure| at_once(Placement::TwoCpus, figure);
    let together = at_once(Placement::OneCpu, Figure::P50);
    bars(
        "Round trips, both block",
        BLOCK,
        [
            (apart(Figure::P50), Rival::One(SPIN), Limit::AtMost(1.25)),
            (apart(Figure::Mean), Rival::One(SPIN), Limit::AtMost(1.25)),
            (apart(Figure::Speed), Rival::One(UNIX), Limit::AtLeast(50.0)),
            (together, Rival::One("futex"), Limit::AtMost(1.2)),
            (together, Rival::One(UNIX), Limit::AtMost(1.0)),
        ],
    )
}

fn resting() -> Vec<Bar> {
    let settings = RESTS
        .into_iter()
        .flat_map(|think| APART.map(|placement| trip(think, placement)));
    let pipe = Rival::One("pipe");
    let both = settings.flat_map(|setting| {
        let measure = |figure| Measure::Cell(Part::Rests, setting, figure);
        [
            (measure(Figure::P50), pipe, Limit::AtMost(1.0)),
            (measure(Figure::CpuPerMillion), pipe, Limit::AtMost(1.1)),
        ]
    });
    bars("Round trips with rests", BLOCK, both)
}

fn one_way(size: usize) -> Measure {
    let setting = Setting {
        job: Job::OneWay,
        size,
        ..pairs(1, Placement::TwoCpus)
    };
    Measure::Cell(Part::OneWay, setting, Figure::Rate)
}

fn streaming() -> Vec<Bar> {
    let best = Rival::Best(ONE_WAY_PEERS);
    let small = [8, 64].into_iter().flat_map(|size| {
        [
            (one_way(size), Rival::One("bare-ring"), Limit::AtLeast(0.75)),
            (one_way(size), best, Limit::AtLeast(8.0)),
            (one_way(size), Rival::One(UNIX), Limit::AtLeast(60.0)),
        ]
    });
    let medium = [256, 1 << 10, 4 << 10, 16 << 10, 64 << 10].into_iter();
    let medium = medium.flat_map(|size| {
        [
            (one_way(size), Rival::One("bare-ring"), Limit::AtLeast(0.9)),
            (one_way(size), best, Limit::AtLeast(1.0)),
        ]
    });
    let large = [(
        one_way(1 << 20),
        Rival::One("bare-ring"),
        Limit::AtLeast(0.9),
    )];
    let all: Vec<_> = small.chain(medium).chain(large).collect();
    let of = |ours| bars("Streams one way", ours, all.clone());
    [of(SPIN), of(BLOCK)].concat()
}

fn made() -> Vec<Bar> {
    let setting = Setting {
        job: Job::OneWayMade,
        size: 1 << 20,
        ..pairs(1, Placement::TwoCpus)
    };
    let rate = Measure::Cell(Part::Made, setting, Figure::Rate);
    let copying = (rate, Rival::One(BLOCK), Limit::Above(1.0));
    bars("Written in place", "zocket-stream-in-place", [copying])
}

fn datagrams() -> Vec<Bar> {
    let of = |ours, stream| {
        let sizes = [8, 64, 256, 1 << 10, 4 << 10].into_iter();
        let all = sizes.map(|size| (one_way(size), Rival::One(stream), Limit::AtLeast(0.7)));
        bars("Datagrams one way", ours, all)
    };
    [
        of("zocket-datagram-spin", SPIN),
        of("zocket-datagram-block", BLOCK),
    ]
    .concat()
}

fn many() -> Vec<Bar> {
    let settings = CONNECTIONS
        .into_iter()
        .flat_map(|connections| APART.map(|placement| pairs(connections, placement)));
    let all = settings.flat_map(|setting| {
        let measure = |figure| Measure::Cell(Part::Pairs, setting, figure);
        let (rate, cpu) = (measure(Figure::Rate), measure(Figure::CpuPerMillion));
        [
            (rate, Rival::One("pipe"), Limit::AtLeast(1.0)),
            (rate, Rival::One(UNIX), Limit::AtLeast(1.0)),
            (cpu, Rival::One("pipe"), Limit::AtMost(1.0)),
            (cpu, Rival::One(UNIX), Limit::AtMost(1.0)),
            (measure(Figure::Slowest), Rival::Nobody, Limit::AtLeast(0.5)),
        ]
    });
    bars("Many connections on two CPUs", BLOCK, all)
}

/// What was counted, and pairs that are made.
fn facts() -> Vec<Bar> {
    const HEADING: &str = "Endpoints";
    let at_most = |topic, what, rival, limit| {
        let measure = Measure::Fact(topic, what);
        [(measure, rival, Limit::AtMost(limit))]
    };
    let alone = |topic, what, limit| at_most(topic, what, Rival::Nobody, limit);
    let pair = "make, use once and drop";
    [
        bars(
            HEADING,
            BLOCK,
            alone("idle", "context switches, 1 waiting", 0.0),
        ),
        bars(HEADING, BLOCK, alone("idle", "CPU time, 1 waiting", 0.0)),
        bars(
            HEADING,
            BY_THRESHOLD,
            alone("threshold", "sleeps for 64 KiB", 1.0),
        ),
        bars(
            HEADING,
            BLOCK,
            at_most("creation", pair, Rival::One(UNIX), 3.0),
        ),
        bars(
            HEADING,
            BLOCK,
            alone("creation", "descriptors per endpoint", 2.0),
        ),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Class;
    use crate::results::{Cell, Round, made_up};

    const FASTER: Limit = Limit::AtMost(1.0);

    /// Round trips of 64 bytes of some contestants: microseconds in each round.
    fn results(cells: &[(&str, &[f64])]) -> Results {
        let cells = cells.iter().map(|(key, rounds)| Cell {
            key: (*key).to_owned(),
            part: Part::RoundTrips,
            setting: trip(Duration::ZERO, Placement::TwoCpus),
            rounds: rounds
                .iter()
                .copied()
                .map(made_up::round)
                .collect::<Vec<Round>>(),
        });
        Results {
            cells: cells.collect(),
            ..made_up::results()
        }
    }

    fn bar(rival: Rival, limit: Limit) -> Bar {
        let measure = at_once(Placement::TwoCpus, Figure::P50);
        bars("", SPIN, [(measure, rival, limit)]).remove(0)
    }

    #[test]
    fn ratio_is_the_median_of_those_of_the_rounds() {
        let results = results(&[(SPIN, &[1.0, 30.0, 1.1]), ("bare-ring", &[1.0, 20.0, 1.0])]);
        let bar = bar(Rival::One("bare-ring"), Limit::AtMost(1.2));
        let verdict = bar.verdict(&results).unwrap();
        assert_eq!(verdict.rival, "bare ring");
        assert_eq!((verdict.ratio.median, verdict.ratio.most), (1.1, 1.5));
        assert!(verdict.met);
    }

    const BEST: Rival = Rival::Best(&["pipe", UNIX]);

    #[test]
    fn best_rival_counts() {
        let results = results(&[(SPIN, &[2.0]), ("pipe", &[1.0]), (UNIX, &[4.0])]);
        let verdict = bar(BEST, FASTER).verdict(&results).unwrap();
        assert_eq!(verdict.rival, "kernel pipe");
        assert!(!verdict.met);
        let rate = bar(BEST, Limit::AtLeast(1.0)).verdict(&results);
        assert_eq!(rate.unwrap().rival, "AF_UNIX stream");
    }

    #[test]
    fn best_rival_is_unknown_if_one_was_not_measured() {
        let results = results(&[(SPIN, &[2.0]), (UNIX, &[4.0])]);
        assert_eq!(bar(BEST, FASTER).verdict(&results), None);
    }

    #[test]
    fn best_rival_is_sought_among_all_peers_that_take_part() {
        let results = made_up::results();
        for bar in all() {
            let (Rival::Best(keys), Measure::Cell(part, setting, _)) = (bar.rival, bar.measure)
            else {
                continue;
            };
            let settings = [setting];
            let who = results.participants(part, &settings);
            let peers = who.filter(|who| who.class == Class::Peer);
            let peers: Vec<_> = peers.map(|who| who.key.as_str()).collect();
            if cfg!(feature = "peers") {
                assert_eq!(keys, peers, "{bar:?}");
            } else {
                assert!(peers.iter().all(|key| keys.contains(key)), "{bar:?}");
            }
        }
    }

    #[test]
    fn nothing_is_said_of_what_was_not_measured() {
        let results = results(&[("bare-ring", &[1.0])]);
        assert_eq!(bar(Rival::One("bare-ring"), FASTER).verdict(&results), None);
        assert!(tables(&results).is_empty());
    }

    #[test]
    fn above_wants_more_than_three_of_four_rounds() {
        let above = Limit::Above(1.0);
        assert!(above.is_met(&[1.1, 1.1, 1.2, 1.1], 1.1));
        assert!(!above.is_met(&[0.9, 1.2, 1.3, 1.4], 1.25));
    }

    #[test]
    fn every_setting_of_a_bar_is_measured() {
        let results = made_up::results();
        for bar in all() {
            let complete = cfg!(feature = "peers") || !matches!(bar.rival, Rival::Best(_));
            if complete && matches!(bar.measure, Measure::Cell(..)) {
                assert!(bar.verdict(&results).is_some(), "{bar:?}");
            }
        }
    }
}

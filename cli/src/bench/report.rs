//! What is printed at the end.

use std::fmt;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::job::{Figures, Job};
use super::machine::Machine;
use super::transport::Transport;

/// With so many processes that want to run, some of the figures are theirs.
const BUSY: f32 = 0.5;

/// What came of one job over one transport in one round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) transport: Transport,
    pub(super) job: Job,
    pub(super) figures: Figures,
}

/// Everything that there is to say. Its fields are those of the JSON.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    zocket: &'static str,
    machine: Machine,
    rounds: u32,
    seconds_per_round: f64,
    pub(super) round_trips: Vec<RoundTrips>,
    pub(super) one_way: Vec<OneWay>,
}

/// Round trips over one transport, in nanoseconds: medians of the rounds.
#[derive(Debug, Serialize)]
pub(super) struct RoundTrips {
    pub(super) transport: Transport,
    bytes: usize,
    pub(super) p50_ns: f64,
    pub(super) p99_ns: f64,
    /// Its p50 divided by that of the blocking zocket: how many times as fast the zocket is.
    times_zocket: f64,
    all_p50_ns: Vec<f64>,
}

/// A stream of messages over one transport: the median of the rounds.
#[derive(Debug, Serialize)]
pub(super) struct OneWay {
    pub(super) transport: Transport,
    pub(super) bytes: usize,
    pub(super) bytes_per_second: f64,
    messages_per_second: f64,
    /// The rate of the blocking zocket divided by this: how many times as fast the zocket is.
    times_zocket: f64,
    all_bytes_per_second: Vec<f64>,
}

impl Report {
    pub(super) fn new(machine: Machine, rounds: u32, round: Duration, samples: &[Sample]) -> Self {
        let mut transports: Vec<Transport> = Vec::new();
        for sample in samples {
            if !transports.contains(&sample.transport) {
                transports.push(sample.transport);
            }
        }
        let mut round_trips: Vec<RoundTrips> = Vec::new();
        let mut one_way: Vec<OneWay> = Vec::new();
        for job in Job::ALL {
            for &transport in &transports {
                let of_this = samples.iter();
                let of_this = of_this.filter(|s| s.job == job && s.transport == transport);
                let figures: Vec<_> = of_this.map(|sample| sample.figures).collect();
                if job == Job::RoundTrips {
                    let first = round_trips.first();
                    let line = RoundTrips::new(transport, job, &figures, first);
                    round_trips.push(line);
                } else {
                    let first = one_way.iter().find(|line| line.bytes == job.size());
                    let line = OneWay::new(transport, job, &figures, first);
                    one_way.push(line);
                }
            }
        }
        Self {
            zocket: env!("CARGO_PKG_VERSION"),
            machine,
            rounds,
            seconds_per_round: round.as_secs_f64(),
            round_trips,
            one_way,
        }
    }

    pub(super) fn headline(&self) -> String {
        let Machine {
            cpus: [a, b],
            model,
            kernel,
            ..
        } = &self.machine;
        let cpus = match a == b {
            true => format!("CPU {a} for both processes"),
            false => format!("CPUs {a} and {b}"),
        };
        format!("{model}, {kernel}, {cpus}")
    }

    fn round_trip_table(&self) -> Table {
        let mut table = table(&["round trips of 64 B", "p50", "p99", ""]);
        for line in &self.round_trips {
            let us = |ns: f64| format!("{:.2} us", ns / 1e3);
            table.add_row([
                line.transport.to_string(),
                us(line.p50_ns),
                us(line.p99_ns),
                ratio(line.times_zocket),
            ]);
        }
        table
    }

    fn one_way_table(&self) -> Table {
        let mut table = table(&["one way, GB/s", "64 B", "", "4 KiB", "", "64 KiB", ""]);
        for first in self.one_way.iter().filter(|line| line.bytes == 64) {
            let mut row = vec![first.transport.to_string()];
            let lines = self.one_way.iter();
            for line in lines.filter(|line| line.transport == first.transport) {
                row.push(format!("{:.3}", line.bytes_per_second / 1e9));
                row.push(ratio(line.times_zocket));
            }
            table.add_row(row);
        }
        table
    }
}

impl RoundTrips {
    fn new(
        transport: Transport,
        job: Job,
        figures: &[Figures],
        zocket: Option<&RoundTrips>,
    ) -> Self {
        let both = figures.iter().filter_map(|figures| match *figures {
            Figures::RoundTrips { p50, p99 } => Some((p50, p99)),
            Figures::OneWay(_) => None,
        });
        let (p50s, p99s): (Vec<_>, Vec<_>) = both.unzip();
        let p50_ns = median(&p50s);
        Self {
            transport,
            bytes: job.size(),
            p50_ns,
            p99_ns: median(&p99s),
            times_zocket: p50_ns / zocket.map_or(p50_ns, |line| line.p50_ns),
            all_p50_ns: p50s,
        }
    }
}

impl OneWay {
    fn new(transport: Transport, job: Job, figures: &[Figures], zocket: Option<&OneWay>) -> Self {
        let rates = figures.iter().filter_map(|figures| match *figures {
            Figures::OneWay(rate) => Some(rate),
            Figures::RoundTrips { .. } => None,
        });
        let rates: Vec<_> = rates.collect();
        let rate = median(&rates);
        Self {
            transport,
            bytes: job.size(),
            bytes_per_second: rate,
            messages_per_second: rate / job.size() as f64,
            times_zocket: zocket.map_or(rate, |line| line.bytes_per_second) / rate,
            all_bytes_per_second: rates,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        writeln!(
            f,
            "medians of {} rounds of {} s\n",
            self.rounds, self.seconds_per_round
        )?;
        writeln!(f, "{}\n", self.round_trip_table().trim_fmt())?;
        writeln!(f, "{}\n", self.one_way_table().trim_fmt())?;
        writeln!(
            f,
            "In parentheses: how many times as fast a blocking zocket is."
        )?;
        if !self.machine.has_two_cpus() {
            writeln!(
                f,
                "With one CPU nobody can spin, and both processes take turns."
            )?;
        }
        if let Some(load) = self.machine.load.filter(|&load| load >= BUSY) {
            let load = format!("{load:.1} processes wanted to run before this began");
            writeln!(
                f,
                "The machine was busy ({load}): figures are of what was left of it."
            )?;
        }
        Ok(())
    }
}

/// A table without lines, of which the first column is text.
fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head.to_vec());
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn ratio(times: f64) -> String {
    match times {
        times if times >= 10.0 => format!("({times:.0})"),
        times => format!("({times:.2})"),
    }
}

/// The one in the middle, or between the two there.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n => (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// With figures that nobody has measured.
    pub(crate) fn made_up() -> Report {
        let machine = Machine {
            cpus: [0, 1],
            model: "A CPU".to_owned(),
            kernel: "Linux".to_owned(),
            load: Some(4.0),
        };
        let mut samples = Vec::new();
        for round in [1.0, 3.0, 2.0] {
            for job in Job::ALL {
                for (factor, transport) in [
                    (1.0, Transport::ZocketBlocking),
                    (200.0, Transport::UnixStream),
                ] {
                    let figures = match job {
                        Job::RoundTrips => Figures::RoundTrips {
                            p50: 100.0 * round * factor,
                            p99: 300.0 * round * factor,
                        },
                        _ => Figures::OneWay(1e9 * round * job.size() as f64 / factor),
                    };
                    samples.push(Sample {
                        transport,
                        job,
                        figures,
                    });
                }
            }
        }
        Report::new(machine, 3, Duration::from_millis(20), &samples)
    }

    #[test]
    fn figures_are_medians_and_ratios_say_how_much_faster_the_zocket_is() {
        let report = made_up();
        let [ours, theirs] = &report.round_trips[..] else {
            panic!("{report:?}");
        };
        assert_eq!((ours.p50_ns, ours.p99_ns), (200.0, 600.0));
        assert_eq!((ours.times_zocket, theirs.times_zocket), (1.0, 200.0));
        assert_eq!(report.one_way.len(), 6);
        let times = report.one_way.iter().map(|line| line.times_zocket);
        assert_eq!(times.collect::<Vec<_>>(), [1.0, 200.0].repeat(3));
        assert_eq!(report.one_way[2].bytes_per_second, 2e9 * 4096.0);
        let text = report.to_string();
        for words in [
            "CPUs 0 and 1",
            "0.20 us",
            "(200)",
            "128.000",
            "AF_UNIX",
            "busy (4.0",
        ] {
            assert!(text.contains(words), "no {words} in {text}");
        }
    }
}

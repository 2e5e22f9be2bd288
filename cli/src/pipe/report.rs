//! What is printed at the end.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::HumanCount;
use serde::Serialize;

use super::args::Args;
use super::sender::Outcome;
use super::source::Source;
use super::tally::Digest;
use super::transport::Transport;

/// With less than this, the time is that of waking the receiver up, not of the data.
const MEANINGFUL: u64 = 16 << 20;

/// Everything that there is to say. Its fields are those of the JSON.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    source: String,
    /// Whether the source had to be copied to a temporary file first.
    spooled: bool,
    bytes: u64,
    /// What the digest is.
    digest_kind: &'static str,
    digest: Digest,
    /// True, or there is no report.
    verified: bool,
    block: usize,
    /// Bytes of a record; null for streams.
    record: Option<usize>,
    rounds: usize,
    /// The file that was written; null if none was asked for.
    output: Option<String>,
    /// How long the transfer took that wrote it.
    output_seconds: Option<f64>,
    /// One for each transport; the zocket is the first.
    transports: Vec<Line>,
}

/// What there is to say about one transport.
#[derive(Debug, Serialize)]
struct Line {
    transport: Transport,
    /// As its maker tells it.
    capacity: usize,
    /// Median of the rounds.
    seconds: f64,
    /// Null if no time passed.
    bytes_per_second: Option<f64>,
    /// Its time divided by that of the zocket: how many times as fast the zocket is.
    times_zocket: Option<f64>,
    /// Each round's.
    all_seconds: Vec<f64>,
}

impl Report {
    /// Puts together what came out; `outcomes` has at least one, and all have the same
    /// content.
    pub(super) fn new(
        args: &Args,
        source: &Source,
        written: Option<Outcome>,
        outcomes: &[Outcome],
    ) -> Self {
        let first = outcomes.first().expect("the zocket is always run");
        let mut transports: Vec<Line> = Vec::new();
        for transport in Transport::to_run(args) {
            let of_this: Vec<_> = outcomes
                .iter()
                .filter(|o| o.transport == transport)
                .collect();
            let times = of_this.iter().map(|o| o.time).collect();
            let zocket = transports.first().map(|line| line.seconds);
            let capacity = of_this.first().map_or(0, |o| o.capacity);
            transports.push(Line::new(
                transport,
                capacity,
                times,
                first.tally.bytes,
                zocket,
            ));
        }
        Self {
            source: source.name().to_owned(),
            spooled: source.is_spooled(),
            bytes: first.tally.bytes,
            digest_kind: "xxh3-128",
            digest: first.tally.digest,
            verified: true,
            block: args.block(),
            record: args.record(),
            rounds: transports.first().map_or(0, |line| line.all_seconds.len()),
            output: args.output.as_ref().map(|path| path.display().to_string()),
            output_seconds: written.map(|outcome| outcome.time.as_secs_f64()),
            transports,
        }
    }

    /// Prints it to standard output.
    pub(super) fn print(&self, json: bool) -> Result<()> {
        let text = if json {
            serde_json::to_string_pretty(self)? + "\n"
        } else {
            self.table()
        };
        io::stdout()
            .write_all(text.as_bytes())
            .context("cannot print the result")
    }

    fn table(&self) -> String {
        let mut lines = vec![self.headline(), String::new()];
        lines.push(format!(
            "{:<18} {:>11} {:>9}",
            "transport",
            if self.rounds > 1 { "median" } else { "time" },
            "GB/s"
        ));
        lines.extend(self.transports.iter().map(Line::row));
        lines.push(String::new());
        lines.push(format!(
            "{} {}: the same at both ends{}",
            self.digest_kind,
            self.digest,
            match self.transports.len() {
                1 => "",
                _ => " of every transport",
            }
        ));
        if let (Some(output), Some(seconds)) = (&self.output, self.output_seconds) {
            lines.push(format!("written to {output} in {:.3} ms", seconds * 1e3));
        }
        if self.bytes < MEANINGFUL {
            lines.push(
                "so little data shows how fast the receiver wakes up, not how fast data moves"
                    .to_owned(),
            );
        }
        lines.join("\n") + "\n"
    }

    fn headline(&self) -> String {
        let mut line = format!("{}: {} bytes", self.source, HumanCount(self.bytes));
        if self.spooled {
            line += ", copied to a temporary file first";
        }
        match self.record {
            Some(record) => line += &format!(", in records of {}", HumanCount(record as u64)),
            None => line += &format!(", in blocks of {}", HumanCount(self.block as u64)),
        }
        if self.rounds > 1 {
            line += &format!(", {} rounds", self.rounds);
        }
        line
    }
}

impl Line {
    fn new(
        transport: Transport,
        capacity: usize,
        times: Vec<Duration>,
        bytes: u64,
        zocket: Option<f64>,
    ) -> Self {
        let seconds = median(&times).as_secs_f64();
        Self {
            transport,
            capacity,
            seconds,
            bytes_per_second: quotient(bytes as f64, seconds),
            times_zocket: zocket.and_then(|zocket| quotient(seconds, zocket)),
            all_seconds: times.iter().map(Duration::as_secs_f64).collect(),
        }
    }

    fn row(&self) -> String {
        let rate = self
            .bytes_per_second
            .map_or_else(|| "-".to_owned(), |rate| format!("{:.3}", rate / 1e9));
        let time = format!("{:.3} ms", self.seconds * 1e3);
        let row = format!("{:<18} {time:>11} {rate:>9}", self.transport);
        match self.times_zocket {
            // Both directions in words: a ratio alone leaves open who is faster.
            Some(ratio) if ratio >= 1.0 => row + &format!("   zocket is {ratio:.2} times as fast"),
            Some(ratio) => row + &format!("   {:.2} times as fast as zocket", 1.0 / ratio),
            None => row,
        }
    }
}

fn quotient(a: f64, b: f64) -> Option<f64> {
    (b > 0.0).then(|| a / b)
}

/// The one in the middle, or between the two there.
fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    match sorted.len() {
        0 => Duration::ZERO,
        n => (sorted[(n - 1) / 2] + sorted[n / 2]) / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn median_is_in_the_middle() {
        assert_eq!(median(&[seconds(3)]), seconds(3));
        assert_eq!(median(&[seconds(9), seconds(1), seconds(2)]), seconds(2));
        assert_eq!(median(&[seconds(3), seconds(1)]), seconds(2));
    }

    #[test]
    fn row_says_who_is_faster() {
        let row = |time, zocket| {
            Line::new(
                Transport::Pipe,
                0,
                vec![seconds(time)],
                4_000_000_000,
                zocket,
            )
            .row()
        };
        assert_eq!(
            row(4, Some(2.0)),
            "kernel pipe        4000.000 ms     1.000   zocket is 2.00 times as fast"
        );
        assert_eq!(
            row(4, Some(8.0)),
            "kernel pipe        4000.000 ms     1.000   2.00 times as fast as zocket"
        );
        assert_eq!(
            row(0, None),
            "kernel pipe           0.000 ms         -",
            "no time, no rate"
        );
    }
}

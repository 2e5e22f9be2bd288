//! Numbers as they are read.

use crate::results::{Axis, Round};
use crate::stats::Spread;
use crate::task::{Bytes, Setting};

/// What is looked at in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Microseconds of a round trip: the median, and what few exceed.
    P50,
    P99,
    P999,
    /// Microseconds of a message or round trip, of all together.
    Mean,
    /// Round trips in a second, by the median.
    Speed,
    /// Thousands of messages or round trips in a second.
    Rate,
    /// 10^9 bytes in a second.
    Throughput,
    /// Seconds of CPU time for a million messages or round trips.
    CpuPerMillion,
    /// Seconds of CPU time for 10^9 bytes.
    CpuPerGigabyte,
    /// How often one of both processes slept, for each message or round trip.
    Sleeps,
    /// Round trips of the slowest connection through the mean of all.
    Slowest,
}

impl Figure {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::P50 => "p50, us",
            Self::P99 => "p99, us",
            Self::P999 => "p99.9, us",
            Self::Mean => "mean, us",
            Self::Speed => "speed, a second",
            Self::Rate => "thousands a second",
            Self::Throughput => "GB/s",
            Self::CpuPerMillion => "CPU s per million",
            Self::CpuPerGigabyte => "CPU s per GB",
            Self::Sleeps => "sleeps each",
            Self::Slowest => "slowest connection",
        }
    }

    /// Its value in one round.
    pub(crate) fn of(self, round: &Round, setting: Setting) -> f64 {
        let size = setting.size as f64;
        match self {
            Self::P50 => round.p50 / 1e3,
            Self::P99 => round.p99 / 1e3,
            Self::P999 => round.p999 / 1e3,
            Self::Mean => round.mean / 1e3,
            Self::Speed => 1e9 / round.p50,
            Self::Rate => 1e6 / round.mean,
            Self::Throughput => size / round.mean,
            Self::CpuPerMillion => round.cpu / 1e3,
            Self::CpuPerGigabyte => round.cpu / size,
            Self::Sleeps => round.sleeps,
            Self::Slowest => round.slowest,
        }
    }
}

impl Axis {
    /// A point on it.
    pub(super) fn point(&self, value: f64) -> String {
        if self.label.contains("bytes") {
            return Bytes(value.round() as usize).to_string();
        }
        match value {
            value if value >= 1e3 => number(value.round()),
            // Without what arithmetic has left far behind the point.
            value => ((value * 1e6).round() / 1e6).to_string(),
        }
    }
}

/// Three digits that count, or all before the point.
pub(crate) fn number(value: f64) -> String {
    with_decimals(value, decimals(value))
}

/// The median, and the range where there is one.
pub(crate) fn spread(spread: Spread) -> String {
    let Spread {
        least,
        median,
        most,
    } = spread;
    let places = decimals(median);
    let [least, median, most] = [least, median, most].map(|value| with_decimals(value, places));
    if least == most {
        median
    } else {
        format!("{median} ({least} – {most})")
    }
}

fn decimals(value: f64) -> usize {
    if value == 0.0 {
        return 0;
    }
    let magnitude = value.abs().log10().floor() as i32;
    (2 - magnitude).clamp(0, 4) as usize
}

/// With commas between the thousands.
fn with_decimals(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let groups = whole.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
    groups.join(",") + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_count() {
        let texts = [0.0, 0.004_021, 0.402, 1.5, 16.04, 383.2, 1_234_567.0].map(number);
        let expected = ["0", "0.0040", "0.402", "1.50", "16.0", "383", "1,234,567"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn spread_has_the_digits_of_its_median() {
        let text = spread(Spread {
            least: 0.9951,
            median: 1.2345,
            most: 12.0,
        });
        assert_eq!(text, "1.23 (1.00 – 12.00)");
    }

    #[test]
    fn spread_of_one_value_has_no_range() {
        let text = spread(Spread {
            least: 2.0,
            median: 2.0,
            most: 2.0,
        });
        assert_eq!(text, "2.00");
    }
}

//! What plots are made of.

use std::time::Duration;

use crate::results::{Axis, Line, Series};
use crate::task::{Job, Placement, Task};

/// Bytes of a small message.
pub(super) const SMALL: usize = 64;
/// Bytes of a large one.
pub(super) const LARGE: usize = 64 << 10;

/// Messages one way between two CPUs; how many is found out.
pub(super) const ONE_CONNECTION: Task = Task {
    job: Job::OneWay,
    size: SMALL,
    count: 0,
    time: Duration::MAX,
    connections: 1,
    placement: Placement::TwoCpus,
};

/// Round trips without rests.
pub(super) const ROUND_TRIPS: Job = Job::RoundTrips {
    think: Duration::ZERO,
};

/// Round trips on one CPU, where an answer that nobody waits for awake costs a sleep and a
/// wake-up, and no more: between two, the machine's own wake-ups would hide everything else.
pub(super) const TRIPS_ON_ONE_CPU: Task = Task {
    job: ROUND_TRIPS,
    placement: Placement::OneCpu,
    ..ONE_CONNECTION
};

/// Lines and points, in the order in which they first came.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<Line>);

impl Lines {
    /// Adds the value of one round.
    pub(super) fn add(&mut self, line: &str, x: usize, value: f64) {
        let x = x as f64;
        let points = self.line(line);
        match points.iter_mut().find(|point| point.0 == x) {
            Some((_, values)) => values.push(value),
            None => points.push((x, vec![value])),
        }
    }

    fn line(&mut self, name: &str) -> &mut Vec<(f64, Vec<f64>)> {
        let known = self.0.iter().position(|line| line.name == name);
        let index = known.unwrap_or_else(|| {
            self.0.push(Line {
                name: name.into(),
                points: Vec::new(),
            });
            self.0.len() - 1
        });
        &mut self.0[index].points
    }

    /// The plot of them, with the labels of its axes.
    pub(super) fn plot(self, topic: &str, title: &str, x: &str, y: &str) -> Series {
        Series {
            topic: topic.into(),
            title: title.into(),
            x: Axis::new(x),
            y: Axis::new(y),
            lines: self.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_of_a_point_are_kept_together() {
        let mut lines = Lines::default();
        for round in [1.0, 2.0] {
            lines.add("b", 8, round);
            lines.add("a", 8, -round);
            lines.add("b", 16, 10.0 * round);
        }
        let plot = lines.plot("t", "T", "x", "y");
        let names: Vec<_> = plot.lines.iter().map(|line| &*line.name).collect();
        assert_eq!(names, ["b", "a"]);
        let expected = [(8.0, vec![1.0, 2.0]), (16.0, vec![10.0, 20.0])];
        assert_eq!(plot.lines[0].points, expected);
        assert_eq!(plot.lines[1].points, [(8.0, vec![-1.0, -2.0])]);
    }
}

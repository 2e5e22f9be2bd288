//! What is plotted.

use super::figure::Figure;
use crate::channel::{Class, Waiting};
use crate::plan::{Part, settings};
use crate::results::{Axis, Identity, Line, Results, Series};
use crate::task::{Placement, Setting};

/// A plot, and the section that it belongs to.
pub(super) struct Plot {
    pub(super) part: Part,
    pub(super) series: Series,
}

/// A plot of cells: a line for each contestant.
struct Chart {
    name: &'static str,
    title: &'static str,
    part: Part,
    placement: Placement,
    figure: Figure,
    who: fn(&Identity) -> bool,
}

const CHARTS: [Chart; 9] = [
    Chart {
        name: "round-trips-spinning",
        title: "Round trip by message size, both spin, two CPUs: median",
        part: Part::RoundTrips,
        placement: Placement::TwoCpus,
        figure: Figure::P50,
        who: |who| who.waiting == Waiting::Spin,
    },
    Chart {
        name: "round-trips-blocking",
        title: "Round trip by message size, both block, two CPUs: median",
        part: Part::RoundTrips,
        placement: Placement::TwoCpus,
        figure: Figure::P50,
        who: |who| who.waiting == Waiting::Block,
    },
    Chart {
        name: "round-trips-one-cpu",
        title: "Round trip by message size, both block, one CPU: median",
        part: Part::RoundTrips,
        placement: Placement::OneCpu,
        figure: Figure::P50,
        who: |_| true,
    },
    Chart {
        name: "round-trips-unpinned",
        title: "Round trip by message size, both block, unpinned: mean",
        part: Part::RoundTrips,
        placement: Placement::Free,
        figure: Figure::Mean,
        who: |who| who.waiting == Waiting::Block,
    },
    Chart {
        name: "one-way",
        title: "Throughput by message size: zocket and the limits",
        part: Part::OneWay,
        placement: Placement::TwoCpus,
        figure: Figure::Throughput,
        who: |who| matches!(who.class, Class::Zocket | Class::Limit),
    },
    Chart {
        name: "one-way-peers",
        title: "Throughput by message size: zocket and others",
        part: Part::OneWay,
        placement: Placement::TwoCpus,
        figure: Figure::Throughput,
        who: |who| match who.class {
            Class::Zocket => is_plain(who),
            Class::Limit => who.key == "bare-ring",
            Class::Peer | Class::InProcess => true,
        },
    },
    Chart {
        name: "one-way-cpu",
        title: "CPU time by message size, both processes",
        part: Part::OneWay,
        placement: Placement::TwoCpus,
        figure: Figure::CpuPerGigabyte,
        who: |who| who.class == Class::Peer || is_plain(who),
    },
    Chart {
        name: "pairs",
        title: "Round trips of all connections on two CPUs",
        part: Part::Pairs,
        placement: Placement::TwoCpus,
        figure: Figure::Rate,
        who: |_| true,
    },
    Chart {
        name: "pairs-cpu",
        title: "CPU time by connections on two CPUs, both processes",
        part: Part::Pairs,
        placement: Placement::TwoCpus,
        figure: Figure::CpuPerMillion,
        who: |_| true,
    },
];

/// Whether it is this project, written to as anything else.
fn is_plain(who: &Identity) -> bool {
    const PLAIN: [&str; 4] = [
        "zocket-stream-spin",
        "zocket-stream-block",
        "zocket-datagram-spin",
        "zocket-datagram-block",
    ];
    PLAIN.contains(&who.key.as_str())
}

/// All plots that there are values for.
pub(super) fn all(results: &Results) -> Vec<Plot> {
    let charts = CHARTS.iter().map(|chart| Plot {
        part: chart.part,
        series: chart.series(results),
    });
    let growth = results.series.iter().map(|series| Plot {
        part: Part::Growth,
        series: series.clone(),
    });
    let plots = charts.chain(growth);
    plots.filter(|plot| !plot.series.lines.is_empty()).collect()
}

impl Chart {
    fn series(&self, results: &Results) -> Series {
        let settings = settings(self.part).into_iter();
        let settings = settings.filter(|setting| setting.placement == self.placement);
        let settings: Vec<_> = settings.collect();
        let who = results.participants(self.part, &settings);
        let x = match self.part {
            Part::Pairs => "connections",
            _ => "bytes of a message",
        };
        Series {
            topic: self.name.to_owned(),
            title: self.title.to_owned(),
            x: Axis::new(x),
            y: Axis::new(self.figure.title()),
            lines: who
                .filter(|who| (self.who)(who))
                .map(|who| self.line(results, who, &settings))
                .collect(),
        }
    }

    fn line(&self, results: &Results, who: &Identity, settings: &[Setting]) -> Line {
        let points = settings.iter().filter_map(|&setting| {
            let cell = results.cell(&who.key, self.part, setting)?;
            let x = match self.part {
                Part::Pairs => setting.connections,
                _ => setting.size,
            };
            Some((x as f64, cell.values(self.figure)))
        });
        Line {
            name: who.title.clone(),
            points: points.collect(),
        }
    }
}

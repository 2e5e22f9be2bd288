//! The figures as bars.

use std::ops::Range;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::report::Report;
use super::transport::Transport;

const SIZE: (u32, u32) = (1000, 480);
/// Where the legend begins.
const LEGEND: i32 = 430;
const FONT: &str = "sans-serif";

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Some bars beside each other, and what stands below them.
struct Group {
    name: String,
    bars: Vec<Bar>,
}

struct Bar {
    transport: Transport,
    value: f64,
    is_pale: bool,
}

/// The plot as SVG.
pub(super) fn draw(report: &Report) -> Result<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (charts, legend) = root.split_vertically(LEGEND);
        let (left, right) = charts.split_horizontally(SIZE.0 / 2);
        let title = "Round trips of 64 B: median, and 99th percentile (pale), us";
        draw_chart(&left, title, &round_trips(report))?;
        draw_chart(&right, "One way, GB/s", &one_way(report))?;
        draw_legend(&legend, report)?;
        root.present()?;
    }
    Ok(svg)
}

fn round_trips(report: &Report) -> Vec<Group> {
    let lines = report.round_trips.iter();
    let groups = lines.map(|line| {
        let bar = |ns: f64, is_pale| Bar {
            transport: line.transport,
            value: ns / 1e3,
            is_pale,
        };
        Group {
            name: String::new(),
            bars: vec![bar(line.p50_ns, false), bar(line.p99_ns, true)],
        }
    });
    groups.collect()
}

fn one_way(report: &Report) -> Vec<Group> {
    let groups = report.one_way.chunk_by(|a, b| a.bytes == b.bytes);
    let groups = groups.map(|lines| {
        let bars = lines.iter().map(|line| Bar {
            transport: line.transport,
            value: line.bytes_per_second / 1e9,
            is_pale: false,
        });
        let bytes = lines.first().map_or(0, |line| line.bytes);
        Group {
            name: match bytes {
                bytes if bytes < 1024 => format!("{bytes} B"),
                bytes => format!("{} KiB", bytes / 1024),
            },
            bars: bars.collect(),
        }
    });
    groups.collect()
}

fn colour(transport: Transport) -> RGBColor {
    match transport {
        Transport::ZocketBlocking => RGBColor(0x08, 0x45, 0x94),
        Transport::ZocketSpinning => RGBColor(0x21, 0x8f, 0xd6),
        Transport::Pipe => RGBColor(0x1b, 0x7a, 0x3d),
        Transport::UnixStream => RGBColor(0xe0, 0x8a, 0x00),
    }
}

fn draw_chart(area: &Area<'_>, title: &str, groups: &[Group]) -> Result<()> {
    let ends = ends(groups);
    let floor = ends.start;
    let width = groups.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 16))
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..width, ends.log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(0)
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(0xe4, 0xe4, 0xe4))
        .axis_style(RGBColor(0x80, 0x80, 0x80))
        .label_style((FONT, 13))
        .y_label_formatter(&|value| format!("{value}"))
        .draw()?;
    for (left, group) in groups.iter().enumerate() {
        let left = left as f64;
        let step = 0.8 / group.bars.len() as f64;
        chart.draw_series(group.bars.iter().enumerate().map(|(index, bar)| {
            let from = left + 0.1 + step * index as f64;
            let corners = [(from, floor), (from + step * 0.9, bar.value.max(floor))];
            let opacity = if bar.is_pale { 0.4 } else { 1.0 };
            Rectangle::new(corners, colour(bar.transport).mix(opacity).filled())
        }))?;
        let (x, y) = chart.backend_coord(&(left + 0.5, floor));
        let (base_x, base_y) = area.get_base_pixel();
        let style = text_style(HPos::Center, VPos::Top);
        let place = (x - base_x, y - base_y + 8);
        area.draw(&Text::new(group.name.clone(), place, style))?;
    }
    Ok(())
}

/// Powers of ten around all values.
fn ends(groups: &[Group]) -> Range<f64> {
    let values = groups.iter().flat_map(|group| &group.bars);
    let values = values.map(|bar| bar.value);
    let values: Vec<_> = values.filter(|&v| v.is_finite() && v > 0.0).collect();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(0.0, f64::max);
    if values.is_empty() {
        return 1.0..10.0;
    }
    let floor = 10_f64.powf((least / 1.5).log10().floor());
    floor..10_f64.powf(most.log10().ceil()).max(floor * 10.0)
}

fn draw_legend(area: &Area<'_>, report: &Report) -> Result<()> {
    for (index, line) in (0..).zip(&report.round_trips) {
        let x = 70 + index * 220;
        let corners = [(x, 4), (x + 14, 18)];
        area.draw(&Rectangle::new(corners, colour(line.transport).filled()))?;
        let style = text_style(HPos::Left, VPos::Center);
        area.draw(&Text::new(line.transport.to_string(), (x + 22, 11), style))?;
    }
    let style = text_style(HPos::Left, VPos::Center);
    area.draw(&Text::new(report.headline(), (70, 36), style))?;
    Ok(())
}

fn text_style(horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    let style = (FONT, 13).into_font().color(&BLACK);
    style.pos(Pos::new(horizontal, vertical))
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::made_up;
    use super::*;

    #[test]
    fn plot_shows_all_transports_and_sizes() {
        let svg = draw(&made_up()).unwrap();
        for text in [
            "<svg",
            "4 KiB",
            "zocket, blocking",
            "AF_UNIX",
            "CPUs 0 and 1",
        ] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn axis_ends_at_powers_of_ten() {
        let group = |values: &[f64]| Group {
            name: String::new(),
            bars: values
                .iter()
                .map(|&value| Bar {
                    transport: Transport::Pipe,
                    value,
                    is_pale: false,
                })
                .collect(),
        };
        let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-9;
        let range = ends(&[group(&[0.2]), group(&[90.0, f64::NAN])]);
        assert!(
            close(range.start, 0.1) && close(range.end, 100.0),
            "{range:?}"
        );
        assert_eq!(ends(&[]), 1.0..10.0);
    }
}

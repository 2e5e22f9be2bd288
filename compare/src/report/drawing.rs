//! Draws a plot: of each line the medians, and the range of the rounds at each point.

use anyhow::Result;
use plotters::coord::Shift;
use plotters::coord::combinators::{LogCoord, WithKeyPoints};
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::channel::Class;
use crate::results::{Axis, Identity, Line, Series};
use crate::stats::Spread;

const SIZE: (u32, u32) = (1040, 560);
/// Where the legend begins.
const LEGEND: i32 = 740;
const FONT: &str = "sans-serif";

/// For this project's lines: blue and red, dark and light.
const OURS: [RGBColor; 7] = [
    RGBColor(0x08, 0x45, 0x94),
    RGBColor(0x21, 0x8f, 0xd6),
    RGBColor(0x6b, 0xc8, 0xf2),
    RGBColor(0x54, 0x4a, 0xc9),
    RGBColor(0xb3, 0x10, 0x2c),
    RGBColor(0xee, 0x3f, 0x3f),
    RGBColor(0xf7, 0x94, 0x8d),
];
/// For all others.
const OTHERS: [RGBColor; 10] = [
    RGBColor(0x1b, 0x7a, 0x3d),
    RGBColor(0xe0, 0x8a, 0x00),
    RGBColor(0x8c, 0x56, 0x4b),
    RGBColor(0xc2, 0x4f, 0xb0),
    RGBColor(0x7a, 0xb8, 0x2e),
    RGBColor(0x00, 0x9e, 0x8e),
    RGBColor(0xc9, 0xa2, 0x27),
    RGBColor(0x6d, 0x4c, 0x9f),
    RGBColor(0x9a, 0x9a, 0x00),
    RGBColor(0xd4, 0x73, 0x5e),
];
/// For what is no alternative.
const GREYS: [RGBColor; 4] = [
    RGBColor(0x60, 0x60, 0x60),
    RGBColor(0x88, 0x88, 0x88),
    RGBColor(0xaa, 0xaa, 0xaa),
    RGBColor(0x10, 0x10, 0x10),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The plot as SVG.
pub(super) fn draw(series: &Series, contestants: &[Identity]) -> Result<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let lines = looks(series, contestants);
        let (left, right) = root.split_horizontally(LEGEND);
        draw_chart(&left, series, &lines)?;
        draw_legend(&right, &lines)?;
        root.present()?;
    }
    Ok(svg)
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Look {
    colour: RGBColor,
    width: u32,
    /// Lengths of dashes and of gaps; none for a line without.
    dashes: Option<(i32, i32)>,
}

impl Look {
    fn stroke(self) -> ShapeStyle {
        self.colour.stroke_width(self.width)
    }
}

/// This project's lines are thick; limits are dashed, and what goes between threads is dotted.
fn looks<'a>(series: &'a Series, contestants: &[Identity]) -> Vec<(&'a Line, Look)> {
    // Of a contestant the same in every plot.
    let place = |line: &Line| {
        let identity = contestants.iter().find(|who| who.title == line.name)?;
        let mut class = contestants.iter().filter(|who| who.class == identity.class);
        let index = class.position(|who| who.key == identity.key)?;
        Some((identity.class, index))
    };
    let lines = series.lines.iter().enumerate();
    lines
        .map(|(number, line)| {
            let (class, index) = place(line).unwrap_or((Class::Zocket, number * 4));
            (line, look(class, index))
        })
        .collect()
}

fn look(class: Class, index: usize) -> Look {
    let of = |colours: &[RGBColor]| colours[index % colours.len()];
    match class {
        Class::Zocket => Look {
            colour: of(&OURS),
            width: 4,
            dashes: None,
        },
        Class::Peer => Look {
            colour: of(&OTHERS),
            width: 2,
            dashes: None,
        },
        Class::Limit => Look {
            colour: of(&GREYS),
            width: 2,
            dashes: Some((7, 4)),
        },
        Class::InProcess => Look {
            colour: of(&GREYS),
            width: 2,
            dashes: Some((2, 3)),
        },
    }
}

fn draw_chart(area: &Area<'_>, series: &Series, lines: &[(&Line, Look)]) -> Result<()> {
    let points = || lines.iter().flat_map(|(line, _)| &line.points);
    let xs: Vec<_> = points().map(|&(x, _)| x).collect();
    let ys = points().flat_map(|(_, values)| values.iter().copied());
    let x = Scale::of(&series.x, &xs).with_ticks_at(xs);
    let y = Scale::of(&series.y, &ys.collect::<Vec<_>>());
    let mut chart = ChartBuilder::on(area)
        .caption(&series.title, (FONT, 18))
        .margin(14)
        .margin_right(6)
        .x_label_area_size(48)
        .y_label_area_size(76)
        .build_cartesian_2d(x.coordinate(), y.coordinate())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(0xe4, 0xe4, 0xe4))
        .axis_style(RGBColor(0x80, 0x80, 0x80))
        .label_style((FONT, 13))
        .axis_desc_style((FONT, 15))
        .x_label_formatter(&|&at| series.x.point(at))
        .y_label_formatter(&|&at| series.y.point(at))
        .x_desc(&series.x.label)
        .y_desc(&series.y.label)
        .draw()?;
    // Ours last, so that they lie above.
    let mut lines = lines.to_vec();
    lines.sort_by_key(|(_, look)| look.width);
    for (line, look) in lines {
        draw_line(&mut chart, line, look)?;
    }
    Ok(())
}

type Coordinate = WithKeyPoints<LogCoord<f64>>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Coordinate, Coordinate>>;

/// The line through the medians, and at each point the range.
fn draw_line(chart: &mut Chart<'_, '_>, line: &Line, look: Look) -> Result<()> {
    let spreads = spreads(line, chart.x_range().start, chart.y_range().start);
    let medians = spreads.iter().map(|&(at, spread)| (at, spread.median));
    let medians: Vec<_> = medians.collect();
    if let Some((dash, gap)) = look.dashes {
        chart.draw_series(DashedLineSeries::new(
            medians.clone(),
            dash,
            gap,
            look.stroke(),
        ))?;
    } else {
        chart.draw_series(LineSeries::new(medians.clone(), look.stroke()))?;
    }
    let radius = look.width + 1;
    chart.draw_series(
        medians
            .iter()
            .map(|&at| Circle::new(at, radius, look.colour.filled())),
    )?;
    chart.draw_series(spreads.iter().map(|&(at, spread)| {
        let ends = [spread.least, spread.most].map(|value| (at, value));
        PathElement::new(ends, look.colour.mix(0.6).stroke_width(1))
    }))?;
    Ok(())
}

/// Where a line is drawn. What has no logarithm is at the lower end of an axis.
fn spreads(line: &Line, least_x: f64, least_y: f64) -> Vec<(f64, Spread)> {
    let spreads = line.points.iter().filter_map(|(at, values)| {
        let values: Vec<_> = values.iter().map(|value| value.max(least_y)).collect();
        Some((at.max(least_x), Spread::of(&values)?))
    });
    spreads.collect()
}

/// Beside the plot, in the order in which the lines end there.
fn draw_legend(area: &Area<'_>, lines: &[(&Line, Look)]) -> Result<()> {
    let last = |line: &Line| {
        let values = line.points.last().map(|(_, values)| values.as_slice());
        Spread::of(values.unwrap_or_default()).map_or(0.0, |spread| spread.median)
    };
    let mut lines = lines.to_vec();
    lines.sort_by(|(a, _), (b, _)| last(b).total_cmp(&last(a)));
    let text = (FONT, 13)
        .into_font()
        .color(&BLACK)
        .pos(Pos::new(HPos::Left, VPos::Center));
    for (row, (line, look)) in (0..).zip(lines) {
        let height = 52 + row * 22;
        let stroke = vec![(10, height), (44, height)];
        if let Some((dash, gap)) = look.dashes {
            area.draw(&DashedPathElement::new(stroke, dash, gap, look.stroke()))?;
        } else {
            area.draw(&PathElement::new(stroke, look.stroke()))?;
        }
        let name = line.name.replace('`', "");
        area.draw(&Text::new(name, (52, height), text.clone()))?;
    }
    Ok(())
}

/// The ends of an axis, which is logarithmic, and its ticks.
#[derive(Clone, Debug)]
struct Scale {
    least: f64,
    most: f64,
    ticks: Vec<f64>,
}

impl Scale {
    /// For those of the values that have a logarithm.
    fn of(axis: &Axis, values: &[f64]) -> Self {
        let values = values.iter().copied().filter(has_logarithm);
        let spread = Spread::of(&values.collect::<Vec<_>>());
        let (least, most) = spread.map_or((1.0, 1.0), |spread| (spread.least, spread.most));
        let (least, most) = (least / 1.2, most * 1.2);
        let mut ticks = if axis.label.contains("bytes") {
            powers_of(4.0)
        } else {
            one_two_five(most / least)
        };
        ticks.retain(|&tick| least <= tick && tick <= most);
        Self { least, most, ticks }
    }

    /// With ticks where there are values, if they find room.
    fn with_ticks_at(self, mut values: Vec<f64>) -> Self {
        values.retain(has_logarithm);
        values.sort_by(f64::total_cmp);
        values.dedup();
        let few = values.len() <= 10;
        let ticks = if few { values } else { self.ticks };
        Self { ticks, ..self }
    }

    fn coordinate(&self) -> Coordinate {
        let range = (self.least..self.most).log_scale();
        range.with_key_points(self.ticks.clone())
    }
}

fn has_logarithm(value: &f64) -> bool {
    value.is_finite() && *value > 0.0
}

/// From one on.
fn powers_of(base: f64) -> Vec<f64> {
    (0..32).map(|exponent| base.powi(exponent)).collect()
}

/// The more, the fewer powers of ten there are between the ends.
fn one_two_five(ratio: f64) -> Vec<f64> {
    let factors: &[f64] = if ratio < 300.0 {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0]
    };
    let powers = (-9..=15).map(|exponent| 10_f64.powi(exponent));
    powers
        .flat_map(|power| factors.iter().map(move |factor| factor * power))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::made_up;

    #[test]
    fn plot_shows_each_line_and_what_the_axes_are() {
        let svg = draw(&made_up::series(), &[]).unwrap();
        for text in [
            "messages of 4 KiB",
            "capacity, bytes",
            "GB/s",
            "64 KiB",
            "Throughput by",
        ] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn series_without_points_is_drawn() {
        let mut series = made_up::series();
        series.lines[0].points.clear();
        series.lines[1].points = vec![(64.0, Vec::new())];
        assert!(draw(&series, &[]).is_ok());
    }

    #[test]
    fn ticks_are_one_two_and_five_or_powers_of_four() {
        let ticks = |label| Scale::of(&Axis::new(label), &[0.0, 1.0, 100.0]).ticks;
        assert_eq!(ticks("us"), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert_eq!(ticks("bytes"), [1.0, 4.0, 16.0, 64.0]);
    }

    #[test]
    fn ticks_are_at_few_values_but_not_at_many() {
        let ticks = |values: Vec<f64>| {
            let scale = Scale::of(&Axis::new("endpoints"), &values);
            scale.with_ticks_at(values).ticks
        };
        assert_eq!(ticks(vec![30.0, 3.0, 0.0, 3.0]), [3.0, 30.0]);
        let many = (1..=11).map(f64::from).collect();
        assert_eq!(ticks(many), [1.0, 2.0, 5.0, 10.0]);
    }

    #[test]
    fn value_without_logarithm_is_at_the_lower_end() {
        let line = Line {
            name: "naps".into(),
            points: vec![(0.0, vec![0.0, 4.0, f64::NAN])],
        };
        let expected = Spread {
            least: 0.5,
            median: 0.5,
            most: 4.0,
        };
        assert_eq!(spreads(&line, 0.25, 0.5), [(0.25, expected)]);
    }

    #[test]
    fn lines_of_this_project_are_the_thickest() {
        let widths =
            [Class::Limit, Class::Peer, Class::InProcess].map(|class| look(class, 0).width);
        assert!(
            widths
                .iter()
                .all(|&width| width < look(Class::Zocket, 0).width)
        );
    }
}

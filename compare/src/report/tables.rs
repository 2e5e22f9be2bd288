//! Tables in Markdown.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use super::figure::{self, Figure};
use crate::plan::{Part, settings};
use crate::results::{Cell, Fact, Identity, Results, Series};
use crate::stats::Spread;
use crate::task::{Bytes, Placement, Setting};

/// What stands where nothing was measured.
const NOTHING: &str = "–";

/// A table whose first columns are text and the others numbers.
pub(super) fn markdown(texts: usize, head: &[String], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(head);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(texts) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    align(texts, &table.to_string())
}

/// Says in the line below the head that numbers are on the right.
fn align(texts: usize, table: &str) -> String {
    let mut lines: Vec<_> = table.lines().map(str::to_owned).collect();
    if let Some(line) = lines.get_mut(1) {
        let columns = line.trim_matches('|').split('|').enumerate();
        let columns = columns.map(|(index, dashes)| match index < texts {
            true => dashes.to_owned(),
            false => format!("{}:", &dashes[1..]),
        });
        *line = format!("|{}|", columns.collect::<Vec<_>>().join("|"));
    }
    lines.join("\n") + "\n"
}

/// A table of what is known of each row in each column; both have a title.
fn grid<'a, R: Copy, C: Copy>(
    corner: &str,
    columns: impl IntoIterator<Item = (String, C)>,
    rows: impl IntoIterator<Item = (&'a str, R)>,
    value: impl Fn(R, C) -> Option<String>,
) -> String {
    let (mut head, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    head.insert(0, corner.to_owned());
    let rows = rows.into_iter().map(|(title, row)| {
        let values = columns.iter().map(|&column| value(row, column));
        let values = values.map(|value| value.unwrap_or(NOTHING.to_owned()));
        [title.to_owned()].into_iter().chain(values).collect()
    });
    markdown(1, &head, rows.collect())
}

impl Results {
    /// How a contestant, or another subject of a fact, is called in tables.
    pub(crate) fn title<'a>(&'a self, key: &'a str) -> &'a str {
        self.identity(key).map_or(key, |identity| &identity.title)
    }

    pub(crate) fn identity(&self, key: &str) -> Option<&Identity> {
        self.contestants.iter().find(|identity| identity.key == key)
    }

    pub(crate) fn cell(&self, key: &str, part: Part, setting: Setting) -> Option<&Cell> {
        let mut cells = self.cells.iter();
        cells.find(|cell| cell.key == key && cell.part == part && cell.setting == setting)
    }

    /// Those that took part in any of the settings, in the order of tables.
    pub(crate) fn participants<'a>(
        &'a self,
        part: Part,
        settings: &[Setting],
    ) -> impl Iterator<Item = &'a Identity> {
        self.contestants.iter().filter(move |identity| {
            let mut settings = settings.iter();
            settings.any(|&setting| self.cell(&identity.key, part, setting).is_some())
        })
    }
}

impl Cell {
    /// A figure in each round.
    pub(crate) fn values(&self, figure: Figure) -> Vec<f64> {
        let rounds = self.rounds.iter();
        rounds.map(|round| figure.of(round, self.setting)).collect()
    }

    pub(crate) fn spread(&self, figure: Figure) -> Option<Spread> {
        Spread::of(&self.values(figure))
    }
}

/// One setting: a row for each contestant, a column for each figure.
pub(super) fn detail(results: &Results, part: Part, setting: Setting) -> String {
    let figures = figures(part).iter();
    let columns = figures.map(|&figure| (figure.title().to_owned(), (setting, figure)));
    contestants(results, part, columns.collect(), figure::spread)
}

/// A row for each contestant, a column for each setting and figure.
fn contestants(
    results: &Results,
    part: Part,
    columns: Vec<(String, (Setting, Figure))>,
    show: fn(Spread) -> String,
) -> String {
    let settings: Vec<_> = columns.iter().map(|&(_, (setting, _))| setting).collect();
    let rows = results.participants(part, &settings);
    let rows = rows.map(|who| (who.title.as_str(), who));
    grid("contestant", columns, rows, |who, (setting, figure)| {
        let cell = results.cell(&who.key, part, setting)?;
        Some(show(cell.spread(figure)?))
    })
}

/// What is shown of the cells of a part.
fn figures(part: Part) -> &'static [Figure] {
    match part {
        Part::OneWay | Part::Made => &[
            Figure::Rate,
            Figure::Throughput,
            Figure::CpuPerGigabyte,
            Figure::Sleeps,
        ],
        Part::Pairs => &[
            Figure::Rate,
            Figure::P50,
            Figure::P99,
            Figure::CpuPerMillion,
            Figure::Slowest,
        ],
        _ => &[
            Figure::P50,
            Figure::P99,
            Figure::P999,
            Figure::Mean,
            Figure::CpuPerMillion,
            Figure::Sleeps,
        ],
    }
}

/// Several settings: a row for each contestant, a column for each setting, medians only.
fn overview(results: &Results, part: Part, settings: &[Setting], figure: Figure) -> String {
    let columns = settings.iter();
    let columns = columns.map(|&setting| (column(part, setting), (setting, figure)));
    contestants(results, part, columns.collect(), |spread| {
        figure::number(spread.median)
    })
}

/// All tables of a part: what matters of it at a glance, and then all of it, folded up.
pub(super) fn part(results: &Results, part: Part) -> String {
    let measured: Vec<_> = settings(part)
        .into_iter()
        .filter(|&setting| results.participants(part, &[setting]).next().is_some())
        .collect();
    let mut text = String::new();
    for (title, table) in overviews(results, part, &measured) {
        let _ = write!(text, "{title}:\n\n{table}\n");
    }
    for setting in measured {
        let table = detail(results, part, setting);
        let _ = write!(
            text,
            "<details><summary>{setting}</summary>\n\n{table}\n</details>\n\n"
        );
    }
    text
}

fn overviews(results: &Results, part: Part, measured: &[Setting]) -> Vec<(String, String)> {
    let mut tables = Vec::new();
    for placement in [Placement::TwoCpus, Placement::OneCpu, Placement::Free] {
        let here = measured.iter().copied();
        let here = here.filter(|setting| setting.placement == placement);
        let here: Vec<_> = here.collect();
        if here.is_empty() {
            continue;
        }
        let place = capitalised(&placement.to_string());
        for &figure in overview_figures(part) {
            tables.push((
                format!("{place}, {}", figure.title()),
                overview(results, part, &here, figure),
            ));
        }
    }
    tables
}

fn overview_figures(part: Part) -> &'static [Figure] {
    match part {
        Part::OneWay => &[Figure::Rate, Figure::Throughput, Figure::CpuPerGigabyte],
        Part::Made => &[Figure::Throughput, Figure::CpuPerGigabyte],
        Part::Pairs => &[Figure::Rate, Figure::CpuPerMillion, Figure::Slowest],
        _ => &[Figure::P50, Figure::CpuPerMillion],
    }
}

/// What tells the settings of a part with one placement apart.
fn column(part: Part, setting: Setting) -> String {
    match part {
        Part::Pairs => format!("{} connections", setting.connections),
        Part::Rests => setting.job.to_string(),
        _ => Bytes(setting.size).to_string(),
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

/// The facts: a table for each topic, a row for each subject.
pub(super) fn facts(results: &Results) -> String {
    let mut text = String::new();
    for topic in distinct(results.facts.iter().map(|fact| fact.topic.as_str())) {
        let facts: Vec<_> = results
            .facts
            .iter()
            .filter(|fact| fact.topic == topic)
            .collect();
        let table = topic_table(results, &facts);
        let _ = write!(text, "### {}\n\n{table}\n", capitalised(topic));
    }
    text
}

fn topic_table(results: &Results, facts: &[&Fact]) -> String {
    let columns = facts.iter().map(|fact| (&*fact.what, &*fact.unit));
    let columns = distinct(columns).into_iter();
    let columns = columns.map(|(what, unit)| (with_unit(what, unit), what));
    let subjects = distinct(facts.iter().map(|fact| &*fact.subject)).into_iter();
    let rows = subjects.map(|subject| (results.title(subject), subject));
    grid("subject", columns, rows, |subject, what| {
        let mut facts = facts.iter();
        let fact = facts.find(|fact| fact.subject == subject && fact.what == what)?;
        Some(figure::spread(Spread::of(&fact.values)?))
    })
}

/// The values of a plot, for those who do not see it.
pub(super) fn series(series: &Series) -> String {
    let (title, table) = (&series.title, series_table(series));
    format!("<details><summary>{title}</summary>\n\n{table}\n</details>\n\n")
}

fn series_table(series: &Series) -> String {
    let points = series.lines.iter().flat_map(|line| &line.points);
    let xs = distinct(points.map(|&(x, _)| x));
    let columns = xs.into_iter().map(|x| (series.x.point(x), x));
    let rows = series.lines.iter().map(|line| (&*line.name, line));
    let corner = format!("{} by {}", series.y.label, series.x.label);
    grid(&corner, columns, rows, |line, at| {
        let (_, values) = line.points.iter().find(|&&(x, _)| x == at)?;
        Some(figure::number(Spread::of(values)?.median))
    })
}

/// A count has no unit.
fn with_unit(what: &str, unit: &str) -> String {
    match unit {
        "" | "1" => what.to_owned(),
        unit => format!("{what}, {unit}"),
    }
}

/// Each once, in the order in which they came.
fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for item in items {
        if !found.contains(&item) {
            found.push(item);
        }
    }
    found
}

/// The machine and the run.
pub(super) fn machine(results: &Results) -> String {
    let date = ("Date".to_owned(), results.date.clone());
    let command = ("Arguments".to_owned(), results.command.clone());
    let lines = results.machine.iter().chain([&date, &command]);
    lines
        .filter(|(_, value)| !value.is_empty())
        .map(|(what, value)| format!("- {what}: {value}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::made_up;

    /// The cells of the row that begins with a title, in the first table that has one.
    fn row<'a>(text: &'a str, title: &str) -> Vec<&'a str> {
        let mut lines = text
            .lines()
            .map(|line| line.trim_matches('|').split('|').map(str::trim));
        let line = lines.find(|line| line.clone().next() == Some(title));
        line.expect("there is such a row").skip(1).collect()
    }

    #[test]
    fn numbers_are_on_the_right() {
        let rows = vec![vec!["a".into(), "1".into()]];
        let table = markdown(1, &["who", "what"].map(str::to_owned), rows);
        assert_eq!(table, "| who | what |\n|-----|-----:|\n| a   |    1 |\n");
    }

    #[test]
    fn part_has_an_overview_and_every_setting() {
        let text = part(&made_up::results(), Part::RoundTrips);
        assert!(text.starts_with("Two CPUs, p50, us:"));
        assert_eq!(
            text.matches("<details>").count(),
            settings(Part::RoundTrips).len()
        );
        // It is the first of all, so that it takes one microsecond and one more in each round.
        assert_eq!(row(&text, "cache line"), ["2.00", "2.00", "–", "–"]);
    }

    #[test]
    fn detail_shows_the_range_of_the_rounds() {
        let setting = settings(Part::RoundTrips)[0];
        let text = detail(&made_up::results(), Part::RoundTrips, setting);
        assert_eq!(row(&text, "cache line")[0], "2.00 (1.00 – 3.00)");
    }

    #[test]
    fn facts_have_a_table_for_each_topic() {
        let text = facts(&made_up::results());
        assert!(text.starts_with("### Creation\n"));
        assert!(text.contains("a pair, us | descriptors |"));
        assert_eq!(row(&text, "kernel pipe"), ["9.00 (8.00 – 12.00)", "4.00"]);
        assert_eq!(row(&text, "shelf"), ["1.00", "–"]);
    }

    #[test]
    fn series_has_a_row_for_each_line() {
        let text = series(&made_up::series());
        assert!(text.contains("| 4 KiB |"));
        assert_eq!(row(&text, "messages of 64 B"), ["1.10"; 3]);
    }

    #[test]
    fn nothing_measured_is_nothing_said() {
        assert_eq!(part(&Results::default(), Part::OneWay), "");
        assert_eq!(facts(&Results::default()), "");
    }
}

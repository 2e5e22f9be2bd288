//! The report: tables and plots made of results, and the page that they are put into.

mod bars;
mod drawing;
mod figure;
mod page;
mod plots;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::plan::Part;
use crate::results::Results;
use crate::task::Setting;
use plots::Plot;

/// The documents of this project; the page that is there is the template of others.
const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
const PAGE: &str = "performance.md";
/// Holds the plots and the results, beside the page.
const DIRECTORY: &str = "performance";
const RESULTS: &str = "results.json";

/// The parts whose contests are shown, and the names of their sections.
const PARTS: [(Part, &str); 5] = [
    (Part::RoundTrips, "round-trips"),
    (Part::Rests, "rests"),
    (Part::OneWay, "one-way"),
    (Part::Made, "made"),
    (Part::Pairs, "pairs"),
];

/// Where reports go if nobody says otherwise.
pub(crate) fn docs() -> PathBuf {
    DOCS.into()
}

/// Where the results of the last report are.
pub(crate) fn last_results() -> PathBuf {
    docs().join(DIRECTORY).join(RESULTS)
}

/// The table of one contest.
pub(crate) fn contest(results: &Results, part: Part, setting: Setting) -> String {
    tables::detail(results, part, setting)
}

/// All tables, for a terminal.
pub(crate) fn text(results: &Results) -> String {
    let sections = sections(results).into_iter();
    let measured = sections.filter(|(_, text)| !text.is_empty());
    measured
        .map(|(name, text)| format!("## {name}\n\n{text}\n"))
        .collect()
}

/// Writes the page, the plots and the results into a directory.
pub(crate) fn write(results: &Results, out: &Path) -> Result<()> {
    let directory = out.join(DIRECTORY);
    fs::create_dir_all(&directory)?;
    for plot in plots::all(results) {
        let path = directory.join(format!("{}.svg", plot.series.topic));
        fs::write(path, drawing::draw(&plot.series, &results.contestants)?)?;
    }
    let json = serde_json::to_string(results)?;
    fs::write(directory.join(RESULTS), json)?;

    let path = out.join(PAGE);
    let template = if path.exists() {
        &path
    } else {
        &docs().join(PAGE)
    };
    let mut page = fs::read_to_string(template)
        .with_context(|| format!("cannot read {}", template.display()))?;
    let sections = sections(results);
    // What is not measured now does not stay as it was then.
    for name in page::sections(&page) {
        page = page::replace(&page, &name, "")?;
    }
    for (name, text) in sections.iter().filter(|(_, text)| !text.is_empty()) {
        page = page::replace(&page, name, &(embedded(results, name) + text))?;
    }
    Ok(fs::write(path, page)?)
}

/// The results in a file.
pub(crate) fn read(path: &Path) -> Result<Results> {
    let json = fs::read_to_string(path);
    let json = json.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(serde_json::from_str(&json)?)
}

/// The sections' names, as in the page's markers, and their tables.
fn sections(results: &Results) -> Vec<(&str, String)> {
    let mut sections = vec![
        ("machine", tables::machine(results)),
        ("bars", bars::tables(results)),
    ];
    sections.extend(PARTS.map(|(part, name)| (name, tables::part(results, part))));
    sections.push(("facts", tables::facts(results)));
    let series = results.series.iter();
    sections.extend(series.map(|series| (series.topic.as_str(), tables::series(series))));
    sections
}

/// The plots of a section, as the page shows them.
fn embedded(results: &Results, name: &str) -> String {
    let plots = plots::all(results).into_iter();
    let here = plots.filter(|plot| section(plot) == name);
    here.map(|plot| {
        let series = plot.series;
        format!("![{}]({DIRECTORY}/{}.svg)\n\n", series.title, series.topic)
    })
    .collect()
}

/// That of its part; how something grows is a section of its own.
fn section(plot: &Plot) -> &str {
    let part = PARTS.iter().find(|(part, _)| *part == plot.part);
    part.map_or(&plot.series.topic, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::made_up;

    #[test]
    fn report_is_written_and_read_again() {
        let out = tempfile::tempdir().unwrap();
        let results = made_up::results();
        write(&results, out.path()).unwrap();

        let directory = out.path().join(DIRECTORY);
        let again = read(&directory.join(RESULTS)).unwrap();
        assert_eq!(text(&again), text(&results));
        let page = fs::read_to_string(out.path().join(PAGE)).unwrap();
        assert!(page.contains("| zocket stream, blocking"));
        assert!(page.contains("(performance/capacity.svg)"));
        assert_eq!(page.matches("(performance/pairs.svg)").count(), 1);
        assert!(directory.join("capacity.svg").exists());
    }

    #[test]
    fn page_has_a_place_for_each_section() {
        let page = fs::read_to_string(docs().join(PAGE)).unwrap();
        let places = page::sections(&page);
        for (name, _) in sections(&made_up::results()) {
            assert!(places.iter().any(|place| place == name), "{name}");
        }
    }
}

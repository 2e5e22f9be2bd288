//! The guide hangs together: its summary names every chapter, every chapter is compiled and run with the doc tests,
//! and what links to a place within the guide finds it. (mdBook itself checks only that the chapters of the summary exist.)

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The text of each file in the guide.
fn files() -> BTreeMap<String, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide/src");
    let entries = fs::read_dir(source).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

/// A text without its blocks of code.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let is_prose = |line: &&str| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    };
    let lines: Vec<_> = text.lines().filter(is_prose).collect();
    lines.join("\n")
}

/// Where the links of a text go.
fn links(text: &str) -> Vec<String> {
    let after = text.split("](").skip(1);
    let targets = after.filter_map(|rest| rest.split(')').next());
    targets.map(str::to_owned).collect()
}

/// What can be linked to in a text, as mdBook names it.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|heading| {
            let title = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn summary_and_doc_tests_have_every_chapter() {
    let files = files();
    let mut chapters: Vec<_> = files.keys().filter(|name| *name != "SUMMARY.md").collect();
    let summary = links(&files["SUMMARY.md"]);
    let mut named: Vec<_> = summary.iter().collect();
    named.sort();
    chapters.sort();
    assert_eq!(named, chapters);
    let tested = include_str!("../src/lib.rs");
    for chapter in chapters {
        assert!(
            tested.contains(&format!("\"{chapter}\"")),
            "{chapter} is not in src/lib.rs"
        );
    }
}

#[test]
fn links_within_the_guide_lead_somewhere() {
    let files = files();
    let texts: BTreeMap<_, _> = files
        .iter()
        .map(|(name, text)| (name, prose(text)))
        .collect();
    for (name, text) in &texts {
        for link in links(text)
            .iter()
            .filter(|link| !link.starts_with("https://"))
        {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { name.as_str() } else { file };
            let target = texts.get(&file.to_owned());
            let target = target.unwrap_or_else(|| panic!("{name}: {link}: no such chapter"));
            let found = anchor.is_empty() || anchors(target).contains(anchor);
            assert!(found, "{name}: {link}: no such heading");
        }
    }
}

#[test]
fn only_what_shows_other_crates_need_not_compile() {
    for (name, text) in files() {
        // What stands between fences, with what the first says of it.
        for block in text.split("```").skip(1).step_by(2) {
            let (language, code) = block.split_once('\n').unwrap();
            let is_compiled = !language.contains("ignore");
            assert!(is_compiled || !code.contains("zocket"), "{name}: {code}");
        }
    }
}

/// Into this repository, from the guide, the README and the other documents' side of it.
#[test]
fn links_from_the_guide_to_the_repository_lead_somewhere() {
    const REPOSITORY: &str = "https://github.com/zocket-rs/zocket/blob/main/";
    for (name, text) in files() {
        let links = links(&prose(&text));
        for path in links
            .iter()
            .filter_map(|link| link.strip_prefix(REPOSITORY))
        {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
            assert!(file.exists(), "{name}: there is no {path}");
        }
    }
}

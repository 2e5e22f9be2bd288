//! The page: prose written by hand, and between markers what is generated.

use anyhow::{Context, Result};

/// What stands between markers if there is nothing to say.
const NOT_MEASURED: &str = "Not measured in this run.";

/// The names of its sections.
pub(super) fn sections(page: &str) -> Vec<String> {
    let lines = page.lines();
    let names = lines.filter_map(|line| line.strip_prefix("<!-- begin ")?.strip_suffix(" -->"));
    names.map(str::to_owned).collect()
}

/// Puts a text between the markers of a section.
pub(super) fn replace(page: &str, name: &str, text: &str) -> Result<String> {
    let begin = format!("<!-- begin {name} -->\n");
    let end = format!("<!-- end {name} -->");
    let split = || {
        let (before, rest) = page.split_once(&begin)?;
        let (_, after) = rest.split_once(&end)?;
        Some((before, after))
    };
    let (before, after) = split().with_context(|| format!("the page has no markers for {name}"))?;
    let text = match text.trim() {
        "" => NOT_MEASURED,
        text => text,
    };
    Ok(format!("{before}{begin}\n{text}\n\n{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str =
        "above\n<!-- begin a -->\nold\n<!-- end a -->\nbelow\n<!-- begin b -->\n<!-- end b -->\n";

    #[test]
    fn sections_are_those_that_begin() {
        assert_eq!(sections(PAGE), ["a", "b"]);
    }

    #[test]
    fn text_between_markers_is_replaced_and_the_rest_stays() {
        let page = replace(PAGE, "a", "new\n").unwrap();
        let expected = PAGE.replace("\nold\n", "\n\nnew\n\n");
        assert_eq!(page, expected);
    }

    #[test]
    fn replacing_again_changes_nothing() {
        let once = replace(PAGE, "b", "new").unwrap();
        assert_eq!(replace(&once, "b", "new").unwrap(), once);
    }

    #[test]
    fn section_without_measurements_says_so() {
        let page = replace(PAGE, "a", "").unwrap();
        assert!(page.contains(NOT_MEASURED));
    }

    #[test]
    fn missing_marker_is_an_error() {
        assert!(replace(PAGE, "c", "new").is_err());
        assert!(replace("<!-- begin a -->\n", "a", "new").is_err());
    }
}

//! Progress, for those who watch: drawn on standard error, and only if that is a
//! terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const BAR: &str =
    "{msg:18} {bar:30} {binary_bytes:>11} of {binary_total_bytes}  {binary_bytes_per_sec}";
const SPINNER: &str = "{spinner} {msg} {binary_bytes}";

/// A bar for something that takes `bytes` bytes.
pub(super) fn bar(bytes: u64, what: impl ToString) -> ProgressBar {
    // Draws nothing where standard error is no terminal.
    let bar = ProgressBar::new(bytes).with_message(what.to_string());
    bar.set_style(ProgressStyle::with_template(BAR).expect("a valid template"));
    bar
}

/// A count of bytes for something whose length is not known.
pub(super) fn spinner(what: impl ToString) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(what.to_string());
    spinner.set_style(ProgressStyle::with_template(SPINNER).expect("a valid template"));
    if !spinner.is_hidden() {
        spinner.enable_steady_tick(Duration::from_millis(100));
    }
    spinner
}

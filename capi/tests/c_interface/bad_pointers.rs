//! The library with the feature `checked-pointers`.

use crate::sections;
use crate::support::Variant;

/// Those of `tests/c` that make sense with that feature only.
pub(crate) const PROGRAMS: [&str; 2] = ["bad_pointers", "bad_pointers_sandboxed"];

#[test]
fn bad_pointers_are_errors() {
    sections::run(PROGRAMS[0], Variant::CheckedPointers);
}

#[test]
fn where_pointers_cannot_be_checked_calls_are_refused() {
    sections::run(PROGRAMS[1], Variant::CheckedPointers);
}

/// The way of copying must not change anything else.
#[test]
fn reading_and_writing_are_the_same() {
    sections::run("section_05_write", Variant::CheckedPointers);
    sections::run("section_06_read", Variant::CheckedPointers);
}

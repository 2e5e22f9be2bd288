//! The library with the feature `checked-pointers`.

use crate::sections;
use crate::support::Variant;

pub(crate) const PROGRAM: &str = "bad_pointers";

#[test]
fn bad_pointers_are_errors() {
    sections::run(PROGRAM, Variant::CheckedPointers);
}

/// The way of copying must not change anything else.
#[test]
fn reading_and_writing_are_the_same() {
    sections::run("section_05_write", Variant::CheckedPointers);
    sections::run("section_06_read", Variant::CheckedPointers);
}

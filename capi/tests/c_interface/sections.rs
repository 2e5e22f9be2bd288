//! What the calls do: the C programs in `tests/c`, one per section of the specification.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{
    Compiler, Language, Library, Linking, Run, Variant, manifest_dir, scratch_dir,
};

macro_rules! programs {
    ($($name:ident)*) => {
        const PROGRAMS: &[&str] = &[$(stringify!($name)),*];

        $(#[test]
        fn $name() {
            run(stringify!($name), Variant::Plain);
        })*
    };
}

programs! {
    additions
    section_01_numbers
    section_02_objects
    section_03_order
    section_04_create
    section_05_write
    section_06_read
    section_07_disposition
    section_08_signals
    section_09_thresholds
    section_10_info
    section_11_properties
    section_12_waiting
    section_13_ports
    section_14_handles
    section_15_capacity
    section_16_easy_to_get_wrong
    section_17_concurrency
}

/// Compiles a program of `tests/c` and runs it.
pub(crate) fn run(name: &str, variant: Variant) {
    let compiler = Compiler::find(Language::C).expect("it panics if there is none");
    let dir = scratch_dir();
    let program = dir.path().join(name);
    let source = manifest_dir().join(format!("tests/c/{name}.c"));
    let library = Library::get(variant);
    library.compile(&compiler, "-std=c11", &source, Linking::Shared, &program);
    Run::new(&program).succeed();
}

#[test]
fn no_program_is_forgotten() {
    let listed: BTreeSet<_> = PROGRAMS
        .iter()
        .copied()
        .chain(crate::bad_pointers::PROGRAMS)
        .map(String::from)
        .collect();
    let there: BTreeSet<_> = fs::read_dir(manifest_dir().join("tests/c"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".c").map(String::from))
        .collect();
    assert_eq!(listed, there);
}

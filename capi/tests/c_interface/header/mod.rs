//! `include/zocket.h`: that it is what the sources say, and that compilers like it.

mod constants;
mod generate;

use std::env;
use std::fs;

use crate::support::{Compiler, Language, manifest_dir, scratch_dir};

/// Set it to have the header written instead of compared.
const BLESS: &str = "ZOCKET_BLESS";

#[test]
fn header_is_what_the_sources_say() {
    let path = manifest_dir().join("include/zocket.h");
    let expected = generate::header();
    if env::var_os(BLESS).is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    if found != expected {
        panic!(
            "{} is not what the sources say{}\nIf the change is wanted, run\n    \
             {BLESS}=1 cargo test -p zocket-capi header\nand commit the file.",
            path.display(),
            first_difference(&found, &expected)
        );
    }
}

fn first_difference(found: &str, expected: &str) -> String {
    let (mut found, mut expected) = (found.lines(), expected.lines());
    for number in 1.. {
        match (found.next(), expected.next()) {
            (None, None) => break,
            (ours, theirs) if ours == theirs => {}
            (ours, theirs) => {
                return format!(
                    ", from line {number} on:\n  in the file:  {}\n  should be:    {}",
                    ours.unwrap_or("(its end)"),
                    theirs.unwrap_or("(its end)")
                );
            }
        }
    }
    String::from(" (line endings)")
}

/// Alone in a file, so that it includes what it needs, and twice, for the guard.
const ONLY_THE_HEADER: &str = "#include <zocket.h>\n#include <zocket.h>\nint unused;\n";

#[test]
fn header_compiles_as_c11() {
    compiles(Language::C, "-std=c11");
}

#[test]
fn header_compiles_as_c17() {
    compiles(Language::C, "-std=c17");
}

#[test]
fn header_compiles_as_cpp17() {
    compiles(Language::Cpp, "-std=c++17");
}

#[test]
fn header_compiles_as_cpp11() {
    compiles(Language::Cpp, "-std=c++11");
}

fn compiles(language: Language, standard: &str) {
    let Some(compiler) = Compiler::find(language) else {
        return;
    };
    let dir = scratch_dir();
    let source = dir
        .path()
        .join("only_the_header")
        .with_extension(language.extension());
    fs::write(&source, ONLY_THE_HEADER).unwrap();
    compiler
        .command(standard)
        .arg("-I")
        .arg(manifest_dir().join("include"))
        .args(["-c", "-o"])
        .arg(dir.path().join("out.o"))
        .arg(&source)
        .succeed();
}

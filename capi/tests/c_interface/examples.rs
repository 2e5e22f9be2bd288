//! `examples/c`, and the C of the guide: compiled as the C library's README says, and run.

use std::fs;

use crate::support::{
    Compiler, Language, Library, Linking, Run, Variant, manifest_dir, scratch_dir,
};

/// What the first prints in both languages.
const SQUARES: &str = "\
the child answered: 1 4 9 16 25
the child is done, and has closed its endpoint
";

#[test]
fn two_processes_in_c() {
    example("two_processes.c", Linking::Shared, SQUARES);
}

#[test]
fn two_processes_in_c_linked_statically() {
    example("two_processes.c", Linking::Static, SQUARES);
}

#[test]
fn two_processes_in_cpp() {
    example("two_processes.cpp", Linking::Shared, SQUARES);
}

#[test]
fn event_loop_in_c() {
    example("event_loop.c", Linking::Shared, "ONE LINE\nAND ANOTHER\n");
}

#[test]
fn event_loop_in_python() {
    let Some(python) = find_python() else {
        eprintln!("not run: there is no python3");
        return;
    };
    let output = python
        .arg(manifest_dir().join("../examples/python/event_loop.py"))
        .env("ZOCKET_LIBRARY", &Library::get(Variant::Plain).shared)
        .succeed();
    assert_eq!(output, "1050000 bytes came back in capitals\n");
}

/// A port's descriptor in an event loop.
#[test]
fn program_of_the_guide() {
    let Some(compiler) = Compiler::find(Language::C) else {
        return;
    };
    let guide = manifest_dir().join("../docs/guide/src/waiting.md");
    let guide = fs::read_to_string(guide).unwrap();
    let (_, rest) = guide.split_once("```c\n").unwrap();
    let (code, _) = rest.split_once("```").unwrap();
    let dir = scratch_dir();
    let (source, program) = (dir.path().join("guide.c"), dir.path().join("guide"));
    fs::write(&source, code).unwrap();
    let library = Library::get(Variant::Plain);
    library.compile(&compiler, "-std=gnu11", &source, Linking::Shared, &program);
    assert_eq!(Run::new(&program).succeed(), "key 7: hello\n");
}

/// Compiles an example and runs it.
fn example(name: &str, linking: Linking, output: &str) {
    let (language, standard) = match name.ends_with(".c") {
        true => (Language::C, "-std=c11"),
        false => (Language::Cpp, "-std=c++17"),
    };
    let Some(compiler) = Compiler::find(language) else {
        return;
    };
    let dir = scratch_dir();
    let program = dir.path().join("example");
    let source = manifest_dir().join("../examples/c").join(name);
    let library = Library::get(Variant::Plain);
    library.compile(&compiler, standard, &source, linking, &program);
    assert_eq!(Run::new(&program).succeed(), output);
}

fn find_python() -> Option<Run> {
    let found = std::process::Command::new("python3")
        .arg("--version")
        .output();
    found
        .is_ok_and(|output| output.status.success())
        .then(|| Run::new("python3"))
}

//! `examples/c`: compiled as their README says, and run.

use std::path::PathBuf;

use crate::support::{
    Compiler, Language, Library, Linking, Run, Variant, manifest_dir, scratch_dir,
};

/// What both print.
const OUTPUT: &str = "\
the child answered: 1 4 9 16 25
the child is done, and has closed its endpoint
";

#[test]
fn two_processes_in_c() {
    example(Language::C, "-std=c11", Linking::Shared);
}

#[test]
fn two_processes_in_c_linked_statically() {
    example(Language::C, "-std=c11", Linking::Static);
}

#[test]
fn two_processes_in_cpp() {
    example(Language::Cpp, "-std=c++17", Linking::Shared);
}

fn example(language: Language, standard: &str, linking: Linking) {
    let Some(compiler) = Compiler::find(language) else {
        return;
    };
    let dir = scratch_dir();
    let program = dir.path().join("two_processes");
    let library = Library::get(Variant::Plain);
    library.compile(&compiler, standard, &source(language), linking, &program);
    assert_eq!(Run::new(&program).succeed(), OUTPUT);
}

fn source(language: Language) -> PathBuf {
    let name = format!("../examples/c/two_processes.{}", language.extension());
    manifest_dir().join(name)
}

//! The files that are installed, and the names that the library has for the linker.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Compiler, Language, Library, Run, Variant, manifest_dir, scratch_dir};

/// Has `install.sh` install the library under test.
fn install() -> TempDir {
    let prefix = scratch_dir();
    let built = Library::get(Variant::Plain).shared.parent().unwrap();
    Run::new(manifest_dir().join("install.sh"))
        .arg(prefix.path())
        .env("BUILT", built)
        .succeed();
    prefix
}

/// `None`, after a notice, where there is no such program.
fn tool(name: &str) -> Option<Run> {
    match Command::new(name).arg("--version").output() {
        Ok(_) => Some(Run::new(name)),
        Err(_) => {
            eprintln!("NOT TESTED: there is no {name} here");
            None
        }
    }
}

#[test]
fn only_the_interface_is_exported() {
    let Some(nm) = tool("nm") else { return };
    let library = Library::get(Variant::Plain);
    let symbols = nm
        .args(["-D", "--defined-only"])
        .arg(&library.shared)
        .succeed();
    let mut exported: Vec<_> = symbols
        .lines()
        .filter_map(|line| line.split(' ').nth(2))
        .collect();
    exported.sort_unstable();

    let header = fs::read_to_string(manifest_dir().join("include/zocket.h")).unwrap();
    let mut declared = declared(&header);
    declared.sort_unstable();
    assert_eq!(exported, declared);
}

/// The functions of the header: what stands before `(` in a declaration, at whose end is
/// `;`, unlike in a comment or a `#define`.
fn declared(header: &str) -> Vec<&str> {
    header
        .lines()
        .filter(|line| !line.starts_with("//") && !line.starts_with('#'))
        .filter_map(|line| line.split_once('(').map(|(before, _)| before))
        .filter_map(|before| before.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("zx_") || name.starts_with("zocket_"))
        .collect()
}

#[test]
fn shared_library_has_a_versioned_name() {
    let Some(readelf) = tool("readelf") else {
        return;
    };
    let library = Library::get(Variant::Plain);
    let dynamic = readelf.arg("-d").arg(&library.shared).succeed();
    assert!(
        dynamic.contains("Library soname: [libzocket.so.0]"),
        "{dynamic}"
    );
}

#[test]
fn files_are_where_they_belong() {
    let prefix = install();
    let lib = prefix.path().join("lib");
    let real = format!("libzocket.so.{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(link_in(&lib, "libzocket.so"), Path::new("libzocket.so.0"));
    assert_eq!(link_in(&lib, "libzocket.so.0"), Path::new(&real));
    for file in [&lib.join(real), &lib.join("libzocket.a")] {
        assert!(fs::symlink_metadata(file).unwrap().is_file(), "{file:?}");
    }
    assert_eq!(
        fs::read(prefix.path().join("include/zocket.h")).unwrap(),
        fs::read(manifest_dir().join("include/zocket.h")).unwrap()
    );
    assert!(lib.join("pkgconfig/zocket.pc").is_file());
}

fn link_in(dir: &Path, name: &str) -> PathBuf {
    fs::read_link(dir.join(name)).unwrap()
}

const PROGRAM: &str = r#"
#include <stdio.h>
#include <zocket.h>

int main(void) { return puts(zocket_status_string(ZX_ERR_TIMED_OUT)) < 0; }
"#;

#[test]
fn installed_library_is_found_with_pkg_config() {
    compile_with_pkg_config(&install(), &[]);
}

#[test]
fn installed_archive_is_found_with_pkg_config() {
    let prefix = install();
    // The linker takes the archive where the shared library is not to be had.
    fs::remove_file(prefix.path().join("lib/libzocket.so")).unwrap();
    compile_with_pkg_config(&prefix, &["--static"]);
}

fn compile_with_pkg_config(prefix: &TempDir, options: &[&str]) {
    let Some(pkg_config) = tool("pkg-config") else {
        return;
    };
    let lib = prefix.path().join("lib");
    let flags = pkg_config
        .env("PKG_CONFIG_PATH", lib.join("pkgconfig"))
        .args(["--cflags", "--libs"])
        .args(options)
        .arg("zocket")
        .succeed();
    let source = prefix.path().join("program.c");
    let program = prefix.path().join("program");
    fs::write(&source, PROGRAM).unwrap();
    Compiler::find(Language::C)
        .expect("it panics if there is none")
        .command("-std=c11")
        .arg("-o")
        .arg(&program)
        .arg(&source)
        .args(flags.split_whitespace())
        .succeed();
    let output = Run::new(&program).env("LD_LIBRARY_PATH", &lib).succeed();
    assert_eq!(output, "ZX_ERR_TIMED_OUT\n");
}

//! `examples/c`, and the C of the guide: compiled as the C library's README says, and run.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ChildStdin;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use crate::support::{
    Compiler, Language, Library, Linking, Run, Variant, manifest_dir, scratch_dir,
};

/// What a direction of a socket holds.
const SOCKET: usize = 256 << 10;

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
    let Some(example) = Example::compile("event_loop.c", Linking::Shared) else {
        return;
    };
    let feed = |mut stdin: ChildStdin| stdin.write_all(b"one line\nand another\n").unwrap();
    let output = Run::new(&example.program).succeed_fed(feed);
    assert_eq!(output, "ONE LINE\nAND ANOTHER\n");
}

/// The loop waits for space, and loses nothing meanwhile.
#[test]
fn event_loop_in_c_whose_child_is_late() {
    let Some(example) = Example::compile("event_loop.c", Linking::Shared) else {
        return;
    };
    let input = "one line\nand another\n".repeat(50_000);
    let output = run_with_late_child(&example, &example.program, input.clone());
    assert!(
        output == input.to_uppercase(),
        "{} of {} bytes",
        output.len(),
        input.len()
    );
}

/// Space alone wakes the loop: there are no answers to do so.
#[test]
fn event_loop_in_c_whose_child_is_silent() {
    const SILENT: &str = "
#include <stdlib.h>
#include <zocket.h>

int main(int argc, char **argv) {
    zx_handle_t socket;
    char buffer[4096];
    zx_status_t status;
    zx_signals_t signals =
        ZX_SOCKET_READABLE | ZX_SOCKET_PEER_WRITE_DISABLED | ZX_SOCKET_PEER_CLOSED;
    if (argc != 2 || zocket_handle_from_fd(atoi(argv[1]), &socket) != ZX_OK)
        return 1;
    do {
        status = zx_socket_read(socket, 0, buffer, sizeof buffer, NULL);
        if (status == ZX_ERR_SHOULD_WAIT)
            status = zx_object_wait_one(socket, signals, ZX_TIME_INFINITE, NULL);
    } while (status == ZX_OK);
    return status == ZX_ERR_BAD_STATE ? 0 : 1;
}
";
    let Some(example) = Example::compile("event_loop.c", Linking::Shared) else {
        return;
    };
    let [source, child] = ["silent.c", "silent"].map(|name| example.dir.path().join(name));
    fs::write(&source, SILENT).unwrap();
    let compiler = Compiler::find(Language::C).unwrap();
    let library = Library::get(Variant::Plain);
    library.compile(&compiler, "-std=c11", &source, Linking::Shared, &child);
    let output = run_with_late_child(&example, &child, "x".repeat(1_000_000));
    assert_eq!(output, "");
}

/// Runs the example, whose child is another program that begins only when the socket is full.
fn run_with_late_child(example: &Example, child: &Path, input: String) -> String {
    let [gate, late] = ["gate", "late"].map(|name| example.dir.path().join(name));
    mkfifo(&gate, Mode::S_IRWXU).unwrap();
    let script = format!(
        "#!/bin/sh\nread _ < '{}'\nexec '{}' \"$1\"\n",
        gate.display(),
        child.display()
    );
    fs::write(&late, script).unwrap();
    fs::set_permissions(&late, Permissions::from_mode(0o700)).unwrap();

    let feed = move |mut stdin: ChildStdin| {
        // Once the pipe has taken the last of so much, the socket is full.
        let pipe = fcntl(&stdin, FcntlArg::F_GETPIPE_SZ).unwrap() as usize;
        let (first, rest) = input.as_bytes().split_at(SOCKET + pipe);
        stdin.write_all(first).unwrap();
        File::create(gate).unwrap().write_all(b"\n").unwrap();
        // Ends where the example does, whose output then shows it.
        let _ = stdin.write_all(rest);
    };
    // It starts its child by the name that it is called by.
    Run::new(&example.program).arg0(late).succeed_fed(feed)
}

#[test]
fn event_loop_in_python() {
    let Some(python) = find_python() else {
        eprintln!("NOT TESTED: there is no python3 here");
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
    let [code, _] = &code_of_the_guide()[..] else {
        panic!("there is more or less C in the guide");
    };
    let dir = scratch_dir();
    let (source, program) = (dir.path().join("guide.c"), dir.path().join("guide"));
    fs::write(&source, code).unwrap();
    let library = Library::get(Variant::Plain);
    library.compile(&compiler, "-std=gnu11", &source, Linking::Shared, &program);
    assert_eq!(Run::new(&program).succeed(), "key 7: hello\n");
}

/// Compiles at least, over what it uses of libuv.
#[test]
fn libuv_in_the_guide() {
    const LIBUV: &str = "
#include <zocket.h>
typedef struct uv_loop_s uv_loop_t;
typedef struct { void *data; } uv_poll_t;
typedef void (*uv_poll_cb)(uv_poll_t *handle, int status, int events);
enum { UV_READABLE = 1, UV_EMFILE = -24 };
int uv_poll_init(uv_loop_t *loop, uv_poll_t *handle, int fd);
int uv_poll_start(uv_poll_t *handle, int events, uv_poll_cb cb);
void on_socket(uint64_t key, zx_signals_t observed);
";
    let Some(compiler) = Compiler::find(Language::C) else {
        return;
    };
    let dir = scratch_dir();
    let source = dir.path().join("guide.c");
    fs::write(&source, format!("{LIBUV}{}", code_of_the_guide()[1])).unwrap();
    compiler
        .command("-std=gnu11")
        .args(["-Wno-unused-parameter", "-Wno-unused-function"])
        .args(["-fsyntax-only", "-I"])
        .arg(manifest_dir().join("include"))
        .arg(&source)
        .succeed();
}

/// The C in the guide's chapter on event loops.
fn code_of_the_guide() -> Vec<String> {
    let guide = manifest_dir().join("../docs/guide/src/waiting.md");
    let guide = fs::read_to_string(guide).unwrap();
    let blocks = guide.split("```c\n").skip(1);
    let code = blocks.map(|rest| rest.split("```").next().unwrap());
    code.map(str::to_owned).collect()
}

struct Example {
    program: PathBuf,
    dir: TempDir,
}

impl Example {
    fn compile(name: &str, linking: Linking) -> Option<Self> {
        let (language, standard) = match name.ends_with(".c") {
            true => (Language::C, "-std=c11"),
            false => (Language::Cpp, "-std=c++17"),
        };
        let compiler = Compiler::find(language)?;
        let dir = scratch_dir();
        let program = dir.path().join("example");
        let source = manifest_dir().join("../examples/c").join(name);
        let library = Library::get(Variant::Plain);
        library.compile(&compiler, standard, &source, linking, &program);
        Some(Self { program, dir })
    }
}

/// Compiles an example and runs it.
fn example(name: &str, linking: Linking, output: &str) {
    let Some(example) = Example::compile(name, linking) else {
        return;
    };
    assert_eq!(Run::new(&example.program).succeed(), output);
}

fn find_python() -> Option<Run> {
    let found = std::process::Command::new("python3")
        .arg("--version")
        .output();
    found
        .is_ok_and(|output| output.status.success())
        .then(|| Run::new("python3"))
}

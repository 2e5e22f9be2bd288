//! What the tests of all commands need: to run the program, and to look at how it ends.

#![allow(dead_code, reason = "no test needs all of it")]

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use wait_timeout::ChildExt;

/// Longer than anything here takes: it ends what hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// `zocket` with these arguments, and nothing at its standard input.
pub(crate) fn zocket(args: &[&str]) -> Command {
    zocket_at(Path::new(env!("CARGO_BIN_EXE_zocket")), args)
}

/// The same with the program at another path.
pub(crate) fn zocket_at(program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A copy of the program where every user can execute it.
pub(crate) struct ProgramForAll {
    pub(crate) path: PathBuf,
    _directory: TempDir,
}

pub(crate) fn program_for_all() -> ProgramForAll {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("zocket");
    // Not copied by this process: what is open for writing in one that another test forks meanwhile cannot be
    // executed.
    let mut copy = Command::new("cp");
    let copied = copy.arg(env!("CARGO_BIN_EXE_zocket")).arg(&path);
    assert!(copied.status().unwrap().success());
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    ProgramForAll {
        path,
        _directory: directory,
    }
}

/// Runs it to its end.
#[track_caller]
pub(crate) fn run(args: &[&str]) -> Output {
    output(zocket(args).spawn().unwrap())
}

/// What it prints, and how it ends; it must end. Its standard input, if it is the test's, is closed.
#[track_caller]
pub(crate) fn output(mut child: Child) -> Output {
    // While it runs: it may print more than a pipe holds.
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let Some(status) = child.wait_timeout(PATIENCE).unwrap() else {
        child.kill().unwrap();
        // What it has started may have its outputs, and hang too.
        panic!("hangs");
    };
    Output {
        status,
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

/// Reads to the end.
fn collect(from: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut from) = from {
            from.read_to_end(&mut bytes).unwrap();
        }
        bytes
    })
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Its JSON, and nothing else on either output.
#[track_caller]
pub(crate) fn json(output: &Output) -> Value {
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// That it failed with this status, and a text that says so.
#[track_caller]
pub(crate) fn assert_fails(output: &Output, status: i32, words: &[&str]) {
    let error = text(&output.stderr);
    for word in words {
        assert!(error.contains(word), "no {word:?} in {error:?}");
    }
    assert_eq!(output.status.code(), Some(status), "{error}");
    assert_eq!(text(&output.stdout), "");
}

/// Waits for something to become so.
#[track_caller]
pub(crate) fn await_some<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain");
        thread::sleep(Duration::from_millis(1));
    }
}

//! The examples do what they say: each asserts that itself, and ends.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any of them takes: it ends one that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where `cargo test` has put the example: this is `deps/examples-...`, and beside
/// `deps` is `examples`.
fn path(name: &str) -> PathBuf {
    let this = env::current_exe().unwrap();
    let profile = this.parent().and_then(|deps| deps.parent()).unwrap();
    profile.join("examples").join(name)
}

/// Runs an example, and returns what it prints.
#[track_caller]
fn run(name: &str) -> String {
    let path = path(name);
    let mut child = Command::new(&path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| {
            panic!(
                "{}: {e}; without the whole `cargo test`, `cargo build --examples` first",
                path.display()
            )
        });
    let end = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("{name} hangs");
        }
        thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{name}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn none_is_forgotten() {
    let this = include_str!("examples.rs");
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(this.contains(&format!("run(\"{name}\")")), "{name}");
        }
    }
}

#[test]
fn parent_and_child() {
    assert_eq!(
        run("parent_and_child"),
        "the child answered: 1, 4, 9, 16, 25\n"
    );
}

#[test]
fn fd_over_unix_socket() {
    assert_eq!(run("fd_over_unix_socket"), "the client said: thank you\n");
}

#[test]
fn named_echo() {
    assert_eq!(run("named_echo"), "a client said: hello, hello\n".repeat(2));
}

#[test]
fn datagrams() {
    assert_eq!(run("datagrams"), "1000 messages, each as it was sent\n");
}

#[test]
fn frames() {
    assert_eq!(
        run("frames"),
        "60 frames came back reversed, 13772570 bytes in all\n"
    );
}

#[test]
fn messages() {
    assert_eq!(
        run("messages"),
        "9 requests, each answered as it should be\n"
    );
}

#[test]
fn sandbox() {
    assert_eq!(
        run("sandbox"),
        "Asymmetric: 100 answers from a worker that may not open a file\n\
         Symmetric: 100 answers from a worker that may not open a file\n"
    );
}

#[test]
fn video() {
    // How fast is the machine's affair.
    assert!(run("video").contains(" frames of 1920x1080, each as it was made: "));
}

#[test]
fn log_fan_in() {
    assert_eq!(
        run("log_fan_in"),
        "36234 lines of 8 processes, one of which was killed; none is lost\n"
    );
}

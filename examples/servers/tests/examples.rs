//! The examples do what they say: each asserts that itself, and ends.

use std::env;
use std::process::Command;

/// Runs an example, and returns what it prints.
#[track_caller]
fn run(name: &str) -> String {
    let this = env::current_exe().unwrap();
    let profile = this.parent().and_then(|deps| deps.parent()).unwrap();
    let output = Command::new(profile.join("examples").join(name))
        .output()
        .unwrap();
    assert!(output.status.success(), "{name}: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn http() {
    assert_eq!(
        run("http"),
        "HTTP/1: 103 requests over one connection\n\
         HTTP/2: 103 requests over one connection, and 16 at once\n"
    );
}

#[test]
fn grpc() {
    assert_eq!(run("grpc"), "53 sums, and 1229 primes in one answer\n");
}

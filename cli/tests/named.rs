//! `zocket listen` and `zocket connect`.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};

use support::{assert_fails, output, run, text, zocket};

/// Listens at a path; its standard input is the test's.
fn listen(path: &Path) -> Child {
    let args = ["listen", path.to_str().unwrap()];
    zocket(&args).stdin(Stdio::piped()).spawn().unwrap()
}

/// Whether the kernel lists a socket with this path that listens.
fn is_listened_at(path: &Path) -> bool {
    let sockets = fs::read_to_string("/proc/net/unix").unwrap();
    let mut lines = sockets.lines();
    lines.any(|line| line.ends_with(path.to_str().unwrap()) && line.contains(" 00010000 "))
}

/// Connects to it, as soon as somebody listens.
fn connect(path: &Path) -> Child {
    while !is_listened_at(path) {
        std::thread::yield_now();
    }
    let args = ["connect", path.to_str().unwrap()];
    zocket(&args).stdin(Stdio::piped()).spawn().unwrap()
}

fn say(child: &mut Child, words: &[u8]) {
    child.stdin.as_mut().unwrap().write_all(words).unwrap();
}

#[test]
fn each_side_reads_what_the_other_writes_and_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let mut server = listen(&path);
    let mut client = connect(&path);
    say(&mut client, b"question");
    // The end of the input is passed on, and the answer comes all the same.
    drop(client.stdin.take());
    let mut question = Vec::new();
    server
        .stdout
        .as_mut()
        .unwrap()
        .read_to_end(&mut question)
        .unwrap();
    assert_eq!(question, b"question");
    say(&mut server, b"answer");
    drop(server.stdin.take());
    let client = output(client);
    assert_eq!(
        (client.status.code(), text(&client.stdout)),
        (Some(0), "answer")
    );
    assert_eq!(output(server).status.code(), Some(0));
    assert!(!path.exists(), "the path is removed");
}

#[test]
fn much_data_arrives() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let data: Vec<u8> = (0..10_000_000_u32).map(|i| (i % 251) as u8).collect();
    fs::write(directory.path().join("data"), &data).unwrap();
    let mut server = listen(&path);
    drop(server.stdin.take());
    let mut client = connect(&path);
    let sent = data.clone();
    let mut input = client.stdin.take().unwrap();
    let sender = std::thread::spawn(move || input.write_all(&sent).unwrap());
    let mut received = Vec::new();
    server
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut received)
        .unwrap();
    assert!(received == data);
    sender.join().unwrap();
    assert_eq!(output(server).status.code(), Some(0));
    assert_eq!(output(client).status.code(), Some(0));
}

#[test]
fn side_whose_peer_is_killed_ends() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let mut server = listen(&path);
    let mut client = connect(&path);
    say(&mut client, b"x");
    server
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut [0])
        .unwrap();
    client.kill().unwrap();
    client.wait().unwrap();
    // Though its standard input is open.
    assert_eq!(output(server).status.code(), Some(0));
}

#[test]
fn what_is_wrong_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nobody");
    let path = path.to_str().unwrap();
    assert_fails(&run(&["connect", path]), 1, &["cannot connect to", path]);
    assert_fails(
        &run(&["listen", "/nowhere/at/all"]),
        1,
        &["cannot listen at"],
    );
    assert_fails(&run(&["listen", &"x".repeat(200)]), 2, &["107 bytes"]);
    assert_fails(&run(&["listen", "--mode", "999", path]), 2, &["octal"]);
}

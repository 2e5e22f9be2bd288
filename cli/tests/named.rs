//! `zocket listen` and `zocket connect`.

mod support;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::geteuid;

use support::{
    assert_fails, await_some, json, output, program_for_all, run, text, zocket, zocket_at,
};

/// Listens at a path; its standard input is the test's.
fn listen(path: &Path) -> Child {
    let args = ["listen", path.to_str().unwrap()];
    zocket(&args).stdin(Stdio::piped()).spawn().unwrap()
}

/// Whether the kernel lists a socket with this path that listens.
fn is_listened_at(path: &Path) -> bool {
    let sockets = fs::read("/proc/net/unix").unwrap();
    let name = path.as_os_str().as_bytes();
    let mut lines = sockets.split(|&byte| byte == b'\n');
    lines.any(|line| line.ends_with(name) && line.windows(10).any(|w| w == b" 00010000 "))
}

/// Waits until this process listens.
#[track_caller]
fn await_listener(listener: &mut Child, path: &Path) {
    await_some(|| {
        let ended = listener.try_wait().unwrap();
        assert_eq!(ended, None, "it ended before it listened");
        is_listened_at(path).then_some(())
    });
}

/// Connects to it, as soon as it listens.
#[track_caller]
fn connect(listener: &mut Child, path: &Path) -> Child {
    await_listener(listener, path);
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
    let mut client = connect(&mut server, &path);
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
    let mut client = connect(&mut server, &path);
    let sent = data.clone();
    let mut input = client.stdin.take().unwrap();
    let sender = thread::spawn(move || input.write_all(&sent).unwrap());
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
    let mut client = connect(&mut server, &path);
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
    let input = server.stdin.take();
    assert_eq!(output(server).status.code(), Some(0));
    drop(input);
}

/// Sends more to a child than anything on its way holds.
fn send_much(child: &mut Child) -> thread::JoinHandle<()> {
    let mut input = child.stdin.take().unwrap();
    // It need not take all of it.
    thread::spawn(move || drop(input.write_all(&[b'x'; 3_000_000])))
}

#[test]
fn data_that_the_other_side_does_not_read_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let mut server = zocket(&["listen", path.to_str().unwrap()]);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut server = server.stdout(full).spawn().unwrap();
    let mut client = connect(&mut server, &path);
    let sender = send_much(&mut client);
    // Whether it finds out by writing more or by finding nothing to write.
    assert_fails(&output(client), 1, &["the other side", " bytes"]);
    assert_fails(&output(server), 1, &["standard output", "No space left"]);
    sender.join().unwrap();
}

#[test]
fn data_that_nobody_reads_at_standard_output_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let mut server = listen(&path);
    let mut client = connect(&mut server, &path);
    let sender = send_much(&mut client);
    let mut stdout = server.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 2]).unwrap();
    drop(stdout);
    // It ends, though both its standard input and the other side are open.
    let input = server.stdin.take();
    let words = ["nobody reads standard output", "bytes had been written"];
    assert_fails(&output(server), 1, &words);
    assert_fails(&output(client), 1, &["the other side", " bytes"]);
    drop(input);
    sender.join().unwrap();
}

#[test]
fn little_that_the_other_side_does_not_read_is_an_error_as_well() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let mut server = listen(&path);
    let mut client = connect(&mut server, &path);
    drop(server.stdout.take());
    let input = server.stdin.take();
    say(&mut client, b"x");
    assert_fails(&output(server), 1, &["; 0 bytes had been written"]);
    // As long as it can say more, this one sees what was lost.
    let client_input = client.stdin.take();
    let words = ["the other side is gone", "has not read the last 1 bytes"];
    assert_fails(&output(client), 1, &words);
    drop((input, client_input));
}

/// A pipe of which neither end waits.
fn pipe_that_does_not_wait() -> (PipeReader, PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    for fd in [reader.as_fd(), writer.as_fd()] {
        fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    }
    (reader, writer)
}

/// Sets the descriptor of a test's own side to wait. The other end of a pipe is another file.
fn set_blocking(fd: impl AsFd) {
    fcntl(fd, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
}

#[test]
fn descriptors_that_do_not_wait_are_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let (mut from_server, stdout) = pipe_that_does_not_wait();
    let (stdin, mut to_client) = pipe_that_does_not_wait();
    set_blocking(&from_server);
    set_blocking(&to_client);
    let args = ["listen", path.to_str().unwrap()];
    let mut server = zocket(&args).stdout(stdout).spawn().unwrap();
    await_listener(&mut server, &path);
    let args = ["connect", path.to_str().unwrap()];
    let client = zocket(&args).stdin(stdin).spawn().unwrap();
    // One by one: it finds nothing more to read in between.
    for _ in 0..50 {
        to_client.write_all(b"x").unwrap();
        from_server.read_exact(&mut [0]).unwrap();
    }
    // More than the socket holds, and all of it sent before anything is read: the server finds no room.
    to_client.write_all(&[b'x'; 280_000]).unwrap();
    drop(to_client);
    let client = output(client);
    assert_eq!((client.status.code(), text(&client.stderr)), (Some(0), ""));
    let mut received = Vec::new();
    from_server.read_to_end(&mut received).unwrap();
    assert_eq!(received.len(), 280_000);
    let server = output(server);
    assert_eq!((server.status.code(), text(&server.stderr)), (Some(0), ""));
}

/// An abstract name that no other test has.
fn abstract_name(of: &str) -> String {
    format!("@zocket-test-{of}-{}", std::process::id())
}

/// Sends from one that connects to one that listens, and looks that it arrives.
#[track_caller]
fn assert_connects(mut listener: Command, name: &Path, mut connector: Command) {
    let mut server = listener.spawn().unwrap();
    await_listener(&mut server, name);
    let mut client = connector.stdin(Stdio::piped()).spawn().unwrap();
    say(&mut client, b"hello");
    for (child, expected) in [(client, ""), (server, "hello")] {
        let output = output(child);
        assert_eq!(text(&output.stderr), "");
        assert_eq!(
            (output.status.code(), text(&output.stdout)),
            (Some(0), expected)
        );
    }
}

#[test]
fn abstract_name_is_connected_to() {
    let name = abstract_name("abstract");
    let (listener, connector) = (zocket(&["listen", &name]), zocket(&["connect", &name]));
    assert_connects(listener, name.as_ref(), connector);
}

#[test]
fn name_need_not_be_text() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(OsStr::from_bytes(b"not \xff text"));
    let command = |name: &str| {
        let mut command = zocket(&[name]);
        command.arg(&path);
        command
    };
    assert_connects(command("listen"), &path, command("connect"));
}

#[test]
fn path_has_the_mode_and_the_socket_the_capacity_that_are_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let args = ["listen", "--mode=640", "--capacity=12KiB"];
    let mut server = zocket(&args)
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    await_listener(&mut server, &path);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let mut client = connect(&mut server, &path);
    say(&mut client, b"x");
    let mut stdout = server.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    let list = json(&run(&["ls", "--json", "--pid", &server.id().to_string()]));
    assert_eq!(list["pairs"][0]["capacity"], 12 << 10);
    drop((client.stdin.take(), server.stdin.take()));
    for child in [client, server] {
        assert_eq!(output(child).status.code(), Some(0));
    }
}

#[test]
fn other_users_are_connected_with_only_if_both_sides_want_that() {
    if !geteuid().is_root() {
        // Nobody else to be.
        return;
    }
    let program = program_for_all();
    let nobody = |args: &[&str]| {
        let mut command = zocket_at(&program.path, args);
        command.uid(65534);
        command
    };
    // A name each: what a killed listener has forked, for its first endpoint, can keep one for a moment.
    let [distrusted, refused, wanted] = ["distrusted", "refused", "wanted"].map(abstract_name);

    let args = ["listen", "--any-user", &distrusted];
    let mut server = nobody(&args).spawn().unwrap();
    await_listener(&mut server, distrusted.as_ref());
    let words = [
        "cannot connect to @",
        "another user's process",
        "--any-user",
    ];
    assert_fails(&run(&["connect", &distrusted]), 1, &words);
    server.kill().unwrap();
    server.wait().unwrap();

    let mut server = zocket(&["listen", &refused]).spawn().unwrap();
    await_listener(&mut server, refused.as_ref());
    let mut client = nobody(&["connect", "--any-user", &refused]);
    let words = ["policy refused", "listen --any-user"];
    assert_fails(&output(client.spawn().unwrap()), 1, &words);
    server.kill().unwrap();
    server.wait().unwrap();

    let listener = zocket(&["listen", "--any-user", &wanted]);
    let connector = nobody(&["connect", "--any-user", &wanted]);
    assert_connects(listener, wanted.as_ref(), connector);
}

#[test]
fn what_is_wrong_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nobody");
    let path = path.to_str().unwrap();
    let words = ["cannot connect to", path, "No such file", "`zocket listen`"];
    assert_fails(&run(&["connect", path]), 1, &words);
    // Left behind, with nobody who listens.
    drop(UnixListener::bind(path).unwrap());
    let words = ["refused", "nobody listens there now"];
    assert_fails(&run(&["connect", path]), 1, &words);
    assert_fails(
        &run(&["listen", "/nowhere/at/all"]),
        1,
        &["cannot listen at"],
    );
    assert_fails(&run(&["listen", &"x".repeat(200)]), 2, &["107 bytes"]);
    assert_fails(&run(&["listen", "--mode", "999", path]), 2, &["octal"]);
    for command in ["listen", "connect"] {
        assert_fails(&run(&[command, "@"]), 2, &["abstract name is not empty"]);
        assert_fails(&run(&[command, ""]), 2, &["path is not empty"]);
    }
}

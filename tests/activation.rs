//! A server whose only socket was made beforehand: it takes it over without a name, and serves whoever waits there.
//!
//! The server is this test binary, executed again by a shell that says to it what systemd would. What names, several
//! sockets and wrong ones do is in `tests/named.rs`.

use std::env;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use tempfile::TempDir;
use zocket::named::{DatagramListener, StreamListener};
use zocket::{Datagram, Error, Stream};

/// What a re-executed test binary is to be.
const ROLE: &str = "ZOCKET_TEST_ROLE";

/// A socket that listens, as the one who activates has made it: it blocks, and is not closed on exec.
fn listening() -> (TempDir, PathBuf, OwnedFd) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let flags = SockFlag::SOCK_CLOEXEC;
    let listening = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).unwrap();
    bind(listening.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
    listen(&listening, Backlog::MAXCONN).unwrap();
    (directory, path, listening)
}

/// Starts a role with the descriptor 3, while a client is there already; the path stays.
fn activate(role: &str, client: impl FnOnce(&Path) + Send) {
    let (_directory, path, listening) = listening();
    thread::scope(|scope| {
        let client = scope.spawn(|| client(&path));
        // A shell, as a variable has the number of the process that is not there yet.
        let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]);
        command.arg(env::current_exe().unwrap());
        command.args(["child_entry", "--exact", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, role).stdin(listening);
        let mut server = command.spawn().unwrap();
        // The command has the socket too: a client of a server that fails would wait for ever.
        drop(command);
        let status = server.wait().unwrap();
        assert!(status.success(), "{status}");
        client.join().unwrap();
    });
    assert!(path.exists());
}

/// Writes, and reads the answer to the end.
fn talk_as_client(path: &Path) {
    let mut stream = Stream::connect(path).unwrap();
    stream.write_all(b"hello").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "welcome");
}

/// What taking over has done to the socket.
fn assert_taken(listener: &impl std::os::fd::AsFd) {
    let listener = listener.as_fd();
    assert_eq!(listener.as_raw_fd(), 3);
    let flags = fcntl(listener, FcntlArg::F_GETFD).unwrap();
    assert_eq!(flags, FdFlag::FD_CLOEXEC.bits());
    let flags = OFlag::from_bits_truncate(fcntl(listener, FcntlArg::F_GETFL).unwrap());
    assert!(flags.contains(OFlag::O_NONBLOCK));
    let again = StreamListener::from_env().unwrap_err();
    assert_eq!(again, Error::AlreadyClaimed);
}

fn blocking() {
    let listener = StreamListener::from_env().unwrap();
    assert_taken(&listener);
    let (mut stream, client) = listener.accept().unwrap();
    assert!(client.is_same_user());
    let mut said = [0; 5];
    stream.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"hello");
    stream.write_all(b"welcome").unwrap();
}

fn tasks() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(async {
        let listener = StreamListener::from_env().unwrap();
        let mut listener = zocket::tokio::StreamListener::from_blocking(listener).unwrap();
        assert_taken(&listener);
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut said = [0; 5];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"hello");
        stream.write_all(b"welcome").await.unwrap();
    });
}

fn datagrams() {
    let listener = DatagramListener::from_env().unwrap();
    let (mut datagram, _) = listener.accept().unwrap();
    datagram.send(b"welcome").unwrap();
}

#[test]
fn child_entry() {
    match env::var(ROLE).as_deref() {
        Ok("blocking") => blocking(),
        Ok("tasks") => tasks(),
        Ok("datagrams") => datagrams(),
        _ => {}
    }
}

#[test]
fn only_socket_is_taken_over_without_a_name() {
    activate("blocking", talk_as_client);
}

#[test]
fn only_socket_is_taken_over_by_tasks() {
    activate("tasks", talk_as_client);
}

#[test]
fn only_socket_is_taken_over_for_datagrams() {
    activate("datagrams", |path| {
        let mut datagram = Datagram::connect(path).unwrap();
        let mut buf = [0; 16];
        assert_eq!(datagram.recv(&mut buf), Ok(7));
        assert_eq!(&buf[..7], b"welcome");
    });
}

//! Endpoints by name: who gets which path, who is served, who is told what.
//!
//! Children are this test binary, executed again (see `support_processes`).

#![allow(
    unsafe_code,
    reason = "options that nix does not know, and a fork without exec"
)]

mod support_processes;

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, accept4, bind,
    connect, listen, sendmsg, socket,
};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Uid, fork, geteuid, setgid, setuid};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use support_processes::control::{self, Control, Meeting, Process, Role};
use support_processes::observe::{endpoint_mappings, manner, open_descriptors, sleeper};
use tempfile::TempDir;
use zocket::named::{BindOptions, Connector, DatagramListener, StreamListener};
use zocket::{Builder, Datagram, Error, Kind, Stream};

const ROLES: &[Role] = &[
    ("client", client),
    ("server", server),
    ("other_user", other_user),
    ("stranger_who_binds", stranger_who_binds),
    ("umasks", umasks),
    ("no_descriptors", no_descriptors),
    ("leaks", leaks),
    ("activated", activated),
    ("not_activated", not_activated),
    ("forks", forks),
    ("binds", binds),
    ("killed_while_it_binds", killed_while_it_binds),
];

#[test]
fn child_entry() {
    control::run_role(ROLES);
}

// Help.

/// A directory with a path for a socket in it.
struct Place {
    directory: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        Self { directory, path }
    }

    /// What is in the directory.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).expect("it is there");
        let names = entries.map(|entry| entry.expect("readable").file_name());
        names
            .map(|name| name.into_string().expect("ours"))
            .collect()
    }

    /// What a server leaves that was killed.
    fn make_stale(&self) {
        let dead = raw_socket(SockFlag::empty());
        bind(dead.as_raw_fd(), &self.address()).expect("the path is new");
        drop(dead);
        // A child that another test starts has a copy until it is executed.
        let probe = raw_socket(SockFlag::empty());
        while connect(probe.as_raw_fd(), &self.address()) != Err(Errno::ECONNREFUSED) {
            thread::yield_now();
        }
    }

    fn address(&self) -> UnixAddr {
        UnixAddr::new(&self.path).expect("a short path")
    }
}

fn abstract_name() -> SocketAddr {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, SeqCst);
    let name = format!("zocket-named-{}-{number}", process::id());
    SocketAddr::from_abstract_name(name).expect("a short name")
}

fn raw_socket(flags: SockFlag) -> OwnedFd {
    let flags = flags | SockFlag::SOCK_CLOEXEC;
    socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).expect("descriptors are left")
}

/// A client that connects and does nothing.
fn silent(place: &Place) -> OwnedFd {
    let client = raw_socket(SockFlag::empty());
    connect(client.as_raw_fd(), &place.address()).expect("somebody listens");
    client
}

fn raw_listener(place: &Place) -> OwnedFd {
    let listener = raw_socket(SockFlag::empty());
    bind(listener.as_raw_fd(), &place.address()).expect("the path is new");
    listen(&listener, Backlog::MAXCONN).expect("it is bound");
    listener
}

#[track_caller]
fn assert_kind(error: Error, kind: io::ErrorKind) {
    let error = io::Error::from(error);
    assert_eq!(error.kind(), kind, "{error}");
}

/// So far off that only what hangs comes by it.
fn far_off() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO) == Ok(1)
}

fn until_readable(fd: BorrowedFd<'_>) {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    assert_eq!(poll(&mut fds, PollTimeout::NONE), Ok(1));
}

/// The two ends are of one pair.
fn are_connected(a: &mut Stream, b: &mut Stream) {
    a.write_all(b"there").expect("the other end is there");
    b.write_all(b"back").expect("the other end is there");
    let (mut there, mut back) = ([0; 5], [0; 4]);
    b.read_exact(&mut there).expect("it was written");
    a.read_exact(&mut back).expect("it was written");
    assert_eq!((&there, &back), (b"there", b"back"));
}

// Meeting.

/// Connects to where it is told, and sends back what it gets.
fn client(control: &Control) {
    let address = match control.hear().split_once(' ').expect("two words") {
        ("path", path) => SocketAddr::from_pathname(path),
        (_, name) => SocketAddr::from_abstract_name(name),
    };
    let address = address.expect("a short name");
    let mut buf = [0; 64];
    match control.hear().as_str() {
        "stream" => {
            let mut endpoint = Stream::connect_addr(&address).expect("the test listens");
            let n = endpoint.read(&mut buf).expect("the test writes");
            endpoint.write_all(&buf[..n]).expect("the test reads");
        }
        _ => {
            let mut endpoint = Datagram::connect_addr(&address).expect("the test listens");
            let n = endpoint.recv(&mut buf).expect("the test writes");
            endpoint.send(&buf[..n]).expect("the test reads");
        }
    }
}

/// Starts a client for this address and this kind.
fn start_client(address: &SocketAddr, kind: &str) -> Process {
    let client = Process::start("client", []);
    match (address.as_pathname(), address.as_abstract_name()) {
        (Some(path), _) => client.tell(format!("path {}", path.display())),
        (_, name) => {
            let name = str::from_utf8(name.expect("it has a name")).expect("ours");
            client.tell(format!("abstract {name}"));
        }
    }
    client.tell(kind);
    client
}

#[test]
fn processes_meet_by_path_and_by_abstract_name() {
    let place = Place::new();
    let path = SocketAddr::from_pathname(&place.path).expect("a short path");
    for address in [path, abstract_name()] {
        let listener = StreamListener::bind_addr(&address).expect("the name is new");
        let found = listener.local_addr().expect("it is bound");
        assert_eq!(found.as_pathname(), address.as_pathname());
        assert_eq!(found.as_abstract_name(), address.as_abstract_name());
        let client = start_client(&address, "stream");
        let (mut endpoint, who) = listener.accept().expect("the client is ours");
        assert_eq!(who.pid, Some(client.id()));
        assert_eq!(who.uid, geteuid().as_raw());
        assert_eq!(who.gid, nix::unistd::getegid().as_raw());
        // No longer needed.
        drop(listener);
        endpoint.write_all(b"over a stream").expect("it reads");
        let mut said = String::new();
        endpoint.read_to_string(&mut said).expect("it writes");
        assert_eq!(said, "over a stream");
        client.finish();

        let listener = DatagramListener::bind_addr(&address).expect("the name is free again");
        let client = start_client(&address, "datagram");
        let (mut endpoint, who) = listener.accept().expect("the client is ours");
        assert_eq!(who.pid, Some(client.id()));
        endpoint.send(b"as a datagram").expect("it reads");
        let mut buf = [0; 64];
        assert_eq!(endpoint.recv(&mut buf), Ok(13));
        assert_eq!(&buf[..13], b"as a datagram");
        client.finish();
    }
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn pair_is_made_as_the_listener_wants_it() {
    let place = Place::new();
    let mut listener = StreamListener::bind(&place.path).expect("the path is new");
    listener.set_pairs(Builder::new().capacity(1 << 20));
    thread::scope(|scope| {
        let client = scope.spawn(|| Stream::connect(&place.path).expect("somebody listens"));
        let (ours, _) = listener.accept().expect("a client");
        assert_eq!(ours.info().capacity, 1 << 20);
        assert_eq!(client.join().expect("it connects").info().capacity, 1 << 20);
    });
}

#[test]
fn client_of_the_other_kind_is_told_and_the_listener_finds_it_gone() {
    let place = Place::new();
    let listener = StreamListener::bind(&place.path).expect("the path is new");
    thread::scope(|scope| {
        let client = scope.spawn(|| Datagram::connect(&place.path).unwrap_err());
        let (mut ours, _) = listener.accept().expect("a client");
        let found = Kind::Stream;
        assert_eq!(client.join().expect("it ends"), Error::WrongKind { found });
        assert_eq!(ours.read(&mut [0]).expect("the end"), 0);
    });
}

#[test]
fn threads_that_accept_from_one_listener_get_each_client_once() {
    const CLIENTS: usize = 100;
    let place = Place::new();
    let mut listener = StreamListener::bind(&place.path).expect("the path is new");
    listener.set_pairs(Builder::new().capacity(4096));
    let accepted = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                // Each thread ends with a client that says so.
                for client in &listener {
                    let (mut endpoint, _) = client.expect("a client");
                    let mut said = [0];
                    endpoint.read_exact(&mut said).expect("it writes");
                    if said == *b"e" {
                        return;
                    }
                    accepted.fetch_add(1, SeqCst);
                    endpoint.write_all(&said).expect("it reads");
                }
            });
        }
        let clients = [0; 2].map(|_| {
            scope.spawn(|| {
                for _ in 0..CLIENTS / 2 {
                    let mut endpoint = Stream::connect(&place.path).expect("somebody listens");
                    endpoint.write_all(b"c").expect("somebody reads");
                    endpoint.read_exact(&mut [0]).expect("somebody writes");
                }
            })
        });
        for client in clients {
            client.join().expect("it ends");
        }
        for _ in 0..3 {
            let mut endpoint = Stream::connect(&place.path).expect("somebody listens");
            endpoint.write_all(b"e").expect("somebody reads");
        }
    });
    assert_eq!(accepted.load(SeqCst), CLIENTS);
}

// Waiting.

#[test]
fn calls_that_do_not_wait_say_so() {
    let place = Place::new();
    let listener = StreamListener::bind(&place.path).expect("the path is new");
    assert_eq!(listener.try_accept().unwrap_err(), Error::WouldBlock);
    let past = listener.accept_deadline(Instant::now()).unwrap_err();
    assert_eq!(past, Error::TimedOut);
    let end = Instant::now() + Duration::from_millis(20);
    let timed_out = listener.accept_deadline(end).unwrap_err();
    assert_eq!(timed_out, Error::TimedOut);
    assert!(Instant::now() >= end);
    listener.set_nonblocking(true).expect("no error");
    assert_eq!(listener.accept().unwrap_err(), Error::WouldBlock);
    let next = listener.incoming().next().expect("it never ends");
    assert_eq!(next.unwrap_err(), Error::WouldBlock);
    listener.set_nonblocking(false).expect("no error");

    assert!(!is_readable(listener.as_fd()));
    let _client = silent(&place);
    assert!(is_readable(listener.as_fd()));
    // A deadline in the past is a look.
    listener.accept_deadline(Instant::now()).expect("a client");
    assert!(!is_readable(listener.as_fd()));
}

#[test]
fn accept_sleeps_until_a_client_comes() {
    let place = Place::new();
    let listener = StreamListener::bind(&place.path).expect("the path is new");
    thread::scope(|scope| {
        let server = sleeper(scope, || listener.accept().expect("a client").0);
        let server = server.until(manner::POLL);
        let mut theirs = Stream::connect(&place.path).expect("somebody listens");
        are_connected(&mut server.result(), &mut theirs);
    });
}

#[test]
fn silent_clients_hold_up_nobody() {
    let place = Place::new();
    let mut listener = StreamListener::bind(&place.path).expect("the path is new");
    listener.set_pairs(Builder::new().capacity(4096));
    let silent: Vec<_> = (0..20).map(|_| silent(&place)).collect();
    let accept = || listener.try_accept().expect("all are in the queue").0;
    let mut theirs: Vec<_> = silent.iter().map(|_| accept()).collect();
    thread::scope(|scope| {
        let client = scope.spawn(|| Stream::connect(&place.path).expect("somebody listens"));
        let (mut ours, _) = listener.accept().expect("a client");
        are_connected(&mut ours, &mut client.join().expect("it connects"));
    });
    for endpoint in &mut theirs {
        assert_eq!(endpoint.try_read(&mut [0]), Err(Error::WouldBlock));
    }
    // Their endpoints end with them, though they have never looked at them.
    drop(silent);
    for endpoint in &mut theirs {
        assert_eq!(endpoint.read(&mut [0]).expect("the end"), 0);
    }
}

#[test]
fn clients_that_have_gone_are_passed_over() {
    let place = Place::new();
    let listener = StreamListener::bind(&place.path).expect("the path is new");
    for _ in 0..5 {
        drop(silent(&place));
    }
    assert!(is_readable(listener.as_fd()));
    assert_eq!(listener.try_accept().unwrap_err(), Error::WouldBlock);
    drop(silent(&place));
    let _stays = silent(&place);
    listener.try_accept().expect("the one that stays");
}

#[test]
fn waiting_for_room_in_the_queue_ends_with_it_and_with_the_deadline() {
    let place = Place::new();
    let listener: StreamListener = BindOptions::new().backlog(0).bind(&place.path).unwrap();
    let first = silent(&place);
    let connect = |deadline| {
        let connector = Connector::new().deadline(deadline);
        connector.connect::<Stream>(&place.path)
    };
    assert_eq!(connect(Instant::now()).unwrap_err(), Error::TimedOut);
    let end = Instant::now() + Duration::from_millis(20);
    assert_eq!(connect(end).unwrap_err(), Error::TimedOut);
    assert!(Instant::now() >= end);
    thread::scope(|scope| {
        for deadline in [None, Some(far_off())] {
            // The second time the queue is to be filled again.
            let _blocker = deadline.map(|_| silent(&place));
            let (path, connect) = (&place.path, &connect);
            let client = sleeper(scope, move || match deadline {
                None => Stream::connect(path).expect("in the end"),
                Some(end) => connect(end).expect("in the end"),
            });
            let client = client.until(&[libc::SYS_connect]);
            listener.accept().expect("the one before");
            let (mut ours, _) = listener.accept().expect("the one that waited");
            are_connected(&mut ours, &mut client.result());
        }
    });
    drop(first);
}

/// The last instant that there is, to the second, and one that is not quite so far.
#[test]
fn deadline_may_be_as_far_off_as_it_likes() {
    let place = Place::new();
    let listener = StreamListener::bind(&place.path).expect("the path is new");
    let now = Instant::now();
    let later = |power| now.checked_add(Duration::from_secs(1_u64 << power));
    let farthest = (0..63)
        .rev()
        .find_map(later)
        .expect("a second, at the least");
    for end in [farthest, now + Duration::from_secs(1 << 43)] {
        let path = &place.path;
        let nowhere = Connector::new().deadline(end);
        let nowhere = nowhere.connect::<Stream>(path.with_extension("missing"));
        assert_kind(nowhere.unwrap_err(), io::ErrorKind::NotFound);
        thread::scope(|scope| {
            let client = scope.spawn(move || {
                let connector = Connector::new().deadline(end);
                connector.connect::<Stream>(path).expect("in the end")
            });
            let accepted = listener.accept_deadline(end);
            let (mut ours, _) = accepted.expect("a client");
            are_connected(&mut ours, &mut client.join().expect("it connects"));
        });
    }
}

#[test]
fn client_whose_listener_goes_is_told() {
    let place = Place::new();
    let listener = StreamListener::bind(&place.path).expect("the path is new");
    thread::scope(|scope| {
        let client = scope.spawn(|| Stream::connect(&place.path).unwrap_err());
        until_readable(listener.as_fd());
        drop(listener);
        let error = client.join().expect("it ends");
        assert_kind(error, io::ErrorKind::ConnectionReset);
    });
}

// Names.

#[test]
fn names_that_lead_nowhere_are_told_apart() {
    let place = Place::new();
    let missing = Stream::connect(&place.path).unwrap_err();
    assert_kind(missing, io::ErrorKind::NotFound);
    let nobody = Stream::connect_addr(&abstract_name()).unwrap_err();
    assert_kind(nobody, io::ErrorKind::ConnectionRefused);
    place.make_stale();
    let dead = Datagram::connect(&place.path).unwrap_err();
    assert_kind(dead, io::ErrorKind::ConnectionRefused);

    let nowhere = StreamListener::bind(place.path.join("no/such/directory")).unwrap_err();
    assert_kind(nowhere, io::ErrorKind::NotADirectory);
    let nowhere = place.directory.path().join("no/directory");
    let nowhere = StreamListener::bind(nowhere).unwrap_err();
    assert_kind(nowhere, io::ErrorKind::NotFound);

    let long = place.directory.path().join("x".repeat(108));
    for path in [Path::new(""), Path::new("nul\0"), &long] {
        assert_eq!(Stream::connect(path).unwrap_err(), Error::InvalidName);
        assert_eq!(StreamListener::bind(path).unwrap_err(), Error::InvalidName);
        assert_kind(Error::InvalidName, io::ErrorKind::InvalidInput);
    }
    let (unnamed, _) = std::os::unix::net::UnixStream::pair().expect("descriptors are left");
    let unnamed = unnamed.local_addr().expect("it is open");
    let empty = SocketAddr::from_abstract_name("").expect("as std has it");
    for address in [unnamed, empty] {
        let error = Stream::connect_addr(&address).unwrap_err();
        assert_eq!(error, Error::InvalidName);
        let error = StreamListener::bind_addr(&address).unwrap_err();
        assert_eq!(error, Error::InvalidName);
    }
}

#[test]
fn relative_paths_of_the_working_directory_do() {
    let name = format!("zocket-named-{}", process::id());
    let listener = StreamListener::bind(&name).expect("the name is new");
    assert!(Path::new(&name).exists());
    let _client = {
        let socket = raw_socket(SockFlag::empty());
        let address = UnixAddr::new(name.as_str()).expect("a short path");
        connect(socket.as_raw_fd(), &address).expect("somebody listens");
        socket
    };
    listener.accept().expect("a client");
    drop(listener);
    assert!(!Path::new(&name).exists());
}

/// Listens at the path that it is told, until it is told to end.
fn server(control: &Control) {
    let path = control.hear();
    let listener = StreamListener::bind(&path);
    control.tell(match &listener {
        Ok(_) => "listens",
        Err(_) => "does not",
    });
    control.hear_or_end();
}

#[test]
fn killed_server_leaves_a_path_that_the_next_one_replaces() {
    let place = Place::new();
    let mut server = Process::start("server", []);
    server.tell(place.path.display());
    assert_eq!(server.hear(), "listens");
    server.kill();
    server.finish_killed();
    assert_eq!(place.names(), ["socket"]);
    let dead = Stream::connect(&place.path).unwrap_err();
    assert_kind(dead, io::ErrorKind::ConnectionRefused);

    let listener = DatagramListener::bind(&place.path).expect("nobody listens there");
    let _client = silent(&place);
    listener.accept().expect("a client");
    assert_eq!(place.names(), ["socket"]);
    drop(listener);
    assert_eq!(place.names(), [""; 0]);
}

#[test]
fn second_server_is_refused_while_the_first_lives() {
    let place = Place::new();
    let server = Process::start("server", []);
    server.tell(place.path.display());
    assert_eq!(server.hear(), "listens");
    let inode = fs::metadata(&place.path).expect("it is there").ino();
    for _ in 0..2 {
        let second = StreamListener::bind(&place.path).unwrap_err();
        assert_kind(second, io::ErrorKind::AddrInUse);
    }
    assert_eq!(fs::metadata(&place.path).expect("it is there").ino(), inode);
    assert_eq!(place.names(), ["socket"]);
    let _client = silent(&place);
    server.tell("end");
    server.finish();
    assert_eq!(place.names(), [""; 0]);
    StreamListener::bind(&place.path).expect("the path is free");

    let address = abstract_name();
    let first = StreamListener::bind_addr(&address).expect("the name is new");
    let second = StreamListener::bind_addr(&address).unwrap_err();
    assert_kind(second, io::ErrorKind::AddrInUse);
    drop(first);
    StreamListener::bind_addr(&address).expect("the name is free");
}

#[test]
fn server_that_is_looked_at_by_others_goes_on() {
    let place = Place::new();
    let listener = StreamListener::bind(&place.path).expect("the path is new");
    for _ in 0..3 {
        StreamListener::bind(&place.path).unwrap_err();
    }
    // They have looked, and not as clients.
    assert!(!is_readable(listener.as_fd()));
    assert_eq!(listener.try_accept().unwrap_err(), Error::WouldBlock);
    let _client = silent(&place);
    listener.try_accept().expect("a client");
}

#[test]
fn other_things_than_dead_sockets_are_never_replaced() {
    let place = Place::new();
    let in_use = || {
        let error = StreamListener::bind(&place.path).unwrap_err();
        assert_kind(error, io::ErrorKind::AddrInUse);
    };
    fs::write(&place.path, "precious").expect("it can be written");
    in_use();
    assert_eq!(fs::read(&place.path).expect("it is there"), b"precious");
    fs::remove_file(&place.path).expect("it is there");

    fs::create_dir(&place.path).expect("it can be made");
    in_use();
    fs::remove_dir(&place.path).expect("it is there");

    // Not even a link to a dead socket.
    let target = place.directory.path().join("target");
    let dead = raw_socket(SockFlag::empty());
    bind(dead.as_raw_fd(), &UnixAddr::new(&target).unwrap()).expect("the path is new");
    drop(dead);
    symlink(&target, &place.path).expect("it can be made");
    in_use();
    assert!(fs::symlink_metadata(&place.path).unwrap().is_symlink());
    fs::remove_file(&place.path).expect("it is there");

    // Nor what listens and is something else, or does not listen, or has no room for clients.
    let stream = UnixListener::bind(&place.path).expect("the path is new");
    in_use();
    drop(stream);
    fs::remove_file(&place.path).expect("it is there");
    for kind in [SockType::SeqPacket, SockType::Datagram] {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Unix, kind, flags, None).expect("descriptors are left");
        bind(socket.as_raw_fd(), &place.address()).expect("the path is free");
        in_use();
        drop(socket);
        fs::remove_file(&place.path).expect("it is there");
    }
    let full: StreamListener = BindOptions::new().backlog(0).bind(&place.path).unwrap();
    let _client = silent(&place);
    in_use();
    drop(full);
}

#[test]
fn of_servers_that_begin_at_once_one_gets_the_path() {
    const SERVERS: usize = 6;
    for round in 0..300 {
        let place = Place::new();
        if round % 3 != 0 {
            place.make_stale();
        }
        let start = Barrier::new(SERVERS);
        let mut outcomes: Vec<_> = thread::scope(|scope| {
            let servers = [(); SERVERS].map(|()| {
                scope.spawn(|| {
                    start.wait();
                    StreamListener::bind(&place.path)
                })
            });
            servers
                .into_iter()
                .map(|server| server.join().unwrap())
                .collect()
        });
        outcomes.retain(|outcome| match outcome {
            Ok(_) => true,
            Err(error) => {
                assert_kind(*error, io::ErrorKind::AddrInUse);
                false
            }
        });
        let [Ok(winner)] = &outcomes[..] else {
            panic!("{} servers have got it", outcomes.len());
        };
        let _client = silent(&place);
        winner.try_accept().expect("the path leads to the winner");
        assert_eq!(place.names(), ["socket"]);
    }
}

/// Tries to be the server at a path, again and again; is alone whenever it is.
fn binds(control: &Control) {
    let place = Place {
        directory: tempfile::tempdir().expect("a directory"),
        path: control.hear().into(),
    };
    let [rounds] = control.hear_numbers();
    let mut won = 0u64;
    while won < rounds {
        match StreamListener::bind(&place.path) {
            Ok(listener) => {
                won += 1;
                // Whoever connects comes here, as long as this one lives.
                let _client = silent(&place);
                let (_, who) = listener.accept().expect("a client");
                assert_eq!(who.pid, Some(process::id()));
                if won.is_multiple_of(2) {
                    // As if it was killed.
                    drop(OwnedFd::from(listener));
                }
            }
            Err(error) => assert_kind(error, io::ErrorKind::AddrInUse),
        }
    }
}

#[test]
fn processes_that_take_over_from_each_other_are_never_two() {
    let place = Place::new();
    let servers = [(); 3].map(|()| {
        let server = Process::start("binds", []);
        server.tell(place.path.display());
        server.tell_numbers(&[1000]);
        server
    });
    for server in servers {
        server.finish();
    }
    let names = place.names();
    assert!(names.is_empty() || names == ["socket"], "{names:?}");
}

/// Is killed by the first system call with this number while it binds the path.
fn killed_while_it_binds(control: &Control) {
    let path = control.hear();
    let [call] = control.hear_numbers();
    let filter = SeccompFilter::new(
        BTreeMap::from([(call as i64, vec![])]),
        SeccompAction::Allow,
        SeccompAction::KillProcess,
        env::consts::ARCH.try_into().expect("a known machine"),
    );
    let program: BpfProgram = filter
        .and_then(TryInto::try_into)
        .expect("the filter is well-formed");
    apply_filter(&program).expect("the kernel has seccomp");
    let _ = StreamListener::bind(path);
}

#[test]
fn server_that_is_killed_while_it_binds_leaves_nothing_but_the_path() {
    use nix::libc::{
        SYS_bind, SYS_connect, SYS_fchmod, SYS_listen, SYS_newfstatat, SYS_openat, SYS_unlinkat,
    };
    let calls = [
        SYS_openat,
        SYS_fchmod,
        SYS_bind,
        SYS_newfstatat,
        SYS_connect,
        SYS_unlinkat,
        SYS_listen,
    ];
    for call in calls {
        let place = Place::new();
        place.make_stale();
        let server = Process::start("killed_while_it_binds", []);
        server.tell(place.path.display());
        server.tell_numbers(&[call as u64]);
        server.finish_killed_by(libc::SIGSYS);
        let names = place.names();
        assert!(names.is_empty() || names == ["socket"], "{names:?}");
        StreamListener::bind(&place.path).expect("nobody holds it");
    }
}

#[test]
fn dropping_removes_the_path_only_if_it_is_its_own() {
    let place = Place::new();
    let listener = StreamListener::bind(&place.path).expect("the path is new");
    fs::remove_file(&place.path).expect("it is there");
    fs::write(&place.path, "somebody else's").expect("it can be written");
    drop(listener);
    assert_eq!(place.names(), ["socket"]);
    fs::remove_file(&place.path).expect("it is there");

    let listener = StreamListener::bind(&place.path).expect("the path is free");
    fs::remove_file(&place.path).expect("it is there");
    let successor = StreamListener::bind(&place.path).expect("the path is free");
    drop(listener);
    assert_eq!(place.names(), ["socket"]);
    drop(successor);
    assert_eq!(place.names(), [""; 0]);

    // Moved with its directory, it is still its own.
    let listener = StreamListener::bind(&place.path).expect("the path is free");
    let elsewhere = tempfile::tempdir().expect("a directory");
    let moved = elsewhere.path().join("moved");
    fs::rename(place.directory.path(), &moved).expect("one file system");
    drop(listener);
    assert_eq!(fs::read_dir(&moved).expect("it is there").count(), 0);
    fs::rename(&moved, place.directory.path()).expect("one file system");
}

fn forks(control: &Control) {
    let place = Place {
        directory: tempfile::tempdir().expect("a directory"),
        path: control.hear().into(),
    };
    let listener = StreamListener::bind(&place.path).expect("the path is new");
    // SAFETY: the child drops the listener, which makes system calls, and leaves at once. No other
    // thread is in the allocator: this process has a thread that waits for this one, and itself.
    match unsafe { fork() }.expect("processes are left") {
        ForkResult::Child => {
            drop(listener);
            // SAFETY: ends this process and nothing else.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
        }
    }
    let _client = silent(&place);
    listener.accept().expect("a client");
}

#[test]
fn forked_child_that_drops_its_copy_leaves_the_path() {
    let place = Place::new();
    let child = Process::start("forks", []);
    child.tell(place.path.display());
    child.finish();
    assert_eq!(place.names(), [""; 0]);
}

// Who may.

/// The modes under all sorts of umasks.
fn umasks(_: &Control) {
    let place = Place::new();
    for mask in [0o000, 0o022, 0o077, 0o777] {
        umask(Mode::from_bits_truncate(mask));
        for mode in [0o600, 0o660, 0o666, 0o200, 0o777] {
            let listener: StreamListener = BindOptions::new()
                .mode(mode)
                .bind(&place.path)
                .expect("the path is free");
            let found = fs::metadata(&place.path)
                .expect("it is there")
                .permissions();
            assert_eq!(found.mode() & 0o7777, mode, "{mode:o} under {mask:o}");
            drop(listener);
        }
        let listener = StreamListener::bind(&place.path).expect("the path is free");
        let found = fs::metadata(&place.path)
            .expect("it is there")
            .permissions();
        assert_eq!(found.mode() & 0o7777, 0o600);
        drop(listener);
    }
}

#[test]
fn path_has_the_mode_that_was_asked_for_whatever_the_umask() {
    Process::start("umasks", []).finish();
}

#[test]
fn refused_clients_are_told_and_the_others_served() {
    let place = Place::new();
    let mut listener = StreamListener::bind(&place.path).expect("the path is new");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    // Every third.
    listener.set_policy(move |client| {
        assert_eq!(client.pid, Some(process::id()));
        count.fetch_add(1, SeqCst) % 3 == 2
    });
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            for _ in 0..2 {
                let refused = Stream::connect(&place.path).unwrap_err();
                assert_eq!(refused, Error::Refused);
                assert_kind(refused, io::ErrorKind::PermissionDenied);
            }
            Stream::connect(&place.path).expect("the third")
        });
        let (mut ours, _) = listener.accept().expect("the third");
        are_connected(&mut ours, &mut client.join().expect("it connects"));
    });
    assert_eq!(asked.load(SeqCst), 3);

    // With nobody else there, they are nobody.
    listener.set_policy(|_| false);
    let _client = silent(&place);
    assert_eq!(listener.try_accept().unwrap_err(), Error::WouldBlock);
    assert!(!is_readable(listener.as_fd()));
}

#[test]
fn clients_that_are_refused_without_end_keep_nobody_beyond_the_deadline() {
    let place = Place::new();
    let mut listener: StreamListener = BindOptions::new().backlog(3).bind(&place.path).unwrap();
    let address = place.address();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    // For each that is refused another one comes, before it knows.
    let latest = Mutex::new(silent(&place));
    listener.set_policy(move |_| {
        count.fetch_add(1, SeqCst);
        let next = raw_socket(SockFlag::empty());
        connect(next.as_raw_fd(), &address).expect("one has left the queue");
        *latest.lock().expect("nobody panics") = next;
        false
    });
    // As many as can have been there.
    assert_eq!(listener.try_accept().unwrap_err(), Error::WouldBlock);
    assert_eq!(asked.load(SeqCst), 4);
    assert!(is_readable(listener.as_fd()));
    let end = Instant::now() + Duration::from_millis(20);
    let error = listener.accept_deadline(end).unwrap_err();
    assert_eq!(error, Error::TimedOut);
    assert!(Instant::now() >= end);
    assert!(is_readable(listener.as_fd()));
}

#[test]
fn client_chooses_by_whom_to_be_served() {
    let place = Place::new();
    let listener = StreamListener::bind(&place.path).expect("the path is new");
    let picky = Connector::new().policy(|server| server.uid != geteuid().as_raw());
    let error = picky.connect::<Stream>(&place.path).unwrap_err();
    assert_eq!(error, Error::Distrusted);
    assert_kind(error, io::ErrorKind::PermissionDenied);
    assert_eq!(listener.try_accept().unwrap_err(), Error::WouldBlock);
    thread::scope(|scope| {
        let picky = Connector::new().policy(|server| server.pid == Some(process::id()));
        let client = scope.spawn(move || picky.connect::<Stream>(&place.path).expect("it is me"));
        let (mut ours, _) = listener.accept().expect("a client");
        are_connected(&mut ours, &mut client.join().expect("it connects"));
    });
}

/// A user and a group that are nobody's, so not the test's.
const STRANGER: u32 = 54321;

fn other_user(control: &Control) {
    setgid(Gid::from_raw(STRANGER)).expect("root may");
    setuid(Uid::from_raw(STRANGER)).expect("root may");
    let path = control.hear();
    let shut = Stream::connect(&path).unwrap_err();
    assert_eq!(
        shut,
        Error::Os {
            call: "connect",
            errno: libc::EACCES
        }
    );
    assert_kind(shut, io::ErrorKind::PermissionDenied);
    control.tell("shut out");
    control.hear();
    assert_eq!(Stream::connect(&path).unwrap_err(), Error::Refused);
    control.tell("refused");
    control.hear();
    let mut endpoint = Stream::connect(&path).expect("the policy is another one");
    let mut said = String::new();
    endpoint.read_to_string(&mut said).expect("it is the end");
}

fn stranger_who_binds(control: &Control) {
    setgid(Gid::from_raw(STRANGER)).expect("root may");
    setuid(Uid::from_raw(STRANGER)).expect("root may");
    let error = StreamListener::bind(control.hear()).unwrap_err();
    let refused = Error::Os {
        call: "connect",
        errno: libc::EACCES,
    };
    assert_eq!(error, refused);
    assert_kind(error, io::ErrorKind::PermissionDenied);
}

#[test]
fn dead_socket_that_may_not_be_written_to_is_not_said_to_be_in_use() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can become somebody else");
        return;
    }
    let place = Place::new();
    fs::set_permissions(place.directory.path(), Permissions::from_mode(0o777)).expect("ours");
    place.make_stale();
    fs::set_permissions(&place.path, Permissions::from_mode(0o600)).expect("ours");
    let stranger = Process::start("stranger_who_binds", []);
    stranger.tell(place.path.display());
    stranger.finish();
    assert_eq!(place.names(), ["socket"]);
    StreamListener::bind(&place.path).expect("who may finds out");
}

#[test]
fn clients_of_another_user_are_refused_unless_the_policy_allows_them() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can become somebody else");
        return;
    }
    let place = Place::new();
    fs::set_permissions(place.directory.path(), Permissions::from_mode(0o755)).expect("ours");
    let listener = StreamListener::bind(&place.path).expect("the path is new");
    let child = Process::start("other_user", []);
    child.tell(place.path.display());
    assert_eq!(child.hear(), "shut out");
    drop(listener);

    let mut listener: StreamListener = BindOptions::new().mode(0o666).bind(&place.path).unwrap();
    child.tell("again");
    until_readable(listener.as_fd());
    assert_eq!(listener.try_accept().unwrap_err(), Error::WouldBlock);
    assert_eq!(child.hear(), "refused");

    listener.set_policy(|client| client.uid == STRANGER);
    child.tell("again");
    let (_, who) = listener.accept().expect("it is allowed");
    assert_eq!((who.uid, who.gid), (STRANGER, STRANGER));
    assert_eq!(who.pid, Some(child.id()));
    child.finish();
}

// Somebody else at the other end.

/// What a client makes of a server that sends this to it.
fn client_of(server: impl FnOnce(OwnedFd) + Send) -> Error {
    let place = Place::new();
    let listener = raw_listener(&place);
    thread::scope(|scope| {
        scope.spawn(move || {
            let connection = accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC);
            let connection = connection.expect("a client");
            // SAFETY: the kernel has just made this descriptor for this call.
            let connection = unsafe {
                use std::os::fd::FromRawFd;
                OwnedFd::from_raw_fd(connection)
            };
            server(connection);
        });
        Stream::connect(&place.path).unwrap_err()
    })
}

/// Sends a message with descriptors.
fn post(socket: &OwnedFd, message: &[u8], fds: &[BorrowedFd<'_>]) {
    let numbers: Vec<_> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let rights = if fds.is_empty() { &[][..] } else { &rights };
    let message = [io::IoSlice::new(message)];
    let flags = MsgFlags::MSG_NOSIGNAL;
    sendmsg::<()>(socket.as_raw_fd(), &message, rights, flags, None).expect("it reads");
}

/// An answer as listeners give it.
fn answer(version: u32, code: u32) -> Vec<u8> {
    let (version, code) = (version.to_le_bytes(), code.to_le_bytes());
    [&b"zocket\xE7\x02"[..], &version, &code].concat()
}

#[test]
fn server_that_says_something_else_is_found_out() {
    const VERSION: u32 = zocket::protocol::VERSION;
    let good = answer(VERSION, 0);
    let file = File::open("/dev/null").expect("it is there");
    let not_a_listener = [
        b"hello".to_vec(),
        vec![0; 16],
        good[..15].to_vec(),
        [&good[..], b"x"].concat(),
        [&good[..], &[0; 5000]].concat(),
        answer(VERSION, 3),
        answer(VERSION, u32::MAX),
    ];
    for message in not_a_listener {
        let error = client_of(|connection| post(&connection, &message, &[file.as_fd()]));
        assert_eq!(error, Error::NotAListener, "{message:?}");
    }
    let found = VERSION + 1;
    let error = client_of(|connection| post(&connection, &answer(found, 0), &[]));
    assert_eq!(error, Error::UnsupportedVersion { found });
    let error = client_of(|connection| post(&connection, &answer(VERSION, 1), &[file.as_fd()]));
    assert_eq!(error, Error::Refused);
    let error = client_of(|connection| post(&connection, &answer(VERSION, 2), &[]));
    assert_eq!(error, Error::ListenerExhausted);
    for found in [0, 2, 7] {
        let fds = vec![file.as_fd(); found];
        let error = client_of(|connection| post(&connection, &good, &fds));
        assert_eq!(error, Error::DescriptorCount { expected: 1, found });
    }
    let error = client_of(|connection| post(&connection, &good, &[file.as_fd()]));
    assert_eq!(error, Error::NotAnEndpoint);
    for nothing in [&[][..], &[file.as_fd()]] {
        let error = client_of(|connection| post(&connection, b"", nothing));
        assert_kind(error, io::ErrorKind::ConnectionReset);
    }
    let error = client_of(drop);
    assert_kind(error, io::ErrorKind::ConnectionReset);
}

#[test]
fn listeners_of_other_sorts_are_told_from_ours() {
    let place = Place::new();
    let stream = UnixListener::bind(&place.path).expect("the path is new");
    let error = Stream::connect(&place.path).unwrap_err();
    assert_eq!(error, Error::NotAListener);
    drop(stream);
    fs::remove_file(&place.path).expect("it is there");
    // Nor can what speaks something else come to us.
    let _listener = StreamListener::bind(&place.path).expect("the path is free");
    let error = std::os::unix::net::UnixStream::connect(&place.path).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPROTOTYPE));
}

#[test]
fn server_that_says_nothing_is_waited_for_until_the_deadline() {
    let place = Place::new();
    let _listener = raw_listener(&place);
    for patience in [0, 20] {
        let end = Instant::now() + Duration::from_millis(patience);
        let connector = Connector::new().deadline(end);
        let error = connector.connect::<Stream>(&place.path).unwrap_err();
        assert_eq!(error, Error::TimedOut);
        assert!(Instant::now() >= end);
    }
}

#[test]
fn client_that_takes_no_descriptors_is_passed_over() {
    /// `SO_PASSRIGHTS` (Linux 6.16), which `libc` does not have.
    const PASS_RIGHTS: libc::c_int = 83;
    let place = Place::new();
    let listener = StreamListener::bind(&place.path).expect("the path is new");
    let client = silent(&place);
    let off: libc::c_int = 0;
    // SAFETY: reads an integer that is there.
    let set = unsafe {
        libc::setsockopt(
            client.as_raw_fd(),
            libc::SOL_SOCKET,
            PASS_RIGHTS,
            (&raw const off).cast(),
            size_of_val(&off) as libc::socklen_t,
        )
    };
    if Errno::result(set).is_err() {
        eprintln!("skipped: this kernel does not have SO_PASSRIGHTS");
        return;
    }
    assert_eq!(listener.try_accept().unwrap_err(), Error::WouldBlock);
}

// What is left.

/// Fills the table of descriptors, so that `room` are left of `limit`.
fn fill_table(limit: u64) -> Vec<File> {
    setrlimit(Resource::RLIMIT_NOFILE, limit, limit).expect("less is always allowed");
    let null = File::open("/dev/null").expect("it is there");
    let mut filling = Vec::new();
    while let Ok(fd) = null.try_clone() {
        filling.push(fd);
    }
    filling.push(null);
    filling
}

fn no_descriptors(_: &Control) {
    let place = Place::new();
    let listener = StreamListener::bind(&place.path).expect("the path is new");
    let other = Place::new();
    let clients = [(); 2].map(|()| silent(&place));
    let mut filling = fill_table(64);
    let mut failures = 0;
    let accepted = loop {
        match listener.accept() {
            Ok((endpoint, _)) => break endpoint,
            Err(error) => {
                let errno = match error {
                    Error::Os { errno, .. } => errno,
                    error => panic!("{error}"),
                };
                assert_eq!(errno, libc::EMFILE, "{error}");
                assert!(io::Error::from(error).to_string().contains("RLIMIT_NOFILE"));
                // Nobody is lost.
                assert!(is_readable(listener.as_fd()));
                failures += 1;
                drop(filling.pop());
            }
        }
    };
    assert!(failures > 3, "{failures} descriptors are not enough");
    // Three of an endpoint, and room for what was needed for a moment.
    filling.truncate(filling.len() - 3);
    let second = listener.accept().expect("the second client").0;
    assert_eq!(listener.try_accept().unwrap_err(), Error::WouldBlock);
    drop((accepted, second, clients));

    // A bind that fails leaves nothing behind, at whatever step that is.
    filling.extend(fill_table(64));
    let mut failures = 0;
    while let Err(error) = StreamListener::bind(&other.path) {
        let Error::Os {
            errno: libc::EMFILE,
            ..
        } = error
        else {
            panic!("{error}");
        };
        failures += 1;
        drop(filling.pop());
        if let Some(spare) = filling.pop() {
            // To look at the directory takes one as well.
            drop(spare);
            assert_eq!(other.names(), [""; 0]);
            filling.push(File::open("/dev/null").expect("the one that was spared"));
        }
    }
    assert!(failures > 2, "{failures}");
}

#[test]
fn without_descriptors_left_nobody_is_lost_and_nothing_left_behind() {
    Process::start("no_descriptors", []).finish();
}

fn leaks(_: &Control) {
    let place = Place::new();
    let mut listener = StreamListener::bind(&place.path).expect("the path is new");
    listener.set_pairs(Builder::new().capacity(4096));
    let round = |listener: &mut StreamListener| {
        thread::scope(|scope| {
            let client = scope.spawn(|| {
                let connect = || Stream::connect(&place.path);
                connect().expect("it is accepted");
                Datagram::connect(&place.path).unwrap_err();
            });
            listener.accept().expect("the stream");
            listener.accept().expect("the wrong one");
            client.join().expect("it ends");
        });
        drop(silent(&place));
        assert_eq!(listener.try_accept().unwrap_err(), Error::WouldBlock);
        let kept = silent(&place);
        listener.try_accept().expect("the silent one");
        drop(kept);
        StreamListener::bind(&place.path).unwrap_err();
        assert_eq!(listener.try_accept().unwrap_err(), Error::WouldBlock);
        drop(StreamListener::bind(place.directory.path().join("other")).expect("a new path"));
    };
    round(&mut listener);
    let before = (open_descriptors(), endpoint_mappings());
    for _ in 0..100 {
        round(&mut listener);
    }
    listener.set_policy(|_| false);
    for _ in 0..100 {
        let _refused = silent(&place);
        assert_eq!(listener.try_accept().unwrap_err(), Error::WouldBlock);
    }
    assert_eq!((open_descriptors(), endpoint_mappings()), before);
}

#[test]
fn nothing_stays_open_or_mapped() {
    Process::start("leaks", []).finish();
}

// Sockets from elsewhere.

#[test]
fn listener_moves_as_a_descriptor_and_leaves_its_path() {
    let place = Place::new();
    let listener = StreamListener::bind(&place.path).expect("the path is new");
    let _client = silent(&place);
    let socket = OwnedFd::from(listener);
    let listener = DatagramListener::try_from(socket).expect("it listens");
    listener.accept().expect("the client that waited");
    drop(listener);
    assert_eq!(place.names(), ["socket"]);

    // One that others have made, who have it block.
    fs::remove_file(&place.path).expect("it is there");
    let raw = raw_listener(&place);
    let others = raw.try_clone().expect("descriptors are left");
    let listener = StreamListener::try_from(raw).expect("it listens");
    assert_eq!(listener.try_accept().unwrap_err(), Error::WouldBlock);
    let flags = fcntl(&others, FcntlArg::F_GETFL).expect("it is open");
    assert!(OFlag::from_bits_truncate(flags).contains(OFlag::O_NONBLOCK));
}

#[test]
fn listener_is_made_of_nothing_but_a_listening_socket() {
    let place = Place::new();
    let refused = |fd: OwnedFd| {
        let error = StreamListener::try_from(fd).unwrap_err();
        assert_eq!(error, Error::NotAListener);
    };
    refused(File::open("/dev/null").expect("it is there").into());
    refused(raw_socket(SockFlag::empty()));
    refused(
        UnixListener::bind(&place.path)
            .expect("the path is new")
            .into(),
    );
    refused(
        std::net::TcpListener::bind("127.0.0.1:0")
            .expect("a port")
            .into(),
    );
    let (one, _other) = std::os::unix::net::UnixStream::pair().expect("descriptors are left");
    refused(one.into());
}

/// The command that starts a role with descriptors 3 and 4, and says so to it as systemd does.
fn activate(role: &str, meeting: &Meeting, script: &str, fds: [OwnedFd; 2]) -> Command {
    let plain = control::command(role);
    let mut command = Command::new("sh");
    // A shell, as the variable has the number of the process that is not there yet.
    let script = format!("exec 3<&0 4<&1 </dev/null >/dev/null; {script} exec \"$@\"");
    command.args(["-c", &script, "sh"]);
    command.arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let (variable, value) = Meeting::variable(meeting.name());
    command.env(variable, value);
    let [three, four] = fds;
    command.stdin(Stdio::from(three)).stdout(Stdio::from(four));
    command
}

fn activated(control: &Control) {
    let only = StreamListener::from_env().unwrap_err();
    let (expected, found) = (1, 2);
    assert_eq!(only, Error::DescriptorCount { expected, found });
    let unknown = StreamListener::from_env_named("nobody").unwrap_err();
    assert_eq!(unknown, Error::NotInherited);
    // A file: left alone, however often it is asked for.
    for _ in 0..2 {
        let file = StreamListener::from_env_named("a file").unwrap_err();
        assert_eq!(file, Error::NotAListener);
    }
    let listener = StreamListener::from_env_named("clients").expect("it was passed");
    assert_eq!(listener.as_raw_fd(), 3);
    assert_eq!(fcntl(&listener, FcntlArg::F_GETFD), Ok(libc::FD_CLOEXEC));
    for _ in 0..2 {
        let again = StreamListener::from_env_named("clients").unwrap_err();
        assert_eq!(again, Error::AlreadyClaimed);
    }
    control.tell("ready");
    let (mut endpoint, _) = listener.accept().expect("the one that waited");
    endpoint.write_all(b"welcome").expect("it reads");
    // Whoever gets the number afterwards is not taken for what was passed.
    drop(listener);
    let file = File::open("/dev/null").expect("it is there");
    assert_eq!(file.as_raw_fd(), 3);
    let again = StreamListener::from_env_named("clients").unwrap_err();
    assert_eq!(again, Error::AlreadyClaimed);
    control.hear_or_end();
}

#[test]
fn socket_that_was_made_beforehand_is_taken_over() {
    let place = Place::new();
    let listening = raw_listener(&place);
    let file = File::open("/dev/null").expect("it is there");
    let meeting = Meeting::new();
    thread::scope(|scope| {
        // Before there is a server.
        let client = scope.spawn(|| Stream::connect(&place.path).expect("it listens"));
        until_readable(listening.as_fd());
        let script = "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES='clients:a file'";
        let mut command = activate("activated", &meeting, script, [listening, file.into()]);
        let mut child = command.spawn().expect("a shell");
        // The command has them too.
        drop(command);
        let control = meeting.accept();
        assert_eq!(control.hear(), "ready");
        let mut endpoint = client.join().expect("it connects");
        let mut said = [0; 7];
        endpoint.read_exact(&mut said).expect("the server writes");
        assert_eq!(&said, b"welcome");
        drop(control);
        assert!(child.wait().expect("ours").success());
    });
    // It is not the server's.
    assert_eq!(place.names(), ["socket"]);
}

fn not_activated(_: &Control) {
    let error = StreamListener::from_env().unwrap_err();
    assert_eq!(error, Error::NotInherited);
    let error = DatagramListener::from_env_named("clients").unwrap_err();
    assert_eq!(error, Error::NotInherited);
}

#[test]
fn what_was_passed_to_another_process_or_not_at_all_is_not_taken() {
    let place = Place::new();
    let listening = raw_listener(&place);
    for script in [
        "",
        "LISTEN_FDS=1 LISTEN_FDNAMES=clients",
        "LISTEN_PID=1 LISTEN_FDS=1 LISTEN_FDNAMES=clients",
        "LISTEN_PID=$$ LISTEN_FDS=0",
        "LISTEN_PID=$$ LISTEN_FDS=many",
        "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=clients",
    ] {
        let fds = [(); 2].map(|()| listening.try_clone().expect("descriptors are left"));
        let meeting = Meeting::new();
        let mut command = activate("not_activated", &meeting, script, fds);
        let mut child = command.spawn().expect("a shell");
        let control = meeting.accept();
        assert!(child.wait().expect("ours").success(), "{script}");
        drop(control);
    }
}

//! Endpoints by name, and names that lead elsewhere.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use zocket::process::VARIABLE_PREFIX;
use zocket::{Datagram, Error, Kind, Stream, process};

use crate::support_processes::control::{self, Control, Meeting, Process, Role};

pub(crate) const ROLES: &[Role] = &[
    ("claims_two", claims_two),
    ("becomes_another", becomes_another),
    ("claims_one", claims_one),
    ("claims_stdin", claims_stdin),
    ("claims_wrong_kind", claims_wrong_kind),
    ("claims_bogus", claims_bogus),
    ("claims_socket", claims_socket),
];

fn claims_two(control: &Control) {
    assert_eq!(
        Stream::inherited("nobody").unwrap_err(),
        Error::NotInherited
    );
    let mut stream = Stream::inherited("a stream, with spaces").expect("it was passed");
    let mut datagram = Datagram::inherited("datagrams").expect("it was passed");
    for _ in 0..2 {
        let again = Stream::inherited("a stream, with spaces").unwrap_err();
        assert_eq!(again, Error::AlreadyClaimed);
        let again = Datagram::inherited("datagrams").unwrap_err();
        assert_eq!(again, Error::AlreadyClaimed);
    }
    stream
        .write_all(b"through the stream")
        .expect("the test reads");
    datagram.send(b"as a datagram").expect("the test reads");
    // The endpoints themselves do not pass to children of this child.
    for fd in [stream.as_fd(), datagram.as_fd()] {
        assert_eq!(fcntl(fd, FcntlArg::F_GETFD), Ok(libc::FD_CLOEXEC));
    }
    control.hear();
}

#[test]
fn named_endpoints_arrive_and_only_once() {
    let (mut stream, their_stream) = Stream::pair().expect("a pair");
    let (mut datagram, their_datagram) = Datagram::pair().expect("a pair");
    let child = Process::start(
        "claims_two",
        [
            ("a stream, with spaces", their_stream.into()),
            ("datagrams", their_datagram.into()),
        ],
    );
    let mut buf = [0; 18];
    stream.read_exact(&mut buf).expect("the child writes");
    assert_eq!(&buf, b"through the stream");
    assert_eq!(datagram.recv(&mut buf), Ok(13));
    assert_eq!(&buf[..13], b"as a datagram");
    child.tell("end");
    child.finish();
    assert_eq!(stream.read(&mut buf).expect("the end"), 0);
    assert_eq!(datagram.recv(&mut buf), Ok(0));
}

/// Executes another program in its own place, which finds what this one gives it.
fn becomes_another(_: &Control) {
    let (mut ours, theirs) = Stream::pair().expect("a pair");
    ours.write_all(b"from before").expect("there is room");
    let mut command = control::command("claims_one");
    process::attach(&mut command, [("it", theirs.into())]).expect("it is open");
    let error = command.exec();
    panic!("{error}");
}

fn claims_one(control: &Control) {
    let mut endpoint = Stream::inherited("it").expect("it was attached");
    let mut said = String::new();
    endpoint
        .read_to_string(&mut said)
        .expect("what was written, and the end");
    control.tell(said);
    control.hear();
}

#[test]
fn attached_endpoint_is_there_after_exec() {
    let child = Process::start("becomes_another", []);
    assert_eq!(child.hear(), "from before");
    child.tell("end");
    child.finish();
}

#[test]
fn attached_endpoint_stays_with_the_command_until_that_is_dropped() {
    let (mut ours, theirs) = Stream::pair().expect("a pair");
    let mut command = Command::new("true");
    process::attach(&mut command, [("it", theirs.into())]).expect("it is open");
    assert!(command.status().expect("it starts").success());
    assert_eq!(ours.try_read(&mut [0]), Err(Error::WouldBlock));
    drop(command);
    assert_eq!(ours.read(&mut [0]).expect("the end"), 0);
}

fn claims_stdin(control: &Control) {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned();
    let mut endpoint = Stream::try_from(stdin.expect("it is open")).expect("it is the endpoint");
    endpoint.write_all(b"found").expect("the test reads");
    // What is left of it is at its end.
    assert_eq!(std::io::stdin().read(&mut [0]).expect("the end"), 0);
    control.hear();
}

#[test]
fn endpoint_is_found_as_standard_input() {
    let (mut ours, theirs) = Stream::pair().expect("a pair");
    let meeting = Meeting::new();
    let mut command = control::command("claims_stdin");
    let (variable, value) = Meeting::variable(meeting.name());
    command.env(variable, value).stdin(OwnedFd::from(theirs));
    let mut child = command.spawn().expect("it starts");
    drop(command);
    let control = meeting.accept();
    let mut said = [0; 5];
    ours.read_exact(&mut said).expect("the child writes");
    assert_eq!(&said, b"found");
    control.tell("end");
    assert!(child.wait().expect("our child").success());
    assert_eq!(ours.read(&mut said).expect("the end"), 0);
}

fn claims_wrong_kind(control: &Control) {
    let wrong = Stream::inherited("it").unwrap_err();
    let found = Kind::Datagram;
    assert_eq!(wrong, Error::WrongKind { found });
    // A wrong guess loses nothing: the peer is connected and the endpoint is there.
    control.tell("guessed");
    control.hear();
    let mut right = Datagram::inherited("it").expect("it is still there");
    right.send(b"here").expect("the test reads");
    control.hear();
}

#[test]
fn asking_for_the_wrong_kind_leaves_the_endpoint_where_it_is() {
    let (mut ours, theirs) = Datagram::pair().expect("a pair");
    let child = Process::start("claims_wrong_kind", [("it", theirs.into())]);
    assert_eq!(child.hear(), "guessed");
    // Would be 0 if the child had lost the endpoint.
    assert_eq!(ours.try_recv(&mut [0; 4]), Err(Error::WouldBlock));
    child.tell("go on");
    let mut buf = [0; 4];
    assert_eq!(ours.recv(&mut buf), Ok(4));
    assert_eq!(&buf, b"here");
    child.tell("end");
    child.finish();
}

/// Standard input is the control connection, a Unix stream socket; standard output
/// is a file; 9999 is nothing.
fn claims_bogus(control: &Control) {
    for number in ["0", "1", "9999"] {
        for error in [
            Stream::inherited(&format!("bogus{number}")).unwrap_err(),
            Datagram::inherited(&format!("bogus{number}")).unwrap_err(),
        ] {
            assert_eq!(error, Error::NotAnEndpoint, "descriptor {number}");
        }
    }
    for text in ["-1", "x", "", "99999999999"] {
        let error = Stream::inherited(&format!("bogus{text}")).unwrap_err();
        assert_eq!(error, Error::NotInherited, "number {text:?}");
    }
    // Neither closed nor made to close on exec, and nothing taken from it.
    assert_eq!(fcntl(std::io::stdin(), FcntlArg::F_GETFD), Ok(0));
    assert_eq!(fcntl(std::io::stdout(), FcntlArg::F_GETFD), Ok(0));
    assert_eq!(control.hear(), "queued before");
    control.tell("untouched");
}

#[test]
fn variable_that_names_another_descriptor_is_refused_and_that_one_untouched() {
    let mut command = control::command("claims_bogus");
    for number in ["0", "1", "9999", "-1", "x", "", "99999999999"] {
        // No descriptor has inode 1: a stale variable, as a grandchild sees it.
        let place = format!("{number}:1");
        command.env(format!("{VARIABLE_PREFIX}bogus{number}"), place);
    }
    let child = Process::start_command(command, []);
    child.tell("queued before");
    assert_eq!(child.hear(), "untouched");
    child.finish();
}

/// Standard error is a socket of the very type that envelopes have.
fn claims_socket(_: &Control) {
    let error = Stream::inherited("socket").unwrap_err();
    assert_eq!(error, Error::NotAnEndpoint);
    let mut buf = [0; 64];
    let stderr = std::io::stderr();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&stderr);
    let len = recv(fd, &mut buf, MsgFlags::MSG_DONTWAIT).expect("the message is still there");
    assert_eq!(&buf[..len], b"somebody's message");
}

fn refuses_socket(theirs: OwnedFd) {
    let mut command = control::command("claims_socket");
    let inode = nix::sys::stat::fstat(&theirs).expect("it is open").st_ino;
    command.stderr(Stdio::from(theirs));
    command.env(format!("{VARIABLE_PREFIX}socket"), format!("2:{inode}"));
    Process::start_command(command, []).finish();
}

#[test]
fn variable_that_names_a_socket_with_messages_takes_none_of_them() {
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .expect("descriptors are left");
    let raw = std::os::fd::AsRawFd::as_raw_fd(&ours);
    send(raw, b"somebody's message", MsgFlags::empty()).expect("there is room");
    refuses_socket(theirs);

    let (ours, theirs) = UnixDatagram::pair().expect("descriptors are left");
    ours.send(b"somebody's message").expect("there is room");
    refuses_socket(theirs.into());
}

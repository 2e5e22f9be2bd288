//! Endpoints that nobody takes out of their envelope.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;

use zocket::Stream;

use crate::support_processes::control::{Control, Process, Role};
use crate::support_processes::fds::send_fd;
use crate::support_processes::observe::{Thread, until_blocked};

pub(crate) const ROLES: &[Role] = &[("never_claims", never_claims)];

/// Ends, when told, without having looked at what it inherited.
fn never_claims(control: &Control) {
    assert_eq!(control.hear(), "end");
}

/// Has a thread blocked on an endpoint whose other end is in an envelope, lets
/// `lose` lose the envelope, and expects the thread to see the end.
fn reader_sees_the_end_after(lose: impl FnOnce(OwnedFd, &dyn Fn())) {
    let (mut ours, mut theirs) = Stream::pair().expect("a pair");
    assert_eq!(theirs.try_write(b"last words"), Ok(10));
    let (announce, announced) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            announce.send(Thread::current()).expect("the test goes on");
            let mut text = String::new();
            ours.read_to_string(&mut text)
                .expect("an end, not an error");
            assert_eq!(text, "last words");
        });
        let reader = announced.recv().expect("the reader begins");
        lose(theirs.into(), &|| until_blocked(reader));
    });
}

#[test]
fn envelope_dropped_unclaimed_ends_the_blocked_read() {
    reader_sees_the_end_after(|envelope, until_blocked| {
        until_blocked();
        drop(envelope);
    });
}

#[test]
fn envelope_lost_in_a_socket_ends_the_blocked_read() {
    reader_sees_the_end_after(|envelope, until_blocked| {
        let (a, b) = UnixStream::pair().expect("descriptors are left");
        send_fd(&a, &envelope);
        // An endpoint in an envelope in a message: still nobody has hung up.
        drop(envelope);
        drop(a);
        until_blocked();
        drop(b);
    });
}

#[test]
fn child_that_ends_before_claiming_ends_the_blocked_read() {
    reader_sees_the_end_after(|envelope, until_blocked| {
        let child = Process::start("never_claims", [("unclaimed", envelope)]);
        until_blocked();
        child.tell("end");
        child.finish();
    });
}

#[test]
fn child_killed_before_claiming_ends_the_blocked_read() {
    reader_sees_the_end_after(|envelope, until_blocked| {
        let mut child = Process::start("never_claims", [("unclaimed", envelope)]);
        until_blocked();
        child.kill();
        child.finish_killed();
    });
}

#[test]
fn command_that_does_not_start_ends_the_blocked_read() {
    reader_sees_the_end_after(|envelope, until_blocked| {
        until_blocked();
        let command = std::process::Command::new("/nonexistent/command");
        zocket::process::spawn(command, [("unclaimed", envelope)]).expect_err("nothing there");
    });
}

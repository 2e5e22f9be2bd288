//! What a blocked thread does not do: wake up for nothing, or end at a signal.

#![allow(unsafe_code, reason = "installs a signal handler, signals a thread")]

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use zocket::{Datagram, FenceMode, Stream};

use crate::support_processes::control::{Control, Process, Role};
use crate::support_processes::endpoint::{Endpoint, FENCES, KINDS, kind_from, kind_number};
use crate::support_processes::observe::{Thread, activity, thread_named, until_blocked};

pub(crate) const ROLES: &[Role] = &[
    ("quiet_reader", quiet_reader),
    ("signalled_reader", signalled_reader),
    ("signalled_writer", signalled_writer),
    ("signalled_threshold", signalled_threshold),
    ("signalled_receiver", signalled_receiver),
];

/// The name of the thread that watches for hang-ups.
const WATCHER: &str = "zocket-hangup";

/// The watcher of a child that sleeps or has slept.
fn watcher_of(child: &Process) -> Thread {
    // It gives itself its name, a little after it was started.
    loop {
        if let Some(thread) = thread_named(child.id(), WATCHER) {
            return thread;
        }
    }
}

fn quiet_reader(control: &Control) {
    let [kind] = control.hear_numbers();
    let mut endpoint = Endpoint::inherited(kind_from(kind), "end").expect("it was passed");
    control.tell(Thread::current().id);
    let mut buf = [0; 4];
    assert_eq!(endpoint.read(&mut buf).expect("the test writes"), 4);
}

/// No heartbeat, no timeout, no periodic look: with nothing to do, no thread of the
/// process, the watcher included, so much as wakes up.
#[test]
fn blocked_reader_and_its_watcher_do_not_wake_for_nothing() {
    let seconds = std::env::var("ZOCKET_QUIET_SECONDS")
        .map_or(2, |n| n.parse().expect("a number of seconds"));
    let readers: Vec<_> = KINDS
        .into_iter()
        .flat_map(|kind| FENCES.map(|fence| (kind, fence)))
        .map(|(kind, fence)| {
            let (ours, theirs) = Endpoint::pair(kind, 4 << 10, fence).expect("a pair");
            let child = Process::start("quiet_reader", [("end", theirs.into())]);
            child.tell_numbers(&[kind_number(kind)]);
            let [id] = child.hear_numbers();
            let thread = Thread {
                process: child.id(),
                id: id as u32,
            };
            until_blocked(thread);
            watcher_of(&child);
            (ours, child)
        })
        .collect();
    let all = || -> Vec<_> { readers.iter().map(|(_, c)| activity(c.id())).collect() };
    // The watchers, just started, come to rest: what counts is the time after.
    let mut before = all();
    loop {
        thread::sleep(Duration::from_millis(100));
        let now = all();
        if now == before {
            break;
        }
        before = now;
    }
    // The interval that is measured, not a wait for something.
    thread::sleep(Duration::from_secs(seconds));
    assert_eq!(all(), before);
    for (mut ours, child) in readers {
        ours.write(b"wake").expect("the child reads");
        child.finish();
    }
}

/// How many signals the handler has seen.
static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_signal(_: i32) {
    // Relaxed: a statistic.
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// Handles SIGUSR1 without `SA_RESTART`: a system call that it hits ends with EINTR.
fn handle_signals() {
    let handler = SigHandler::Handler(count_signal);
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does one atomic addition.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.expect("a signal that can be handled");
}

/// Sends SIGUSR1 to a thread, several times, each once it is in its wait again.
fn pester(thread: Thread, is_waiting: impl Fn(Thread)) {
    for _ in 0..20 {
        is_waiting(thread);
        // SAFETY: sends a signal; takes no pointers.
        let result =
            unsafe { libc::syscall(libc::SYS_tgkill, thread.process, thread.id, libc::SIGUSR1) };
        assert_eq!(result, 0);
    }
    is_waiting(thread);
}

fn saw_signals(control: &Control) {
    // Relaxed: the signals came before what the test has written since.
    control.tell(SIGNALS.load(Ordering::Relaxed));
}

fn announce(control: &Control) {
    handle_signals();
    control.tell(Thread::current().id);
}

fn signalled_reader(control: &Control) {
    let mut end = Stream::inherited("end").expect("it was passed");
    announce(control);
    let mut buf = [0; 8];
    assert_eq!(end.read(&mut buf).expect("a signal is no error"), 4);
    assert_eq!(&buf[..4], b"data");
    saw_signals(control);
    // Once more, for the end by a hang-up.
    assert_eq!(end.read(&mut buf).expect("the end"), 0);
    saw_signals(control);
}

fn signalled_writer(control: &Control) {
    let mut end = Stream::inherited("end").expect("it was passed");
    let capacity = end.info().capacity;
    end.write_all(&vec![1; capacity]).expect("there is space");
    announce(control);
    end.write_all(b"more").expect("a signal is no error");
    saw_signals(control);
}

fn signalled_threshold(control: &Control) {
    let mut end = Stream::inherited("end").expect("it was passed");
    announce(control);
    end.wait_readable(100, None).expect("a signal is no error");
    assert!(end.info().readable >= 100);
    saw_signals(control);
}

fn signalled_receiver(control: &Control) {
    let mut end = Datagram::inherited("end").expect("it was passed");
    announce(control);
    let mut buf = [0; 8];
    assert_eq!(end.recv(&mut buf), Ok(4));
    saw_signals(control);
}

/// Starts the child and pesters its thread while that is blocked.
fn pestered(role: &str, end: std::os::fd::OwnedFd) -> Process {
    let child = Process::start(role, [("end", end)]);
    let [id] = child.hear_numbers();
    let (process, id) = (child.id(), id as u32);
    pester(Thread { process, id }, until_blocked);
    child
}

/// At least one came while it slept; several at once may have become one.
fn finish_pestered(child: Process) {
    let [signals] = child.hear_numbers();
    assert!(signals > 0);
    child.finish();
}

#[test]
fn signals_do_not_end_a_blocked_read() {
    for fence in FENCES {
        let (ours, theirs) = Endpoint::pair(zocket::Kind::Stream, 4 << 10, fence).expect("a pair");
        let mut ours = ours;
        let child = pestered("signalled_reader", theirs.into());
        ours.write(b"data").expect("the child reads");
        let [signals] = child.hear_numbers();
        assert!(signals > 0);
        // The watcher gets its share, and goes on watching.
        pester(watcher_of(&child), |_| ());
        drop(ours);
        finish_pestered(child);
    }
}

#[test]
fn signals_do_not_end_a_blocked_write() {
    let (ours, theirs) =
        Endpoint::pair(zocket::Kind::Stream, 4 << 10, FenceMode::Asymmetric).expect("a pair");
    let mut ours = ours;
    let child = pestered("signalled_writer", theirs.into());
    let mut rest = 4096 + 4;
    while rest > 0 {
        rest -= ours.read(&mut [0; 512]).expect("the child writes");
    }
    finish_pestered(child);
}

#[test]
fn signals_do_not_end_a_wait_for_a_threshold() {
    let (mut ours, theirs) = Stream::pair().expect("a pair");
    ours.write_all(&[1; 99]).expect("there is space");
    let child = pestered("signalled_threshold", theirs.into());
    ours.write_all(&[1]).expect("there is space");
    finish_pestered(child);
}

#[test]
fn signals_do_not_end_a_blocked_receive() {
    let (mut ours, theirs) = Datagram::pair().expect("a pair");
    let child = pestered("signalled_receiver", theirs.into());
    ours.send(b"data").expect("the child receives");
    finish_pestered(child);
}

//! Ports whose endpoints have their peers in other processes.

use std::thread;
use std::time::Duration;

use zocket::{Packet, Port, Signals, Stream, Trigger};

use crate::support_processes::control::{Control, Process, Role};
use crate::support_processes::observe::{Thread, activity, manner, sleeper, until_in};

pub(crate) const ROLES: &[Role] = &[
    ("waits_on_port", waits_on_port),
    ("port_peer", port_peer),
    ("port_load", port_load),
];

const NONE: Signals = Signals::empty();
/// Threads that wait on the port.
const WAITERS: usize = 2;

fn end(name: &str) -> Stream {
    Stream::inherited(name).expect("it was passed")
}

fn key(packet: Packet) -> u64 {
    match packet {
        Packet::Signals { key, .. } => key,
        other => panic!("{other:?}"),
    }
}

/// Holds an end until it is killed.
fn port_peer(control: &Control) {
    let _end = end("end");
    control.tell("ready");
    control.hear_or_end();
}

/// Two threads wait; one endpoint of three has a peer that dies.
fn waits_on_port(control: &Control) {
    let ends = ["mortal", "idle", "last"].map(end);
    let port = Port::new().expect("descriptors are left");
    for (name, end) in ends.iter().enumerate() {
        // Of the mortal one no signal that its death brings about.
        let wanted = match name {
            2 => Signals::PEER_CLOSED,
            _ => Signals::USER_0,
        };
        for key in 0..2 {
            port.register(end, key, wanted, Trigger::Level)
                .expect("it is ours");
        }
    }
    thread::scope(|scope| {
        let waiters = [(); WAITERS].map(|()| {
            sleeper(scope, || key(port.wait(None).expect("the test goes on"))).until(manner::PORT)
        });
        control.tell_numbers(&waiters.each_ref().map(|waiter| waiter.thread.id.into()));
        let mut keys = waiters.map(|waiter| waiter.result());
        keys.sort_unstable();
        assert_eq!(keys, [0, 1]);
    });
    // What was registered of the dead one is there still, for whoever signals it here.
    ends[0].signal(NONE, Signals::USER_0).expect("it is ours");
    assert_eq!(key(port.wait(None).expect("it is queued")), 0);
}

/// No wake-up and no CPU time, before and after a peer of theirs has died.
#[test]
fn waiters_on_a_port_do_not_wake_for_nothing_nor_for_ever() {
    let [mortal, idle, last] = [(); 3].map(|()| Stream::pair().expect("a pair"));
    let mut peer = Process::start("port_peer", [("end", mortal.0.into())]);
    assert_eq!(peer.hear(), "ready");
    let child = Process::start(
        "waits_on_port",
        [
            ("mortal", mortal.1.into()),
            ("idle", idle.1.into()),
            ("last", last.1.into()),
        ],
    );
    let waiters = child.hear_numbers::<WAITERS>().map(|id| Thread {
        process: child.id(),
        id: id as u32,
    });
    let is_quiet = || {
        // Until all have come to rest: what counts is the time after.
        let mut before = activity(child.id());
        loop {
            thread::sleep(Duration::from_millis(50));
            let now = activity(child.id());
            if now == before {
                break;
            }
            before = now;
        }
        for waiter in waiters {
            until_in(waiter, manner::PORT);
        }
        // The interval that is measured, not a wait for something.
        thread::sleep(Duration::from_millis(300));
        assert_eq!(activity(child.id()), before);
    };
    is_quiet();
    peer.kill();
    peer.finish_killed();
    is_quiet();
    // A signal that nobody has registered for disturbs, but not for long.
    idle.0.signal_peer(NONE, Signals::USER_1).expect("it lives");
    is_quiet();
    drop(last.0);
    child.finish();
}

const ENDS: usize = 40;
const ROUNDS: u64 = 50;

/// Changes all ends, over and over, without waiting for anybody.
fn port_load(control: &Control) {
    let mut ends: Vec<_> = (0..ENDS).map(|i| end(&i.to_string())).collect();
    for _ in 0..ROUNDS {
        control.hear();
        for end in &mut ends {
            end.signal_peer(NONE, Signals::USER_6).expect("it lives");
            end.signal_peer(Signals::USER_6, NONE).expect("it lives");
            end.try_write(b"x").expect("there is space");
        }
    }
    control.hear_or_end();
}

/// What a peer in another process does is queued once for each registration, whichever of
/// several threads notices.
#[test]
fn each_registration_is_met_once_by_a_peer_in_another_process() {
    let (mut ours, theirs): (Vec<_>, Vec<_>) =
        (0..ENDS).map(|_| Stream::pair().expect("a pair")).unzip();
    let names: Vec<_> = (0..ENDS).map(|i| i.to_string()).collect();
    let passed = names.iter().map(String::as_str);
    let child = Process::start("port_load", passed.zip(theirs.into_iter().map(Into::into)));
    let port = Port::new().expect("descriptors are left");
    for _ in 0..ROUNDS {
        for (i, end) in ours.iter().enumerate() {
            for (j, wanted) in [Signals::USER_6, Signals::READABLE].into_iter().enumerate() {
                port.register(end, (2 * i + j) as u64, wanted, Trigger::Level)
                    .expect("it is ours");
            }
        }
        let mut keys: Vec<u64> = thread::scope(|scope| {
            let waiters = [(); 4].map(|()| {
                sleeper(scope, || {
                    let next = |_| key(port.wait(None).expect("the test goes on"));
                    (0..ENDS / 2).map(next).collect::<Vec<_>>()
                })
                .until(manner::PORT)
            });
            child.tell("now");
            waiters.map(|waiter| waiter.result()).concat()
        });
        keys.sort_unstable();
        assert_eq!(keys, (0..2 * ENDS as u64).collect::<Vec<_>>());
        for end in &mut ours {
            // Those that were pulsed may not have been written to yet.
            end.wait_readable(1, None).expect("the child writes");
            assert_eq!(end.try_read(&mut [0; 8]), Ok(1));
        }
    }
    assert!(port.wait(Some(std::time::Instant::now())).is_err());
    child.finish_talking();
}

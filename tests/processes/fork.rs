//! fork without exec.
//!
//! Each test is a child of the test process that forks on its own, so that no
//! other test's threads are part of the fork. Who is forked leaves by `_exit`.

#![allow(unsafe_code, reason = "fork")]

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use zocket::zx::*;
use zocket::{
    Datagram, Disposition, Error, FenceMode, Packet, Port, Signals, Stream, Trigger, WaitItem,
    wait_many,
};

use crate::support_processes::control::{Control, Process, Role};
use crate::support_processes::endpoint::sleep_and_wake;
use crate::support_processes::observe::{Thread, manner, sleeper, until_blocked};

pub(crate) const ROLES: &[Role] = &[
    ("fork_refused", fork_refused),
    ("fork_signals", fork_signals),
    ("fork_handles", fork_handles),
    ("fork_busy", fork_busy),
    ("fork_envelope", fork_envelope),
    ("fork_pair", fork_pair),
    ("fork_watched", fork_watched),
    ("fork_peer", fork_peer),
    ("fork_hears_parent_die", fork_hears_parent_die),
];

/// Has the other end, and does nothing.
fn fork_peer(control: &Control) {
    let _end = Stream::inherited("end").expect("it was passed");
    control.hear_or_end();
}

/// Runs `body` in a fork of this process.
fn forked(body: impl FnOnce()) -> Pid {
    // SAFETY: the process is a test child whose other threads, if it has any, are
    // parked in joins and polls, or read and write through handles, and hold no lock that
    // `body` could want; the fork does not return from here but ends by `_exit`.
    match unsafe { fork() }.expect("processes are left") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let status = match catch_unwind(AssertUnwindSafe(body)) {
                Ok(()) => 0,
                Err(_) => 101,
            };
            // SAFETY: ends the process, without what belongs to its parent: no exit
            // handlers, no flushing of buffers.
            unsafe { libc::_exit(status) }
        }
    }
}

fn finish(child: Pid) {
    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
}

fn all_calls_are_refused(mut copy: Stream) {
    let mut buf = [0; 4];
    assert_eq!(copy.try_read(&mut buf), Err(Error::Forked));
    assert_eq!(copy.try_peek(&mut buf), Err(Error::Forked));
    assert_eq!(copy.try_write(b"x"), Err(Error::Forked));
    assert_eq!(copy.try_chunk().unwrap_err(), Error::Forked);
    assert_eq!(copy.try_reserve(1).unwrap_err(), Error::Forked);
    assert_eq!(copy.wait_readable(1, None), Err(Error::Forked));
    assert_eq!(copy.wait_writable(1, None), Err(Error::Forked));
    assert_eq!(copy.arm_read(1), Err(Error::Forked));
    assert_eq!(copy.arm_write(1), Err(Error::Forked));
    assert_eq!(copy.shutdown(Shutdown::Both), Err(Error::Forked));
    copy.read(&mut buf).expect_err("it is the parent's");
    copy.write(b"x").expect_err("it is the parent's");
    let error = copy.into_fd().unwrap_err();
    assert_eq!(error.error(), Error::Forked);
    // Dropping halves is a shutdown elsewhere; here it is nothing.
    drop(error.into_endpoint().into_split());
}

fn fork_refused(_: &Control) {
    let (mut a, mut b) = Stream::pair().expect("a pair");
    let (mut x, mut y) = Datagram::pair().expect("a pair");
    // With an entry in the watcher's list, which the fork must leave alone.
    sleep_and_wake(&mut a, &mut b);
    b.write_all(b"before").expect("there is space");
    let (a_copy, b_copy, x_copy) = (&mut a, &mut b, &mut x);
    let child = forked(|| {
        // SAFETY: a read of a value that is never used again in this process, which
        // ends without running the destructors of the originals.
        let take = |stream: &mut Stream| unsafe { std::ptr::read(stream) };
        all_calls_are_refused(take(a_copy));
        all_calls_are_refused(take(b_copy));
        assert_eq!(x_copy.try_recv(&mut [0]), Err(Error::Forked));
        assert_eq!(x_copy.try_send(b"x"), Err(Error::Forked));
        // SAFETY: as above.
        drop(unsafe { std::ptr::read(x_copy) });
    });
    finish(child);
    // Nobody noticed anything.
    let mut buf = [0; 6];
    a.read_exact(&mut buf).expect("it was queued");
    assert_eq!(&buf, b"before");
    a.write_all(b"after").expect("still connected");
    b.read_exact(&mut buf[..5]).expect("still connected");
    assert!(!a.info().peer_closed && !b.info().peer_closed);
    sleep_and_wake(&mut b, &mut a);
    assert_eq!(x.send(b"still"), Ok(5));
    assert_eq!(y.recv(&mut buf), Ok(5));
    drop(a);
    assert_eq!(b.read(&mut buf).expect("the end"), 0);
}

#[test]
fn forked_copy_refuses_and_its_drop_disturbs_nobody() {
    Process::start("fork_refused", []).finish();
}

/// Signals, waits and ports in the child's copies.
fn fork_signals(_: &Control) {
    let (mut a, b) = Stream::pair().expect("a pair");
    let port = Port::new().expect("descriptors are left");
    port.register(&b, 1, Signals::READABLE, Trigger::Level)
        .expect("it is ours");
    let none = Signals::empty();
    let (unchanged, disabled) = (Disposition::Unchanged, Disposition::WriteDisabled);
    finish(forked(|| {
        let forked = Err(Error::Forked);
        assert_eq!(b.signals(), none);
        assert_eq!(b.wait(Signals::all(), None), Err(Error::Forked));
        let mut items = [WaitItem::new(&a, none), WaitItem::new(&b, none)];
        assert_eq!(wait_many(&mut items, None), forked);
        assert_eq!(b.signal(none, Signals::USER_0), forked);
        assert_eq!(b.signal_peer(none, Signals::USER_0), forked);
        assert_eq!(b.set_disposition(unchanged, disabled), forked);
        assert_eq!(b.set_read_threshold(1), forked);
        assert_eq!(b.set_write_threshold(1), forked);
        let register = port.register(&b, 2, Signals::USER_0, Trigger::Edge);
        assert_eq!(register, forked);
        assert_eq!(port.queue(3, [0; 32]), forked);
        assert_eq!(port.wait(None), Err(Error::Forked));
        // SAFETY: reads of values that are never used again in this process, which ends
        // without running the destructors of the originals.
        drop(unsafe { (std::ptr::read(&port), std::ptr::read(&b)) });
    }));
    assert_eq!(
        (a.signals(), b.signals()),
        (Signals::WRITABLE, Signals::WRITABLE)
    );
    let waits = || match port.wait(None) {
        Ok(Packet::Signals { key, .. }) => key,
        other => panic!("{other:?}"),
    };
    a.try_write(b"x").expect("still connected");
    assert_eq!(waits(), 1);
    port.register(&b, 4, Signals::USER_0, Trigger::Level)
        .expect("it is ours");
    a.signal_peer(none, Signals::USER_0)
        .expect("still connected");
    assert_eq!(waits(), 4);
}

/// The same with handles, and with the parent's registrations and waits under way.
fn fork_handles(_: &Control) {
    let (a, b) = zx_socket_create(ZX_SOCKET_STREAM).expect("a pair");
    let port = zx_port_create(0).expect("descriptors are left");
    zx_object_wait_async(b, port, 1, ZX_SOCKET_READABLE, 0).expect("it is ours");
    let user = zx_packet_user_t { c8: [0; 32] };
    let packet = zx_port_packet_t {
        key: 1,
        r#type: ZX_PKT_TYPE_USER,
        status: ZX_OK,
        payload: zx_packet_payload_t { user },
    };
    let never = ZX_TIME_INFINITE;
    thread::scope(|scope| {
        let waiter = sleeper(scope, || {
            zx_object_wait_one(b, ZX_SOCKET_READABLE, never, None)
        });
        let waiter = waiter.until(manner::FUTEX);
        finish(forked(|| {
            let bad = Status::BAD_HANDLE;
            assert_eq!(zx_socket_write(a, 0, b"x"), Err(bad));
            assert_eq!(zx_socket_read(b, 0, &mut [0; 8]), Err(bad));
            assert_eq!(zx_object_wait_one(b, 0, never, None), Err(bad));
            assert_eq!(zx_object_signal(b, 0, ZX_USER_SIGNAL_0), Err(bad));
            assert_eq!(zx_object_signal_peer(b, 0, ZX_USER_SIGNAL_0), Err(bad));
            assert_eq!(zx_socket_set_disposition(b, 1, 1), Err(bad));
            assert_eq!(zx_socket_shutdown(b, ZX_SOCKET_SHUTDOWN_WRITE), Err(bad));
            let mut bytes = [0; 8];
            for property in [ZX_PROP_SOCKET_RX_THRESHOLD, ZX_PROP_SOCKET_TX_THRESHOLD] {
                assert_eq!(zx_object_get_property(b, property, &mut bytes), Err(bad));
                assert_eq!(zx_object_set_property(b, property, &bytes), Err(bad));
            }
            assert_eq!(zx_object_wait_async(b, port, 2, 0, 0), Err(bad));
            assert_eq!(zx_port_queue(port, &packet), Err(bad));
            assert_eq!(zx_port_wait(port, never).unwrap_err(), bad);
            assert_eq!(zx_port_cancel(port, b, 1), Err(bad));
            assert_eq!(zx_port_cancel_key(port, 0, 1), Err(bad));
            let own = zx_port_create(0).expect("descriptors are left");
            assert_eq!(zx_port_cancel(own, b, 1), Err(bad));
            assert_eq!(port_descriptor(port).unwrap_err(), bad);
            assert_eq!(handle_to_fd(a).unwrap_err(), bad);
            // What only looks at the table, of which the child has a copy, still answers.
            assert_eq!(zx_handle_check_valid(a), Ok(()));
            let topic = ZX_INFO_HANDLE_BASIC;
            assert_eq!(
                zx_object_get_info(a, topic, &mut [0; 32], None, None),
                Ok(())
            );
            let again = zx_handle_duplicate(a, ZX_RIGHT_SAME_RIGHTS).expect("a copy");
            let other = zx_handle_replace(a, ZX_RIGHT_SAME_RIGHTS).expect("a copy");
            for handle in [again, other, b, port] {
                zx_handle_close(handle).expect("the child's own copy of the table");
            }
            // Its own objects work.
            let (c, d) = zx_socket_create(ZX_SOCKET_STREAM).expect("a pair");
            assert_eq!(zx_socket_write(c, 0, b"own"), Ok(3));
            assert_eq!(
                zx_object_wait_one(d, ZX_SOCKET_READABLE, never, None),
                Ok(())
            );
            assert_eq!(zx_socket_read(d, 0, &mut [0; 8]), Ok(3));
        }));
        let mut observed = 0;
        let look = zx_object_wait_one(b, 0, 0, Some(&mut observed));
        assert_eq!(
            (look, observed),
            (Err(Status::TIMED_OUT), ZX_SOCKET_WRITABLE)
        );
        assert_eq!(zx_socket_write(a, 0, b"x"), Ok(1));
        assert_eq!(waiter.result(), Ok(()));
    });
    assert_eq!(zx_port_wait(port, 0).expect("it is queued").key, 1);
}

#[test]
fn forked_copies_of_signals_waits_and_ports_are_refused() {
    Process::start("fork_signals", []).finish();
}

#[test]
fn forked_copies_of_handles_are_bad() {
    Process::start("fork_handles", []).finish();
}

/// Other threads are in the middle of reads and writes.
fn fork_busy(_: &Control) {
    const FORKS: u32 = 60;
    let (a, b) = zx_socket_create(ZX_SOCKET_STREAM).expect("a pair");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        // Large ones, to be met inside.
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _ = zx_socket_write(a, 0, &[7; 60_000]);
            }
        });
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _ = zx_socket_read(b, 0, &mut [0; 60_000]);
            }
        });
        for _ in 0..FORKS {
            finish(forked(|| {
                let bad = Status::BAD_HANDLE;
                assert_eq!(zx_socket_write(a, 0, b"x"), Err(bad));
                assert_eq!(zx_socket_read(b, 0, &mut [0; 8]), Err(bad));
                assert_eq!(handle_to_fd(a).unwrap_err(), bad);
                for handle in [a, b] {
                    zx_handle_close(handle).expect("the child's own copy of the table");
                }
            }));
        }
        over.store(true, Ordering::Relaxed);
    });
    for handle in [a, b] {
        zx_handle_close(handle).expect("the children have closed nothing here");
    }
}

#[test]
fn forked_copies_of_handles_that_others_use_are_bad_and_can_be_closed() {
    Process::start("fork_busy", []).finish();
}

fn fork_envelope(_: &Control) {
    let (mut ours, theirs) = Stream::pair().expect("a pair");
    let envelope = OwnedFd::from(theirs);
    let mut slot = Some(envelope);
    let child = forked(|| {
        let mut theirs = Stream::try_from(slot.take().expect("packed")).expect("it is inside");
        let mut buf = [0; 4];
        // Blocks: the parent writes only after a child that has claimed has answered.
        theirs.write_all(b"here").expect("the parent reads");
        theirs.read_exact(&mut buf).expect("the parent writes");
        assert_eq!(&buf, b"ping");
        theirs.write_all(b"pong").expect("the parent reads");
    });
    let mut buf = [0; 4];
    ours.read_exact(&mut buf).expect("the child writes");
    assert_eq!(&buf, b"here");
    // The parent's copy of the envelope is empty now.
    let again = Stream::try_from(slot.take().expect("this process did not take it"));
    assert_eq!(again.unwrap_err().error(), Error::AlreadyClaimed);
    ours.write_all(b"ping").expect("the child reads");
    ours.read_exact(&mut buf).expect("the child writes");
    assert_eq!(&buf, b"pong");
    assert_eq!(ours.read(&mut buf).expect("the end"), 0);
    finish(child);
}

#[test]
fn envelope_packed_before_fork_is_claimed_by_the_child() {
    Process::start("fork_envelope", []).finish();
}

/// The child's own pair, and its own watcher: that of the parent has not come along.
fn fork_pair(_: &Control) {
    let (mut a, mut b) = Stream::pair().expect("a pair");
    sleep_and_wake(&mut a, &mut b);
    let child = forked(|| {
        let (mut c, mut d) = Stream::pair().expect("a pair");
        assert_eq!(c.info().fence_mode, FenceMode::Asymmetric);
        sleep_and_wake(&mut c, &mut d);
        let mut slot = Some(OwnedFd::from(d));
        let grandchild = forked(|| {
            let mut d = Stream::try_from(slot.take().expect("packed")).expect("it is inside");
            d.write_all(b"x").expect("the child reads");
            // Until killed: nothing ever comes.
            d.read_exact(&mut [0]).expect_err("killed here");
        });
        drop(slot);
        c.read_exact(&mut [0]).expect("the grandchild writes");
        let (announce, announced) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                announce.send(Thread::current()).expect("the test goes on");
                assert_eq!(c.read(&mut [0]).expect("the end"), 0);
            });
            until_blocked(announced.recv().expect("the reader begins"));
            kill(grandchild, Signal::SIGKILL).expect("it is ours");
        });
        let killed = WaitStatus::Signaled(grandchild, Signal::SIGKILL, false);
        assert_eq!(waitpid(grandchild, None), Ok(killed));
    });
    finish(child);
    sleep_and_wake(&mut a, &mut b);
}

#[test]
fn forked_child_makes_pairs_sleeps_on_them_and_hears_of_deaths() {
    Process::start("fork_pair", []).finish();
}

/// The parent's watcher goes on after a forked child has dropped what it watches.
fn fork_watched(control: &Control) {
    let (mut ours, mut theirs) = Stream::pair().expect("a pair");
    sleep_and_wake(&mut ours, &mut theirs);
    let peer = Process::start("fork_peer", [("end", theirs.into())]);
    let copy = &mut ours;
    let child = forked(|| {
        // SAFETY: a read of a value that is never used again in this process, which
        // ends without running the destructor of the original.
        drop(unsafe { std::ptr::read(copy) });
    });
    finish(child);
    drop(peer);
    assert_eq!(ours.read(&mut [0]).expect("the end"), 0);
    control.tell("noticed");
}

#[test]
fn watcher_survives_the_drop_of_a_forked_copy() {
    let child = Process::start("fork_watched", []);
    assert_eq!(child.hear(), "noticed");
    child.finish();
}

/// A forked child has copies of all of its parent's descriptors, with the parent's
/// end of the doorbell among them. Once it has dropped its copy of the endpoint,
/// the parent's death reaches it.
fn fork_hears_parent_die(control: &Control) {
    let (mut ours, theirs) = Stream::pair().expect("a pair");
    let mut slot = Some(OwnedFd::from(theirs));
    let copy = &mut ours;
    forked(|| {
        // SAFETY: a read of a value that is never used again in this process, which
        // ends without running the destructor of the original.
        drop(unsafe { std::ptr::read(copy) });
        let mut theirs = Stream::try_from(slot.take().expect("packed")).expect("it is inside");
        let me = Thread::current();
        control.tell_numbers(&[u64::from(me.process), u64::from(me.id)]);
        assert_eq!(theirs.read(&mut [0]).expect("the end"), 0);
        control.tell("end");
    });
    control.hear_or_end();
    panic!("the test ended before this was killed");
}

#[test]
fn forked_child_that_dropped_its_copy_hears_of_its_parents_death() {
    let mut parent = Process::start("fork_hears_parent_die", []);
    let [process, id] = parent.hear_numbers();
    let (process, id) = (process as u32, id as u32);
    until_blocked(Thread { process, id });
    parent.kill();
    assert_eq!(parent.hear(), "end");
    parent.finish_killed();
}

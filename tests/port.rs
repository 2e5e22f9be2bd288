//! Ports: who is told of what, in which order, and once.

mod support;
mod support_processes;

use std::collections::BTreeSet;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use support::descriptors::{Open, Parts, Shared};
use support_processes::observe::{manner, sleeper};
use zocket::protocol::{Side, Word64};
use zocket::{
    Builder, Datagram, Disposition, Error, MIN_CAPACITY, Packet, Port, Signals, Stream, Trigger,
};

const NONE: Signals = Signals::empty();

/// Descriptors are counted in the whole process: one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(|e| e.into_inner())
}

fn pair() -> (Stream, Stream) {
    Builder::new().capacity(MIN_CAPACITY).stream_pair().unwrap()
}

fn past() -> Option<Instant> {
    Some(Instant::now())
}

/// The next packet, which is there.
fn next(port: &Port) -> Packet {
    port.wait(past()).unwrap()
}

fn key(packet: Packet) -> u64 {
    match packet {
        Packet::Signals { key, .. } | Packet::User { key, .. } => key,
        other => panic!("{other:?}"),
    }
}

/// Keys of all packets that are there.
fn keys(port: &Port) -> Vec<u64> {
    let packets = std::iter::from_fn(|| port.wait(past()).ok());
    packets.map(key).collect()
}

fn is_readable(fd: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
}

#[test]
fn registration_is_met_once_and_says_when_and_by_what() {
    let _alone = alone();
    let port = Port::new().unwrap();
    let (mut a, b) = pair();
    port.register(&b, 7, Signals::READABLE | Signals::USER_0, Trigger::Level)
        .unwrap();
    assert_eq!(port.wait(past()), Err(Error::TimedOut));
    a.try_write(b"x").unwrap();
    a.signal_peer(NONE, Signals::USER_0).unwrap();
    let Packet::Signals {
        key,
        wanted,
        observed,
        timestamp,
        ..
    } = next(&port)
    else {
        panic!("nobody queued one by hand");
    };
    assert_eq!(key, 7);
    assert_eq!(wanted, Signals::READABLE | Signals::USER_0);
    assert_eq!(observed, Signals::READABLE | Signals::WRITABLE);
    assert!(timestamp > 0);
    assert_eq!(port.wait(past()), Err(Error::TimedOut));
}

#[test]
fn level_is_met_at_once_and_edge_by_any_signal_that_goes_on() {
    let _alone = alone();
    let port = Port::new().unwrap();
    let (mut a, mut b) = pair();
    a.try_write(b"x").unwrap();
    port.register(&b, 1, Signals::READABLE, Trigger::Level)
        .unwrap();
    port.register(&b, 2, Signals::READABLE, Trigger::Edge)
        .unwrap();
    assert_eq!(keys(&port), [1]);
    // More of what is on is no edge.
    a.try_write(b"x").unwrap();
    assert_eq!(keys(&port), []);
    // Some signal, while one that is wanted is on.
    a.signal_peer(NONE, Signals::USER_1).unwrap();
    assert_eq!(keys(&port), [2]);
    port.register(&b, 3, Signals::READABLE, Trigger::Edge)
        .unwrap();
    assert_eq!(b.try_read(&mut [0; 8]), Ok(2));
    a.signal_peer(Signals::USER_1, NONE).unwrap();
    a.signal_peer(NONE, Signals::USER_1).unwrap();
    assert_eq!(keys(&port), []);
    a.try_write(b"x").unwrap();
    assert_eq!(keys(&port), [3]);
}

#[test]
fn pulses_are_queued_with_the_signals_of_their_moment() {
    let _alone = alone();
    let port = Port::new().unwrap();
    let (mut a, mut b) = pair();
    for trigger in [Trigger::Level, Trigger::Edge] {
        let wanted = Signals::USER_2 | Signals::READABLE | Signals::PEER_WRITE_DISABLED;
        let pulses: [&mut dyn FnMut(); 2] = [
            &mut || {
                a.signal_peer(NONE, Signals::USER_2).unwrap();
                a.signal_peer(Signals::USER_2, NONE).unwrap();
            },
            &mut || {
                b.set_disposition(Disposition::Unchanged, Disposition::WriteDisabled)
                    .unwrap();
                b.set_disposition(Disposition::Unchanged, Disposition::WriteEnabled)
                    .unwrap();
            },
        ];
        for (pulse, signal) in pulses
            .into_iter()
            .zip([Signals::USER_2, Signals::PEER_WRITE_DISABLED])
        {
            port.register(&b, 1, wanted, trigger).unwrap();
            pulse();
            let Packet::Signals { observed, .. } = next(&port) else {
                panic!("nobody queued one by hand");
            };
            assert_eq!(observed, Signals::WRITABLE | signal);
        }
        port.register(&b, 1, wanted, trigger).unwrap();
        a.try_write(b"gone").unwrap();
        b.try_read(&mut [0; 8]).unwrap();
        let Packet::Signals { observed, .. } = next(&port) else {
            panic!("nobody queued one by hand");
        };
        assert_eq!(observed, Signals::WRITABLE | Signals::READABLE);
    }
}

/// Nobody rings then: whoever brings a signal about has the own observers look.
#[test]
fn signals_that_an_endpoint_brings_about_itself_are_queued_at_once() {
    let _alone = alone();
    let port = Port::new().unwrap();
    let (mut a, mut b) = pair();
    a.try_write(&[0; 10]).unwrap();
    let (own, none) = (Disposition::WriteDisabled, Disposition::Unchanged);
    let acts: [(Signals, &mut dyn FnMut()); 7] = [
        (Signals::READ_THRESHOLD, &mut || {
            b.set_read_threshold(10).unwrap();
        }),
        (Signals::WRITE_THRESHOLD, &mut || {
            b.set_write_threshold(10).unwrap();
        }),
        (Signals::USER_0, &mut || {
            b.signal(NONE, Signals::USER_0).unwrap()
        }),
        (Signals::WRITE_DISABLED, &mut || {
            b.set_disposition(own, none).unwrap();
        }),
        (Signals::WRITABLE, &mut || {
            let enabled = Disposition::WriteEnabled;
            b.set_disposition(enabled, none).unwrap();
        }),
        (Signals::PEER_WRITE_DISABLED, &mut || {
            b.shutdown(Shutdown::Read).unwrap();
        }),
        (Signals::WRITE_DISABLED, &mut || {
            b.shutdown(Shutdown::Write).unwrap();
        }),
    ];
    for (key, (wanted, act)) in (0..).zip(acts) {
        port.register(&b, key, wanted, Trigger::Level).unwrap();
        assert_eq!(keys(&port), [], "{wanted:?} was on before");
        act();
        assert_eq!(keys(&port), [key], "{wanted:?}");
    }
    assert_eq!(b.try_read(&mut [0; 16]), Ok(10));
}

#[test]
fn packets_come_in_the_order_in_which_they_were_queued() {
    let _alone = alone();
    let port = Port::new().unwrap();
    let (a, b) = pair();
    let (mut c, d) = Datagram::pair().unwrap();
    // Of one change, in the order of registration.
    for key in 1..4 {
        port.register(&b, key, Signals::USER_0, Trigger::Level)
            .unwrap();
    }
    port.register(&d, 4, Signals::READABLE, Trigger::Level)
        .unwrap();
    port.queue(5, [1; 32]).unwrap();
    c.try_send(b"x").unwrap();
    a.signal_peer(NONE, Signals::USER_0).unwrap();
    port.queue(6, [2; 32]).unwrap();
    let Packet::User { key, payload, .. } = next(&port) else {
        panic!("it was queued first");
    };
    assert_eq!((key, payload), (5, [1; 32]));
    assert_eq!(keys(&port), [4, 1, 2, 3, 6]);
}

#[test]
fn only_so_many_packets_can_be_queued_by_hand() {
    let _alone = alone();
    let port = Port::new().unwrap();
    let (a, b) = pair();
    for key in 0..4096 {
        port.queue(key, [0; 32]).unwrap();
    }
    assert_eq!(port.queue(4096, [0; 32]), Err(Error::WouldBlock));
    // Those of registrations do not count.
    port.register(&b, 9999, Signals::USER_0, Trigger::Level)
        .unwrap();
    a.signal_peer(NONE, Signals::USER_0).unwrap();
    assert_eq!(key(next(&port)), 0);
    port.queue(4096, [0; 32]).unwrap();
    assert_eq!(port.queue(4097, [0; 32]), Err(Error::WouldBlock));
    // Nor do those that were cancelled.
    assert!(port.cancel_key(4000));
    port.queue(4097, [0; 32]).unwrap();
    assert_eq!(port.queue(4098, [0; 32]), Err(Error::WouldBlock));
    let expected: Vec<_> = (1..4096)
        .filter(|key| *key != 4000)
        .chain([9999, 4096, 4097])
        .collect();
    assert_eq!(keys(&port), expected);
}

#[test]
fn cancelling_removes_registrations_and_packets() {
    let _alone = alone();
    let port = Port::new().unwrap();
    let ((a, b), (c, d)) = (pair(), pair());
    let register = |end, key| {
        port.register(end, key, Signals::USER_0, Trigger::Level)
            .unwrap();
    };
    for key in [1, 1, 2] {
        register(&b, key);
        register(&d, key);
    }
    port.queue(1, [0; 32]).unwrap();
    assert!(port.cancel(&b, 1));
    assert!(!port.cancel(&b, 1));
    a.signal_peer(NONE, Signals::USER_0).unwrap();
    c.signal_peer(NONE, Signals::USER_0).unwrap();
    // Now all are packets: 1 by hand, 2 of b, 1, 1 and 2 of d.
    assert!(is_readable(&port));
    assert!(port.cancel(&d, 1));
    assert!(!port.cancel(&a, 2));
    assert!(port.cancel_key(1));
    assert!(!port.cancel_key(1));
    assert_eq!(keys(&port), [2, 2]);
    register(&b, 3);
    assert!(port.cancel(&b, 3));
    assert!(!is_readable(&port));
}

#[test]
fn wait_lasts_until_its_deadline_and_a_packet_wins() {
    let _alone = alone();
    let port = Port::new().unwrap();
    for timeout in [0, 300, 5_000] {
        let deadline = Instant::now() + Duration::from_micros(timeout);
        assert_eq!(port.wait(Some(deadline)), Err(Error::TimedOut));
        assert!(Instant::now() >= deadline);
    }
    port.queue(1, [0; 32]).unwrap();
    assert_eq!(key(next(&port)), 1);
}

/// However many others have rung before, and for nothing.
#[test]
fn packet_wins_over_a_past_deadline_behind_any_number_of_rings() {
    const IN_FRONT: u64 = 100;
    let _alone = alone();
    let port = Port::new().unwrap();
    // Ends that have moved: their peers take them for ones in other processes, and ring.
    let ends: Vec<_> = (0..=IN_FRONT)
        .map(|key| {
            let (a, b) = pair();
            let b = Stream::try_from(OwnedFd::from(b)).unwrap();
            port.register(&b, key, Signals::USER_0, Trigger::Level)
                .unwrap();
            (a, b)
        })
        .collect();
    let [in_front @ .., last] = &ends[..] else {
        unreachable!("there is one more than in front");
    };
    for (peer, _) in in_front {
        peer.signal_peer(NONE, Signals::USER_1).unwrap();
    }
    last.0.signal_peer(NONE, Signals::USER_0).unwrap();
    assert_eq!(port.wait(past()).map(key), Ok(IN_FRONT));
    assert_eq!(port.wait(past()), Err(Error::TimedOut));
}

/// What other event loops see.
#[test]
fn descriptor_is_readable_while_there_are_packets() {
    let _alone = alone();
    let port = Port::new().unwrap();
    let outer = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
    let event = EpollEvent::new(EpollFlags::EPOLLIN, 1);
    outer.add(port.as_fd(), event).unwrap();
    let nested = || {
        let mut events = [EpollEvent::empty(); 2];
        outer.wait(&mut events, EpollTimeout::ZERO).unwrap() == 1
    };
    let (mut a, b) = pair();
    assert!(!is_readable(&port) && !nested());
    port.register(&b, 1, Signals::READABLE, Trigger::Level)
        .unwrap();
    assert!(!is_readable(&port) && !nested());
    a.try_write(b"x").unwrap();
    assert!(is_readable(&port) && nested());
    port.queue(2, [0; 32]).unwrap();
    assert_eq!(key(next(&port)), 1);
    assert!(is_readable(&port) && nested());
    assert_eq!(key(next(&port)), 2);
    assert!(!is_readable(&port) && !nested());
    // A peer's end in this process is none of its business, unless that was registered for.
    port.register(&b, 3, Signals::USER_0, Trigger::Level)
        .unwrap();
    drop(a);
    while is_readable(&port) {
        assert_eq!(port.wait(past()), Err(Error::TimedOut));
    }
    assert!(!nested());
    // A thread that sleeps in the outer loop is woken.
    thread::scope(|scope| {
        let sleeper = sleeper(scope, || {
            let mut events = [EpollEvent::empty(); 2];
            outer.wait(&mut events, EpollTimeout::NONE).unwrap()
        })
        .until(manner::PORT);
        b.signal(NONE, Signals::USER_0).unwrap();
        assert_eq!(sleeper.result(), 1);
    });
    assert_eq!(keys(&port), [3]);
}

#[test]
fn registrations_end_with_their_endpoint_and_packets_do_not() {
    let _alone = alone();
    let port = Port::new().unwrap();
    let open = Open::now();
    let (a, b) = pair();
    port.register(&b, 1, Signals::WRITABLE, Trigger::Level)
        .unwrap();
    port.register(
        &b,
        2,
        Signals::USER_0 | Signals::PEER_CLOSED,
        Trigger::Level,
    )
    .unwrap();
    port.register(&b, 3, Signals::all(), Trigger::Edge).unwrap();
    drop(b);
    drop(a);
    assert_eq!(keys(&port), [1]);
    assert!(!port.cancel_key(2));
    assert_eq!(Open::now(), open);
}

/// It takes nothing along: whoever has it next registers anew, be it with the same port.
#[test]
fn registrations_end_when_their_endpoint_moves() {
    let _alone = alone();
    let port = Port::new().unwrap();
    let (mut a, b) = pair();
    let register = |end: &Stream, key| {
        let wanted = Signals::READABLE | Signals::USER_0;
        port.register(end, key, wanted, Trigger::Level).unwrap();
    };
    register(&b, 1);
    let fd = OwnedFd::from(b);
    a.signal_peer(NONE, Signals::USER_0).unwrap();
    a.signal_peer(Signals::USER_0, NONE).unwrap();
    assert_eq!(keys(&port), []);
    let b = Stream::try_from(fd).unwrap();
    assert_eq!(keys(&port), []);
    register(&b, 2);
    // Its peer takes it for one in another process now, which rings.
    thread::scope(|scope| {
        let waiter = sleeper(scope, || port.wait(None).map(key)).until(manner::PORT);
        a.try_write(b"x").unwrap();
        assert_eq!(waiter.result(), Ok(2));
    });
    assert_eq!(b.signals(), Signals::READABLE | Signals::WRITABLE);
}

#[test]
fn dropped_port_leaves_nothing() {
    let _alone = alone();
    let (a, b) = pair();
    let open = Open::now();
    let port = Port::new().unwrap();
    for key in 0..10 {
        port.register(&a, key, Signals::USER_0, Trigger::Level)
            .unwrap();
        port.register(&b, key, Signals::WRITABLE, Trigger::Level)
            .unwrap();
    }
    drop(port);
    assert_eq!(Open::now(), open);
    // Nobody is told any more.
    a.signal(NONE, Signals::USER_0).unwrap();
    assert_eq!(a.signals(), Signals::WRITABLE | Signals::USER_0);
}

/// Bytes and space count as any signal does, also where only other signals are wanted.
#[test]
fn edge_is_met_by_bytes_and_by_space_that_nobody_wanted() {
    let _alone = alone();
    let port = Port::new().unwrap();
    let (mut a, mut b) = pair();
    port.register(&b, 1, Signals::WRITABLE, Trigger::Edge)
        .unwrap();
    a.try_write(b"x").unwrap();
    assert_eq!(keys(&port), [1]);
    b.signal_peer(NONE, Signals::USER_0).unwrap();
    let rest = a.info().capacity - 1;
    a.try_reserve(rest).unwrap().commit(rest);
    port.register(&a, 2, Signals::USER_0, Trigger::Edge)
        .unwrap();
    assert_eq!(b.try_read(&mut [0; 1]), Ok(1));
    assert_eq!(keys(&port), [2]);
}

/// Its peer takes it for one in another process, so nobody has looked when it is dropped.
#[test]
fn what_came_before_the_end_of_an_endpoint_that_has_moved_is_queued() {
    let _alone = alone();
    let port = Port::new().unwrap();
    let (a, b) = pair();
    let b = Stream::try_from(OwnedFd::from(b)).unwrap();
    for (key, wanted) in [(1, Signals::USER_0), (2, Signals::USER_1)] {
        port.register(&b, key, wanted, Trigger::Level).unwrap();
    }
    a.signal_peer(NONE, Signals::USER_0).unwrap();
    a.signal_peer(Signals::USER_0, NONE).unwrap();
    drop(b);
    assert_eq!(keys(&port), [1]);
}

/// Its own doorbell does not ring then: the peer does not know yet.
#[test]
fn violation_of_the_protocol_is_queued_as_the_end_of_the_peer() {
    let _alone = alone();
    let port = Port::new().unwrap();
    let (mut a, b) = pair();
    let parts = Parts::of(b);
    let shared = Shared::map(&parts);
    port.register(&a, 1, Signals::PEER_CLOSED, Trigger::Level)
        .unwrap();
    // Relaxed: nobody else is at it.
    let tail = shared.word64(Side::B, Word64::Tail);
    tail.store(u64::MAX / 2, Ordering::Relaxed);
    assert!(matches!(a.try_read(&mut [0; 8]), Err(Error::Protocol(_))));
    assert_eq!(keys(&port), [1]);
}

/// What others have of its descriptor is not readable because of what it watched.
#[test]
fn descriptor_of_a_dropped_port_is_quiet() {
    let _alone = alone();
    let port = Port::new().unwrap();
    let (a, b) = pair();
    port.register(&b, 1, Signals::USER_0, Trigger::Level)
        .unwrap();
    port.queue(2, [0; 32]).unwrap();
    let copy = port.as_fd().try_clone_to_owned().unwrap();
    assert!(is_readable(&copy));
    drop(port);
    assert!(!is_readable(&copy));
    // Its peer's doorbell hangs up.
    drop(a);
    assert_eq!(b.signals(), Signals::PEER_CLOSED);
    assert!(!is_readable(&copy));
}

#[test]
fn endpoint_may_be_registered_with_several_ports() {
    let _alone = alone();
    let ports: Vec<_> = (0..3).map(|_| Port::new().unwrap()).collect();
    let (mut a, b) = pair();
    for (key, port) in ports.iter().enumerate() {
        port.register(&b, key as u64, Signals::READABLE, Trigger::Level)
            .unwrap();
    }
    a.try_write(b"x").unwrap();
    for (key, port) in ports.iter().enumerate() {
        assert_eq!(keys(port), [key as u64]);
    }
}

/// Thousands of registrations, several threads: each packet to one of them, none lost.
#[test]
fn five_thousand_registrations_are_met_once_each() {
    let _alone = alone();
    const ENDS: u64 = 250;
    const EACH: u64 = 20;
    const THREADS: u64 = 4;
    let port = Port::new().unwrap();
    let (mut peers, ends): (Vec<_>, Vec<_>) = (0..ENDS).map(|_| pair()).unzip();
    for (i, end) in ends.iter().enumerate() {
        for key in 0..EACH {
            let wanted = match key % 4 {
                0 => Signals::READABLE,
                1 => Signals::USER_0,
                2 => Signals::PEER_WRITE_DISABLED,
                _ => Signals::PEER_CLOSED,
            };
            let key = i as u64 * EACH + key;
            port.register(end, key, wanted, Trigger::Level).unwrap();
        }
    }
    let taken = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..THREADS)
            .map(|_| {
                sleeper(scope, || {
                    loop {
                        match key(port.wait(None).unwrap()) {
                            u64::MAX => return,
                            key => assert!(taken.lock().unwrap().insert(key), "{key} twice"),
                        }
                    }
                })
                .until(manner::PORT)
            })
            .collect();
        for peer in &mut peers {
            peer.try_write(b"x").unwrap();
            peer.signal_peer(NONE, Signals::USER_0).unwrap();
            peer.signal_peer(Signals::USER_0, NONE).unwrap();
            peer.set_disposition(Disposition::WriteDisabled, Disposition::Unchanged)
                .unwrap();
        }
        drop(peers);
        for _ in 0..THREADS {
            port.queue(u64::MAX, [0; 32]).unwrap();
        }
        for waiter in waiters {
            waiter.result();
        }
    });
    assert_eq!(taken.into_inner().unwrap(), (0..ENDS * EACH).collect());
}

/// Each packet wakes one who sleeps; whoever gets none goes on.
#[test]
fn every_sleeper_gets_one_of_as_many_packets() {
    let _alone = alone();
    let port = Port::new().unwrap();
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..5)
            .map(|_| sleeper(scope, || key(port.wait(None).unwrap())).until(manner::PORT))
            .collect();
        for key in 0..5 {
            port.queue(key, [0; 32]).unwrap();
        }
        let taken: BTreeSet<_> = waiters.into_iter().map(|waiter| waiter.result()).collect();
        assert_eq!(taken, (0..5).collect());
    });
}

/// What is read and written in place, or from a file, is seen like any other read and write.
#[test]
fn edges_show_whatever_way_bytes_are_moved() {
    let _alone = alone();
    let port = Port::new().unwrap();
    let (mut a, mut b) = pair();
    a.try_write(b"x").unwrap();
    port.register(&b, 1, Signals::READABLE, Trigger::Edge)
        .unwrap();
    // It was on all along, and goes off by a read in place; the next byte is a rise.
    b.try_chunk().unwrap().consume(1);
    assert_eq!(keys(&port), []);
    a.try_write(b"y").unwrap();
    assert_eq!(keys(&port), [1]);

    // The same of space, filled in place.
    let capacity = a.info().capacity;
    port.register(&a, 2, Signals::WRITABLE, Trigger::Edge)
        .unwrap();
    let rest = capacity - 1;
    a.try_reserve(rest).unwrap().commit(rest);
    assert_eq!(keys(&port), []);
    assert_eq!(b.try_read(&mut [0; 8]), Ok(8));
    assert_eq!(keys(&port), [2]);

    // And filled from a file while somebody observes.
    port.register(&a, 3, Signals::WRITABLE, Trigger::Edge)
        .unwrap();
    let zeros = std::fs::File::open("/dev/zero").unwrap();
    assert_eq!(a.try_write_from_fd(&zeros, 8), Ok(8));
    assert_eq!(keys(&port), []);
    assert_eq!(b.try_read(&mut [0; 8]), Ok(8));
    assert_eq!(keys(&port), [3]);
}

//! Waits for signals that another process brings about, or that the kernel stands in
//! the way of.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, setrlimit};
use zocket::zx::{self, Status};
use zocket::{
    Builder, Datagram, Disposition, Error, FenceMode, FencePolicy, Packet, Port, Signals, Stream,
    Trigger, WaitItem, wait_many,
};

use super::refusals::refuse_call;
use crate::support_processes::control::{Control, Process, Role};
use crate::support_processes::endpoint::FENCES;
use crate::support_processes::fds::{receive_fd, send_fd};
use crate::support_processes::observe::{Thread, manner, open_descriptors, sleeper, until_in};

pub(crate) const ROLES: &[Role] = &[
    ("waits_for_threshold", waits_for_threshold),
    ("waits_again", waits_again),
    ("killed_while_waited_for", killed_while_waited_for),
    ("changes_and_returns", changes_and_returns),
    ("reduces_and_returns", reduces_and_returns),
    ("no_futex_waitv", no_futex_waitv),
    ("no_futex_waitv_in_a_wait", no_futex_waitv_in_a_wait),
    ("few_descriptors_to_poll", few_descriptors_to_poll),
];

const NONE: Signals = Signals::empty();

fn end() -> Stream {
    Stream::inherited("end").expect("it was passed")
}

fn pair(fence: FenceMode) -> (Stream, Stream) {
    let builder = Builder::new().fence(FencePolicy::Exactly(fence));
    builder.stream_pair().expect("a pair")
}

/// A handle to an endpoint.
fn handle(end: Stream) -> zx::zx_handle_t {
    zx::handle_from_fd(end.into()).expect("it is inside")
}

/// The thread of a child that says which it is.
fn thread_of(child: &Process) -> Thread {
    let [id] = child.hear_numbers();
    Thread {
        process: child.id(),
        id: id as u32,
    }
}

// Thresholds.

const FAR: usize = 64 << 10;
const PIECE: usize = 64;

fn waits_for_threshold(control: &Control) {
    let [reads] = control.hear_numbers();
    let mut end = end();
    let wanted = if reads == 1 {
        end.set_read_threshold(FAR).expect("it fits");
        Signals::READ_THRESHOLD
    } else {
        while end.try_write(&[0; FAR]).is_ok() {}
        end.set_write_threshold(FAR).expect("it fits");
        Signals::WRITE_THRESHOLD
    };
    control.tell(Thread::current().id);
    let on = end.wait(wanted, None).expect("the test goes on");
    assert!(on.contains(wanted));
}

#[test]
fn sleeper_on_a_threshold_in_another_process_is_not_woken_before_it() {
    for fence in FENCES {
        for reads in [true, false] {
            let (mut ours, theirs) = pair(fence);
            let child = Process::start("waits_for_threshold", [("end", theirs.into())]);
            child.tell_numbers(&[u64::from(reads)]);
            let sleeper = thread_of(&child);
            until_in(sleeper, manner::FUTEX);
            let before = sleeper.sleeps();
            let mut step = || match reads {
                true => assert_eq!(ours.try_write(&[0; PIECE]), Ok(PIECE)),
                false => assert_eq!(ours.try_read(&mut [0; PIECE]), Ok(PIECE)),
            };
            for _ in 1..FAR / PIECE {
                step();
            }
            // If it was woken it goes to sleep once more.
            until_in(sleeper, manner::FUTEX);
            assert_eq!(sleeper.sleeps(), before);
            step();
            child.finish();
        }
    }
}

// Pulses.

/// How a child waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    One,
    Futexes,
    Poll,
    Port,
    ZxOne,
    ZxMany,
    ZxPort,
    /// While another thread takes whatever comes.
    ZxData,
}

impl How {
    const ALL: [Self; 8] = [
        Self::One,
        Self::Futexes,
        Self::Poll,
        Self::Port,
        Self::ZxOne,
        Self::ZxMany,
        Self::ZxPort,
        Self::ZxData,
    ];

    fn manner(self) -> &'static [i64] {
        match self {
            Self::One | Self::ZxOne | Self::ZxData => manner::FUTEX,
            Self::Futexes | Self::ZxMany => manner::FUTEXES,
            Self::Poll => manner::POLL,
            Self::Port | Self::ZxPort => manner::PORT,
        }
    }

    fn is_zx(self) -> bool {
        [Self::ZxOne, Self::ZxMany, Self::ZxPort, Self::ZxData].contains(&self)
    }
}

/// Waits for any of `wanted` of the last of `count` items.
fn wait_last(end: &Stream, other: &Stream, count: usize, wanted: Signals) -> Signals {
    let mut items: Vec<_> = (1..count)
        .map(|_| WaitItem::new(other, wanted))
        .chain([WaitItem::new(end, wanted)])
        .collect();
    wait_many(&mut items, None).expect("the test goes on");
    items[count - 1].pending()
}

fn wait_port(port: &Port, end: &Stream, wanted: Signals) -> Signals {
    port.register(end, 1, wanted, Trigger::Level)
        .expect("it is ours");
    match port.wait(None).expect("the test goes on") {
        Packet::Signals { observed, .. } => observed,
        other => panic!("{other:?}"),
    }
}

fn wait_zx(how: How, handle: zx::zx_handle_t, port: zx::zx_handle_t, wanted: u32) -> u32 {
    let mut observed = 0;
    let never = zx::ZX_TIME_INFINITE;
    match how {
        How::ZxMany => {
            let event = zx::zx_event_create(0).expect("handles are left");
            let item = |handle| zx::zx_wait_item_t {
                handle,
                waitfor: wanted,
                pending: 0,
            };
            let mut items = [item(event), item(handle)];
            zx::zx_object_wait_many(&mut items, never).expect("the test goes on");
            observed = items[1].pending;
            zx::zx_handle_close(event).expect("it is ours");
        }
        How::ZxPort => {
            zx::zx_object_wait_async(handle, port, 1, wanted, 0).expect("it is ours");
            let packet = zx::zx_port_wait(port, never).expect("the test goes on");
            observed = packet.signal().observed;
        }
        _ => zx::zx_object_wait_one(handle, wanted, never, Some(&mut observed))
            .expect("the test goes on"),
    }
    observed
}

/// As often as it is told to.
fn waits_again(control: &Control) {
    let [how, wanted] = control.hear_numbers();
    let how = How::ALL[how as usize];
    control.tell(Thread::current().id);
    let wanted = Signals::from_bits_retain(wanted as u32);
    let end = end();
    let (other, _peer) = pair(FenceMode::Asymmetric);
    let go_on = || control.hear_or_end().is_some();
    if !how.is_zx() {
        let port = Port::new().expect("descriptors are left");
        while go_on() {
            let on = match how {
                How::One => end.wait(wanted, None).expect("the test goes on"),
                How::Futexes => wait_last(&end, &other, 3, wanted),
                How::Poll => wait_last(&end, &other, 129, wanted),
                _ => wait_port(&port, &end, wanted),
            };
            control.tell(on.bits());
        }
        return;
    }
    let handle = handle(end);
    let same = zx::zx_handle_duplicate(handle, zx::ZX_RIGHT_SAME_RIGHTS).expect("it is ours");
    let port = zx::zx_port_create(0).expect("descriptors are left");
    let over = AtomicBool::new(how != How::ZxData);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _ = zx::zx_socket_read(same, 0, &mut [0; 64]);
            }
        });
        while go_on() {
            // The other thread has taken what the last turn brought.
            while zx::zx_object_wait_one(handle, wanted.bits(), 0, None).is_ok() {}
            control.tell(wait_zx(how, handle, port, wanted.bits()));
        }
        over.store(true, Ordering::Relaxed);
    });
}

fn never_missed(how: How, fence: FenceMode, wanted: Signals, pulse: &dyn Fn(&mut Stream)) {
    let rounds = if how == How::Poll { 100 } else { 500 };
    let (mut ours, theirs) = pair(fence);
    let child = Process::start("waits_again", [("end", theirs.into())]);
    let index = How::ALL.iter().position(|h| *h == how);
    child.tell_numbers(&[index.expect("one of all") as u64, wanted.bits().into()]);
    let waiter = thread_of(&child);
    for round in 0..rounds {
        child.tell("wait");
        until_in(waiter, how.manner());
        pulse(&mut ours);
        let [on] = child.hear_numbers();
        let on = Signals::from_bits_retain(on as u32);
        assert!(on.contains(wanted), "{how:?}: {on:?} in round {round}");
    }
    child.finish_talking();
}

#[test]
fn user_signal_that_a_peer_sets_and_clears_at_once_is_not_missed() {
    for how in How::ALL.into_iter().filter(|how| *how != How::ZxData) {
        for fence in FENCES {
            never_missed(how, fence, Signals::USER_3, &|ours| {
                ours.signal_peer(NONE, Signals::USER_3).expect("it lives");
                ours.signal_peer(Signals::USER_3, NONE).expect("it lives");
            });
        }
    }
}

#[test]
fn disposition_that_a_peer_changes_and_changes_back_is_not_missed() {
    for how in [How::One, How::Futexes, How::Poll, How::Port, How::ZxPort] {
        for wanted in [Signals::PEER_WRITE_DISABLED, Signals::WRITE_DISABLED] {
            never_missed(how, FenceMode::Asymmetric, wanted, &|ours| {
                for disposition in [Disposition::WriteDisabled, Disposition::WriteEnabled] {
                    let (own, peer) = match wanted {
                        Signals::WRITE_DISABLED => (Disposition::Unchanged, disposition),
                        _ => (disposition, Disposition::Unchanged),
                    };
                    ours.set_disposition(own, peer).expect("nothing is unread");
                }
            });
        }
    }
}

/// The other thread may even be faster than the one that waits is woken.
#[test]
fn data_from_a_peer_that_another_thread_takes_at_once_is_not_missed() {
    for fence in FENCES {
        never_missed(How::ZxData, fence, Signals::READABLE, &|ours| {
            assert_eq!(ours.try_write(b"gone"), Ok(4));
        });
    }
}

// Death.

const WAYS: usize = 8;

fn killed_while_waited_for(control: &Control) {
    let [writes] = control.hear_numbers();
    let mut ends: Vec<_> = (0..WAYS)
        .map(|way| Stream::inherited(&way.to_string()).expect("it was passed"))
        .collect();
    if writes == 1 {
        for end in &mut ends {
            end.try_write(b"last words").expect("there is space");
        }
    }
    control.tell("ready");
    control.hear_or_end();
    panic!("the test ended before this was killed");
}

fn wait_for_death(way: usize, end: Stream) -> Signals {
    let wanted = Signals::PEER_CLOSED;
    let (other, _peer) = pair(FenceMode::Asymmetric);
    match way {
        0 => end.wait(wanted, None).expect("it ends"),
        1 => wait_last(&end, &other, 2, wanted),
        2 => wait_last(&end, &other, 129, wanted),
        3 => wait_port(&Port::new().expect("descriptors are left"), &end, wanted),
        4 => {
            let (read, write) = end.into_split();
            let on = read.wait(wanted, None).expect("it ends");
            drop(write);
            on
        }
        way => {
            let how = [How::ZxOne, How::ZxMany, How::ZxPort][way - 5];
            let port = zx::zx_port_create(0).expect("descriptors are left");
            let handle = handle(end);
            let on = wait_zx(how, handle, port, wanted.bits());
            zx::zx_handle_close_many(&[handle, port]).expect("they are ours");
            Signals::from_bits_retain(on)
        }
    }
}

#[test]
fn killed_peer_ends_every_kind_of_wait() {
    const MANNERS: [&[i64]; WAYS] = [
        manner::FUTEX,
        manner::FUTEXES,
        manner::POLL,
        manner::PORT,
        manner::FUTEX,
        manner::FUTEX,
        manner::FUTEXES,
        manner::PORT,
    ];
    for fence in FENCES {
        for writes in [false, true] {
            let (ours, theirs): (Vec<_>, Vec<_>) = (0..WAYS).map(|_| pair(fence)).unzip();
            let names: Vec<_> = (0..WAYS).map(|way| way.to_string()).collect();
            let passed = names.iter().map(String::as_str);
            let passed = passed.zip(theirs.into_iter().map(OwnedFd::from));
            let mut child = Process::start("killed_while_waited_for", passed);
            child.tell_numbers(&[u64::from(writes)]);
            assert_eq!(child.hear(), "ready");
            thread::scope(|scope| {
                let waiters: Vec<_> = ours
                    .into_iter()
                    .enumerate()
                    .map(|(way, end)| {
                        sleeper(scope, move || wait_for_death(way, end)).until(MANNERS[way])
                    })
                    .collect();
                child.kill();
                for (way, waiter) in waiters.into_iter().enumerate() {
                    let expected = match writes {
                        true => Signals::PEER_CLOSED | Signals::READABLE,
                        false => Signals::PEER_CLOSED,
                    };
                    assert_eq!(waiter.result(), expected, "way {way}");
                }
            });
            child.finish_killed();
        }
    }
}

/// Who never sleeps asks.
#[test]
fn look_at_a_killed_peer_finds_it_closed() {
    let ends: Vec<_> = (0..WAYS).map(|_| pair(FenceMode::Asymmetric)).collect();
    let (ours, theirs): (Vec<_>, Vec<_>) = ends.into_iter().unzip();
    let names: Vec<_> = (0..WAYS).map(|way| way.to_string()).collect();
    let passed = names.iter().map(String::as_str);
    let passed = passed.zip(theirs.into_iter().map(OwnedFd::from));
    let mut child = Process::start("killed_while_waited_for", passed);
    child.tell_numbers(&[0]);
    assert_eq!(child.hear(), "ready");
    child.kill();
    child.finish_killed();
    let past = Some(Instant::now());
    assert_eq!(
        ours[0].wait(Signals::PEER_CLOSED, past),
        Ok(Signals::PEER_CLOSED)
    );
    let mut items: Vec<_> = ours
        .iter()
        .map(|end| WaitItem::new(end, Signals::PEER_CLOSED))
        .collect();
    wait_many(&mut items[1..], past).expect("it is so");
    assert!(items[1..].iter().all(WaitItem::is_met));
    let port = Port::new().expect("descriptors are left");
    port.register(&ours[7], 1, Signals::PEER_CLOSED, Trigger::Level)
        .expect("it is ours");
    port.wait(None).expect("it is queued");
}

// Travelling.

fn changes_and_returns(control: &Control) {
    let mut end = end();
    assert_eq!((end.read_threshold(), end.write_threshold()), (11, 22));
    let on = Signals::READABLE | Signals::USER_1 | Signals::PEER_WRITE_DISABLED;
    assert_eq!(
        end.signals(),
        on | Signals::WRITE_THRESHOLD | Signals::WRITABLE
    );
    // Pulses of before are of no concern here.
    let past = Some(Instant::now());
    assert_eq!(end.wait(Signals::USER_2, past), Err(Error::TimedOut));
    end.signal(Signals::USER_1, Signals::USER_4)
        .expect("it is ours");
    end.set_read_threshold(3).expect("it fits");
    end.set_write_threshold(0).expect("the peer lives");
    end.shutdown(std::net::Shutdown::Write).expect("it is ours");
    assert_eq!(end.try_read(&mut [0; 1]), Ok(1));
    end.send_to(control.socket()).expect("the test receives");
}

#[test]
fn state_travels_with_the_endpoint() {
    let (mut ours, theirs) = pair(FenceMode::Asymmetric);
    theirs.set_read_threshold(11).expect("it fits");
    theirs.set_write_threshold(22).expect("the peer lives");
    ours.try_write(b"1234").expect("there is space");
    ours.signal_peer(NONE, Signals::USER_1 | Signals::USER_2)
        .expect("it lives");
    ours.signal_peer(Signals::USER_2, NONE).expect("it lives");
    ours.set_disposition(Disposition::WriteDisabled, Disposition::Unchanged)
        .expect("never refused");
    let child = Process::start("changes_and_returns", [("end", theirs.into())]);
    let mut theirs = Stream::receive_from(child.socket()).expect("the child sends");
    child.finish();
    assert_eq!((theirs.read_threshold(), theirs.write_threshold()), (3, 0));
    let on = Signals::READABLE
        | Signals::READ_THRESHOLD
        | Signals::USER_4
        | Signals::PEER_WRITE_DISABLED
        | Signals::WRITE_DISABLED;
    assert_eq!(theirs.signals(), on);
    // The peer sees what both did, and lets the child's end write again.
    assert_eq!(
        ours.signals(),
        Signals::WRITE_DISABLED | Signals::PEER_WRITE_DISABLED
    );
    let mut buf = [0; 8];
    assert_eq!(theirs.try_read(&mut buf), Ok(3));
    assert_eq!(&buf[..3], b"234");
    assert_eq!(theirs.try_read(&mut buf), Ok(0));
    ours.set_disposition(Disposition::WriteEnabled, Disposition::WriteEnabled)
        .expect("all is read");
    assert_eq!(theirs.try_write(b"x"), Ok(1));
    assert_eq!(ours.try_write(b"y"), Ok(1));
    assert_eq!(theirs.try_read(&mut buf), Ok(1));
}

const FEW: u32 = zx::ZX_RIGHT_READ | zx::ZX_RIGHT_TRANSFER | zx::ZX_RIGHT_WAIT;

fn reduces_and_returns(control: &Control) {
    let handle = handle(end());
    let handle = zx::zx_handle_replace(handle, FEW).expect("fewer than before");
    let fd = zx::handle_to_fd(handle).expect("the only handle");
    send_fd(control.socket(), fd);
}

#[test]
fn rights_travel_with_the_endpoint() {
    let (mut ours, theirs) = pair(FenceMode::Asymmetric);
    ours.try_write(b"data").expect("there is space");
    let child = Process::start("reduces_and_returns", [("end", theirs.into())]);
    let fd = receive_fd(child.socket());
    child.finish();
    let refused = Stream::try_from(fd).expect_err("rights are missing");
    assert_eq!(refused.error(), Error::MissingRights);
    let fd = refused.into_fd().expect("nothing was taken out");
    let refused = Datagram::try_from(fd).expect_err("it is a stream");
    assert!(matches!(refused.error(), Error::WrongKind { .. }));
    let fd = refused.into_fd().expect("nothing was taken out");
    // The peer has noticed nothing.
    assert!(!ours.signals().contains(Signals::PEER_CLOSED));
    let handle = zx::handle_from_fd(fd).expect("it is inside");
    let mut record = [0; size_of::<zx::zx_info_handle_basic_t>()];
    let basic = zx::ZX_INFO_HANDLE_BASIC;
    zx::zx_object_get_info(handle, basic, &mut record[..], None, None).expect("it is one");
    let rights = u32::from_ne_bytes(record[8..12].try_into().expect("four bytes"));
    assert_eq!(rights, FEW);
    let denied = Status::ACCESS_DENIED;
    assert_eq!(zx::zx_socket_write(handle, 0, b"x"), Err(denied));
    assert_eq!(zx::zx_object_signal(handle, 0, 0), Err(denied));
    assert_eq!(zx::zx_handle_duplicate(handle, FEW), Err(denied));
    assert_eq!(zx::zx_socket_read(handle, 0, &mut [0; 8]), Ok(4));
    zx::zx_handle_close(handle).expect("it is ours");
}

// Refusals.

const LAST: Signals = Signals::USER_0;

/// Waits for two, in the manner that is left, again and again.
fn works_by_polling(a: &Stream, b: &Stream) {
    let (other, _peer) = pair(FenceMode::Asymmetric);
    // The first sleep starts the watcher, which stays.
    let soon = Instant::now() + Duration::from_micros(50);
    assert_eq!(b.wait(LAST, Some(soon)), Err(Error::TimedOut));
    let descriptors = open_descriptors();
    thread::scope(|scope| {
        let waiter = sleeper(scope, || wait_last(b, &other, 2, LAST)).until(manner::POLL);
        a.signal_peer(NONE, LAST).expect("it lives");
        a.signal_peer(LAST, NONE).expect("it lives");
        assert!(waiter.result().contains(LAST));
    });
    let deadline = Instant::now() + Duration::from_millis(3);
    let mut items = [b, &other].map(|end| WaitItem::new(end, LAST));
    assert_eq!(wait_many(&mut items, Some(deadline)), Err(Error::TimedOut));
    assert!(Instant::now() >= deadline);
    assert_eq!(open_descriptors(), descriptors);
}

fn no_futex_waitv(control: &Control) {
    let [errno, first] = control.hear_numbers();
    let (a, b) = pair(FenceMode::Asymmetric);
    let (other, _peer) = pair(FenceMode::Asymmetric);
    if first == 0 {
        // It was allowed before.
        thread::scope(|scope| {
            let waiter = sleeper(scope, || wait_last(&b, &other, 2, LAST));
            let waiter = waiter.until(manner::FUTEXES);
            a.signal_peer(NONE, LAST).expect("it lives");
            a.signal_peer(LAST, NONE).expect("it lives");
            waiter.result();
        });
    }
    refuse_call(libc::SYS_futex_waitv, errno as i32);
    for _ in 0..3 {
        works_by_polling(&a, &b);
    }
    // One needs no futex_waitv.
    thread::scope(|scope| {
        let waiter = sleeper(scope, || b.wait(LAST, None)).until(manner::FUTEX);
        a.signal_peer(NONE, LAST).expect("it lives");
        assert!(waiter.result().is_ok());
    });
}

/// Asleep when it is forbidden, woken for nothing, and refused then.
fn no_futex_waitv_in_a_wait(control: &Control) {
    let [errno, meets] = control.hear_numbers();
    let (a, b) = pair(FenceMode::Asymmetric);
    let (other, _peer) = pair(FenceMode::Asymmetric);
    thread::scope(|scope| {
        let waiter = sleeper(scope, || wait_last(&b, &other, 2, LAST)).until(manner::FUTEXES);
        refuse_call(libc::SYS_futex_waitv, errno as i32);
        // What nobody waits for: of a peer in another process it would wake; here the
        // count of events has to be raised by hand, by a waiter that leaves.
        let second = sleeper(scope, || b.wait(Signals::USER_5, None)).until(manner::FUTEX);
        b.signal(NONE, Signals::USER_5).expect("it is ours");
        second.result().expect("it is set");
        if meets == 0 {
            until_in(waiter.thread, manner::POLL);
        }
        a.signal_peer(NONE, LAST).expect("it lives");
        a.signal_peer(LAST, NONE).expect("it lives");
        assert!(waiter.result().contains(LAST));
    });
    works_by_polling(&a, &b);
}

#[test]
fn without_futex_waitv_many_are_waited_for_by_polling() {
    for errno in [libc::ENOSYS, libc::EPERM] {
        for flag in [0, 1] {
            for role in ["no_futex_waitv", "no_futex_waitv_in_a_wait"] {
                let child = Process::start(role, []);
                child.tell_numbers(&[errno as u64, flag]);
                child.finish();
            }
        }
    }
}

fn few_descriptors_to_poll(_: &Control) {
    let (a, b) = pair(FenceMode::Asymmetric);
    let (other, _peer) = pair(FenceMode::Asymmetric);
    setrlimit(Resource::RLIMIT_NOFILE, 64, 64).expect("less than before");
    thread::scope(|scope| {
        let waiter = sleeper(scope, || wait_last(&b, &other, 500, LAST)).until(manner::POLL);
        a.signal_peer(NONE, LAST).expect("it lives");
        assert!(waiter.result().contains(LAST));
    });
}

/// The limit is one of descriptors, not of items.
#[test]
fn same_endpoint_more_often_than_there_may_be_descriptors_is_waited_for() {
    Process::start("few_descriptors_to_poll", []).finish();
}

//! The handle calls from many threads at once: what a sequence of calls cannot show.
//!
//! Nothing here has a timeout: a wake-up that is lost hangs the test, which is the finding.
//!
//! - `ZOCKET_SEED`: the seed of all random choices; printed by every run.

mod support_processes;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use zocket::SharedSlice;
use zocket::zx::*;

use support_processes::observe::{
    self, Thread, endpoint_mappings, manner, open_descriptors, sleeper,
};
use support_processes::rng::Rng;

/// A handle is counted, and a descriptor open, in the whole process: one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone<T>(test: impl FnOnce() -> T) -> T {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(|e| e.into_inner());
    test()
}

fn now() -> zx_time_t {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    now.tv_sec() * 1_000_000_000 + now.tv_nsec()
}

fn after(timeout: Duration) -> zx_time_t {
    now() + timeout.as_nanos() as zx_time_t
}

fn pair() -> (zx_handle_t, zx_handle_t) {
    socket_create_with_capacity(ZX_SOCKET_STREAM, 4 << 10).unwrap()
}

fn duplicate(handle: zx_handle_t) -> zx_handle_t {
    zx_handle_duplicate(handle, ZX_RIGHT_SAME_RIGHTS).unwrap()
}

fn close(handles: impl IntoIterator<Item = zx_handle_t>) {
    for handle in handles {
        assert_eq!(zx_handle_close(handle), Ok(()));
    }
}

/// Waits without end; the status, and what was observed.
fn wait(handle: zx_handle_t, signals: zx_signals_t) -> (Result, zx_signals_t) {
    let mut observed = 0;
    let result = zx_object_wait_one(handle, signals, ZX_TIME_INFINITE, Some(&mut observed));
    (result, observed)
}

fn item(handle: zx_handle_t, waitfor: zx_signals_t) -> zx_wait_item_t {
    zx_wait_item_t {
        handle,
        waitfor,
        pending: 0,
    }
}

/// What is open in the process.
#[derive(Debug, PartialEq, Eq)]
struct Open {
    handles: usize,
    descriptors: usize,
    mappings: usize,
}

impl Open {
    /// After the last close, which has had freed what was taken away before.
    fn now() -> Self {
        Self {
            handles: handle_count(),
            descriptors: open_descriptors(),
            mappings: endpoint_mappings(),
        }
    }
}

/// Runs `body`, which leaves nothing open.
fn leaves_nothing(body: impl FnOnce()) {
    // Starts the watcher, which stays.
    let start = || {
        let (a, b) = pair();
        let soon = after(Duration::from_micros(20));
        let timed_out = Err(Status::TIMED_OUT);
        assert_eq!(
            zx_object_wait_one(b, ZX_SOCKET_READABLE, soon, None),
            timed_out
        );
        close([a, b]);
    };
    start();
    // The watcher, still on its way to its first sleep, may hold something back.
    let settled = || {
        let mut found = Open::now();
        for _ in 0..20_000 {
            start();
            let again = Open::now();
            if again == found {
                break;
            }
            found = again;
        }
        found
    };
    let before = settled();
    body();
    start();
    // Of other threads that have ended, what they held back is freed by the closes of this one.
    let mut left = Open::now();
    for _ in 0..20_000 {
        if left == before {
            break;
        }
        start();
        left = Open::now();
    }
    assert_eq!(left, before);
}

// Closing under a wait.

#[test]
fn closing_cancels_the_waits_through_the_handle_and_no_others() {
    alone(|| {
        let (a, b) = pair();
        let same = duplicate(b);
        let port = zx_port_create(0).unwrap();
        zx_object_wait_async(b, port, 1, ZX_SOCKET_READABLE, 0).unwrap();
        zx_object_wait_async(same, port, 2, ZX_SOCKET_READABLE, 0).unwrap();
        thread::scope(|scope| {
            let one = sleeper(scope, || wait(b, ZX_SOCKET_READABLE)).until(manner::FUTEX);
            let many = sleeper(scope, || {
                let mut items = [
                    item(same, ZX_SOCKET_READABLE),
                    item(b, ZX_SOCKET_READABLE),
                    item(a, ZX_USER_SIGNAL_0),
                ];
                let result = zx_object_wait_many(&mut items, ZX_TIME_INFINITE);
                (result, items.map(|item| item.pending))
            })
            .until(manner::FUTEXES);
            let other = sleeper(scope, || wait(same, ZX_SOCKET_READABLE)).until(manner::FUTEX);
            close([b]);
            let closed = ZX_SOCKET_WRITABLE | ZX_SIGNAL_HANDLE_CLOSED;
            let cancelled = Err(Status::CANCELED);
            assert_eq!(one.result(), (cancelled, closed));
            let pending = [ZX_SOCKET_WRITABLE, closed, ZX_SOCKET_WRITABLE];
            assert_eq!(many.result(), (cancelled, pending));
            // It goes on sleeping, and ends with what it waits for.
            let other = other.until(manner::FUTEX);
            zx_socket_write(a, 0, b"x").unwrap();
            let on = ZX_SOCKET_READABLE | ZX_SOCKET_WRITABLE;
            assert_eq!(other.result(), (Ok(()), on));
        });
        assert_eq!(zx_port_wait(port, 0).unwrap().key, 2);
        assert_eq!(zx_port_wait(port, 0).unwrap_err(), Status::TIMED_OUT);
        close([a, same, port]);
    });
}

#[test]
fn replacing_cancels_the_waits_through_the_old_handle() {
    alone(|| {
        let (a, b) = pair();
        thread::scope(|scope| {
            let waiter = sleeper(scope, || wait(b, ZX_SOCKET_PEER_CLOSED)).until(manner::FUTEX);
            let new = zx_handle_replace(b, ZX_RIGHT_SAME_RIGHTS).unwrap();
            let (result, observed) = waiter.result();
            assert_eq!(result, Err(Status::CANCELED));
            assert_eq!(observed, ZX_SOCKET_WRITABLE | ZX_SIGNAL_HANDLE_CLOSED);
            close([new]);
        });
        assert_eq!(
            wait(a, ZX_SOCKET_PEER_CLOSED),
            (Ok(()), ZX_SOCKET_PEER_CLOSED)
        );
        close([a]);
    });
}

/// The own waits are cancelled first: they do not see what the closing does.
#[test]
fn last_close_cancels_own_waits_and_wakes_the_peer() {
    alone(|| {
        let (a, b) = pair();
        thread::scope(|scope| {
            let own = sleeper(scope, || wait(b, ZX_SOCKET_READABLE)).until(manner::FUTEX);
            let peer = sleeper(scope, || wait(a, ZX_SOCKET_PEER_CLOSED)).until(manner::FUTEX);
            close([b]);
            assert_eq!(own.result().0, Err(Status::CANCELED));
            assert_eq!(peer.result(), (Ok(()), ZX_SOCKET_PEER_CLOSED));
        });
        close([a]);
    });
}

/// Brings two threads together without putting either to sleep.
#[derive(Default)]
struct Meeting {
    arrived: AtomicU32,
}

impl Meeting {
    /// Returns in the `turn`th turn, from 1 on, once both have called it.
    fn meet(&self, turn: u32) {
        self.arrived.fetch_add(1, Ordering::AcqRel);
        while self.arrived.load(Ordering::Acquire) < 2 * turn {
            thread::yield_now();
        }
    }
}

/// What is waited on when its handle is closed.
#[derive(Clone, Copy, Debug)]
enum Closed {
    LastOfEvent,
    LastOfSocket,
    OneOfSeveral,
}

/// Whether the wait comes first or the close, the wait ends.
fn wait_races_with_close(closed: Closed, many: bool) {
    const ROUNDS: u32 = 4000;
    let (begin, end) = (Meeting::default(), Meeting::default());
    let handle = AtomicU32::new(0);
    let mut rng = Rng::for_test("close_race");
    let waits = || {
        let handle = handle.load(Ordering::Relaxed);
        if !many {
            return wait(handle, ZX_USER_SIGNAL_0);
        }
        let mut items = [item(handle, 0), item(handle, ZX_USER_SIGNAL_0)];
        let result = zx_object_wait_many(&mut items, ZX_TIME_INFINITE);
        (result, items[1].pending)
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 1..=ROUNDS {
                begin.meet(turn);
                match waits() {
                    (Err(Status::BAD_HANDLE), observed) => assert_eq!(observed, 0),
                    (Err(Status::CANCELED), observed) => {
                        assert_ne!(observed & ZX_SIGNAL_HANDLE_CLOSED, 0);
                    }
                    other => panic!("{other:?}"),
                }
                end.meet(turn);
            }
        });
        let (a, b) = pair();
        for turn in 1..=ROUNDS {
            let (doomed, peer) = match closed {
                Closed::LastOfEvent => (zx_event_create(0).unwrap(), ZX_HANDLE_INVALID),
                Closed::LastOfSocket => pair(),
                Closed::OneOfSeveral => (duplicate(b), ZX_HANDLE_INVALID),
            };
            handle.store(doomed, Ordering::Relaxed);
            begin.meet(turn);
            rng.spin(60);
            close([doomed]);
            end.meet(turn);
            close([peer]);
        }
        close([a, b]);
    });
}

#[test]
fn wait_that_races_with_the_close_of_its_handle_ends() {
    alone(|| {
        leaves_nothing(|| {
            for closed in [
                Closed::LastOfEvent,
                Closed::LastOfSocket,
                Closed::OneOfSeveral,
            ] {
                wait_races_with_close(closed, false);
                wait_races_with_close(closed, true);
            }
        });
    });
}

#[test]
fn of_many_closers_one_succeeds() {
    const CLOSERS: usize = 4;
    const ROUNDS: usize = 500;
    alone(|| {
        leaves_nothing(|| {
            let barrier = Barrier::new(CLOSERS);
            let (handle, succeeded) = (AtomicU32::new(0), AtomicU32::new(0));
            thread::scope(|scope| {
                for closer in 0..CLOSERS {
                    let (barrier, handle, succeeded) = (&barrier, &handle, &succeeded);
                    scope.spawn(move || {
                        for round in 0..ROUNDS {
                            if closer == 0 {
                                let new = match round % 3 {
                                    0 => zx_event_create(0).unwrap(),
                                    1 => zx_port_create(0).unwrap(),
                                    _ => {
                                        let (a, b) = pair();
                                        close([a]);
                                        b
                                    }
                                };
                                succeeded.store(0, Ordering::Relaxed);
                                handle.store(new, Ordering::Relaxed);
                            }
                            barrier.wait();
                            let handle = handle.load(Ordering::Relaxed);
                            let result = match (closer + round) % 3 {
                                0 => zx_handle_close_many(&[handle]),
                                1 => zx_handle_replace(handle, 0).and_then(zx_handle_close),
                                _ => zx_handle_close(handle),
                            };
                            match result {
                                Ok(()) => {
                                    succeeded.fetch_add(1, Ordering::Relaxed);
                                }
                                Err(error) => assert_eq!(error, Status::BAD_HANDLE),
                            }
                            barrier.wait();
                            assert_eq!(succeeded.load(Ordering::Relaxed), 1);
                            barrier.wait();
                        }
                    });
                }
            });
        });
    });
}

// Pulses.

/// No pulse of `wanted` is missed by who waits.
fn never_missed(
    rounds: u32,
    manner: &[i64],
    wait: impl Fn() -> Result<zx_signals_t> + Send,
    wanted: zx_signals_t,
    pulse: impl Fn(),
) {
    observe::never_missed(
        rounds,
        manner,
        wait,
        |_| pulse(),
        |on, round| {
            let on = on.unwrap();
            assert_eq!(on & wanted, wanted, "{on:#x} in round {round}");
        },
    );
}

fn wait_one(handle: zx_handle_t, signals: zx_signals_t) -> Result<zx_signals_t> {
    let (result, observed) = wait(handle, signals);
    result.map(|()| observed)
}

/// Returns once nothing of `signals` is on: the other thread has taken what the last turn brought.
fn until_taken(handle: zx_handle_t, signals: zx_signals_t) {
    while zx_object_wait_one(handle, signals, 0, None).is_ok() {
        thread::yield_now();
    }
}

fn wait_many(handles: [zx_handle_t; 2], signals: zx_signals_t) -> Result<zx_signals_t> {
    let mut items = handles.map(|handle| item(handle, signals));
    zx_object_wait_many(&mut items, ZX_TIME_INFINITE)?;
    Ok(items[1].pending)
}

#[test]
fn signal_that_is_set_and_cleared_at_once_is_not_missed() {
    const WANTED: zx_signals_t = ZX_USER_SIGNAL_4;
    alone(|| {
        let (a, b) = pair();
        let event = zx_event_create(0).unwrap();
        let port = zx_port_create(0).unwrap();
        let pulse = |change: fn(zx_handle_t, u32, u32) -> Result, handle| {
            change(handle, 0, WANTED).unwrap();
            change(handle, WANTED, 0).unwrap();
        };
        let by_peer = || pulse(zx_object_signal_peer, a);
        let own = || pulse(zx_object_signal, b);
        let on_event = || pulse(zx_object_signal, event);
        never_missed(1000, manner::FUTEX, || wait_one(b, WANTED), WANTED, by_peer);
        never_missed(1000, manner::FUTEX, || wait_one(b, WANTED), WANTED, own);
        let wait_event = || wait_one(event, WANTED);
        never_missed(1000, manner::FUTEX, wait_event, WANTED, on_event);
        let many = || wait_many([event, b], WANTED);
        never_missed(1000, manner::FUTEXES, many, WANTED, by_peer);
        let many = || wait_many([b, event], WANTED);
        never_missed(1000, manner::FUTEXES, many, WANTED, on_event);
        for (handle, pulse) in [(b, &by_peer as &dyn Fn()), (event, &on_event)] {
            let wait = || {
                zx_object_wait_async(handle, port, 3, WANTED, ZX_WAIT_ASYNC_EDGE)?;
                Ok(zx_port_wait(port, ZX_TIME_INFINITE)?.signal().observed)
            };
            never_missed(1000, manner::PORT, wait, WANTED, pulse);
        }
        close([a, b, event, port]);
    });
}

/// Another thread reads everything the moment it comes; the wait ends nevertheless.
#[test]
fn data_that_another_thread_takes_at_once_is_not_missed() {
    alone(|| {
        let (a, b) = pair();
        let same = duplicate(b);
        let over = AtomicBool::new(false);
        let taken = AtomicU64::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    match zx_socket_read(same, 0, &mut [0; 64]) {
                        Ok(read) => {
                            taken.fetch_add(read as u64, Ordering::Relaxed);
                        }
                        Err(error) => assert_eq!(error, Status::SHOULD_WAIT),
                    }
                }
            });
            let write = || {
                zx_socket_write(a, 0, b"gone").unwrap();
            };
            let wait = || {
                until_taken(b, ZX_SOCKET_READABLE);
                wait_one(b, ZX_SOCKET_READABLE)
            };
            never_missed(300, manner::FUTEX, wait, ZX_SOCKET_READABLE, write);
            let wait = || {
                until_taken(b, ZX_SOCKET_READABLE);
                wait_many([a, b], ZX_SOCKET_READABLE)
            };
            never_missed(300, manner::FUTEXES, wait, ZX_SOCKET_READABLE, write);
            over.store(true, Ordering::Relaxed);
        });
        let rest = zx_socket_read(b, 0, &mut [0; 64]).unwrap_or(0) as u64;
        assert_eq!(taken.into_inner() + rest, 600 * 4);
        close([a, b, same]);
    });
}

/// The same for space: somebody else fills it again at once.
#[test]
fn space_that_another_thread_takes_at_once_is_not_missed() {
    alone(|| {
        let (a, b) = pair();
        let same = duplicate(a);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    match zx_socket_write(same, 0, &[0; 4096]) {
                        Ok(_) => {}
                        Err(error) => assert_eq!(error, Status::SHOULD_WAIT),
                    }
                }
            });
            while zx_socket_write(a, 0, &[0; 4096]).is_ok() {}
            let read = || {
                zx_socket_read(b, 0, &mut [0; 8]).unwrap();
            };
            let wait = || {
                until_taken(a, ZX_SOCKET_WRITABLE);
                wait_one(a, ZX_SOCKET_WRITABLE)
            };
            never_missed(300, manner::FUTEX, wait, ZX_SOCKET_WRITABLE, read);
            over.store(true, Ordering::Relaxed);
        });
        close([a, b, same]);
    });
}

// Calls under way.

/// Memory of a reader that is held up in the middle of its call.
struct Slow<F: FnMut()> {
    bytes: [u8; 4],
    hold: F,
}

impl<F: FnMut()> Sink for Slow<F> {
    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn copy_from(&mut self, at: usize, src: SharedSlice<'_>) -> Result<(), BadAddress> {
        (self.hold)();
        (&mut self.bytes[..]).copy_from(at, src)
    }

    fn store(&mut self, at: usize, src: &[u8]) -> Result<(), BadAddress> {
        (&mut self.bytes[..]).store(at, src)
    }
}

/// An endpoint that its peer takes for one in another process, and the peer. There is something
/// to read.
fn moved_pair() -> (zx_handle_t, zx_handle_t) {
    let (a, b) = pair();
    let b = handle_from_fd(handle_to_fd(b).unwrap()).unwrap();
    zx_socket_write(a, 0, b"data").unwrap();
    (a, b)
}

/// Has a thread make `call` while another one is in the middle of a read of `handle`, which goes on
/// when the first one sleeps, or is back. Returns what the first returns, and `seen` of it at
/// that moment.
fn under_a_read<T: Send>(
    handle: zx_handle_t,
    call: impl FnOnce() -> T + Send,
    seen: impl Fn(Thread) -> bool + Sync,
    afterwards: impl FnOnce(),
) -> (T, bool) {
    let (inside, entered) = mpsc::channel();
    let (introduce, introduced) = mpsc::channel::<Thread>();
    let is_back = AtomicBool::new(false);
    thread::scope(|scope| {
        let (is_back, seen) = (&is_back, &seen);
        let reader = scope.spawn(move || {
            let mut found = false;
            let hold = || {
                inside.send(()).unwrap();
                let caller = introduced.recv().unwrap();
                let sleeps = || caller.is_in(manner::FUTEX) || caller.is_in(manner::FUTEXES);
                while !is_back.load(Ordering::Acquire) && !sleeps() {
                    thread::yield_now();
                }
                found = is_back.load(Ordering::Acquire) || seen(caller);
            };
            let bytes = [0; 4];
            let read = zx_socket_read(handle, 0, Slow { bytes, hold });
            assert_eq!(read, Ok(4));
            found
        });
        entered.recv().unwrap();
        let (go, gone) = mpsc::channel::<()>();
        let caller = sleeper(scope, move || {
            let result = call();
            is_back.store(true, Ordering::Release);
            // There to be looked at until the reader is done with it.
            let _ = gone.recv();
            result
        });
        introduce.send(caller.thread).unwrap();
        let found = reader.join().unwrap();
        drop(go);
        afterwards();
        (caller.result(), found)
    })
}

/// Who reads was let in when nobody waited, and does not say what it turns off.
#[test]
fn registration_waits_for_a_read_under_way_and_sees_what_that_turned_off() {
    alone(|| {
        let (a, b) = moved_pair();
        let port = zx_port_create(0).unwrap();
        let edge = ZX_WAIT_ASYNC_EDGE;
        let register = || zx_object_wait_async(b, port, 1, ZX_SOCKET_READABLE, edge);
        let (registered, too_early) = under_a_read(b, register, |_| false, || {});
        assert_eq!(registered, Ok(()));
        assert!(!too_early);
        assert_eq!(zx_port_wait(port, 0).unwrap_err(), Status::TIMED_OUT);
        // It has been off, so this is a rise, which the peer announces.
        zx_socket_write(a, 0, b"x").unwrap();
        assert_eq!(zx_port_wait(port, 0).unwrap().key, 1);
        close([a, b, port]);
    });
}

#[test]
fn wait_sleeps_when_a_read_under_way_has_ended() {
    alone(|| {
        let (a, b) = moved_pair();
        let event = zx_event_create(0).unwrap();
        let wait = || wait_many([event, b], ZX_USER_SIGNAL_0);
        let asleep = |caller: Thread| caller.is_in(manner::FUTEXES);
        let end = || zx_object_signal_peer(a, 0, ZX_USER_SIGNAL_0).unwrap();
        let (pending, too_early) = under_a_read(b, wait, asleep, end);
        assert_eq!(pending, Ok(ZX_SOCKET_WRITABLE | ZX_USER_SIGNAL_0));
        assert!(!too_early);
        close([a, b, event]);
    });
}

#[test]
fn close_of_the_last_handle_waits_for_a_read_under_way() {
    alone(|| {
        let (a, b) = moved_pair();
        let (closed, too_early) = under_a_read(b, || zx_handle_close(b), |_| false, || {});
        assert_eq!(closed, Ok(()));
        assert!(!too_early);
        close([a]);
    });
}

/// Nobody has looked since: the peer is elsewhere.
#[test]
fn registration_that_was_met_before_its_handle_is_closed_is_delivered() {
    alone(|| {
        let (a, b) = moved_pair();
        let same = duplicate(b);
        let port = zx_port_create(0).unwrap();
        for (handle, key) in [(same, 1), (b, 2)] {
            let wanted = ZX_USER_SIGNAL_0;
            zx_object_wait_async(handle, port, key, wanted, 0).unwrap();
            zx_object_wait_async(handle, port, 9, ZX_USER_SIGNAL_1, 0).unwrap();
            zx_object_signal_peer(a, 0, wanted).unwrap();
            zx_object_signal_peer(a, wanted, 0).unwrap();
            close([handle]);
            assert_eq!(zx_port_wait(port, 0).unwrap().key, key);
            assert_eq!(zx_port_wait(port, 0).unwrap_err(), Status::TIMED_OUT);
        }
        close([a, port]);
    });
}

// Moving.

#[test]
fn regression_endpoint_that_left_and_came_back_is_woken() {
    alone(|| {
        let (a, b) = pair();
        let b = handle_from_fd(handle_to_fd(b).unwrap()).unwrap();
        let port = zx_port_create(0).unwrap();
        thread::scope(|scope| {
            let waiter = sleeper(scope, || wait(b, ZX_SOCKET_READABLE)).until(manner::FUTEX);
            zx_socket_write(a, 0, b"x").unwrap();
            assert_eq!(waiter.result().0, Ok(()));
            zx_object_wait_async(b, port, 5, ZX_USER_SIGNAL_1, 0).unwrap();
            let waiter = sleeper(scope, || zx_port_wait(port, ZX_TIME_INFINITE).unwrap().key);
            let waiter = waiter.until(manner::PORT);
            zx_object_signal_peer(a, 0, ZX_USER_SIGNAL_1).unwrap();
            assert_eq!(waiter.result(), 5);
        });
        close([a, b, port]);
    });
}

#[test]
fn moving_cancels_waits_and_drops_registrations() {
    alone(|| {
        let (a, b) = pair();
        let port = zx_port_create(0).unwrap();
        zx_object_wait_async(b, port, 1, ZX_SOCKET_READABLE, 0).unwrap();
        let fd = thread::scope(|scope| {
            let waiter = sleeper(scope, || wait(b, ZX_SOCKET_READABLE)).until(manner::FUTEX);
            let fd = handle_to_fd(b).unwrap();
            assert_eq!(waiter.result().0, Err(Status::CANCELED));
            fd
        });
        assert_eq!(handle_to_fd(b).unwrap_err(), Status::BAD_HANDLE);
        zx_socket_write(a, 0, b"x").unwrap();
        let b = handle_from_fd(fd).unwrap();
        assert_eq!(zx_port_wait(port, 0).unwrap_err(), Status::TIMED_OUT);
        assert_eq!(zx_port_cancel_key(port, 0, 1), Err(Status::NOT_FOUND));
        close([a, b, port]);
    });
}

#[test]
fn endpoint_with_two_handles_does_not_move() {
    alone(|| {
        let (a, b) = pair();
        let same = duplicate(b);
        assert_eq!(handle_to_fd(b).unwrap_err(), Status::BAD_STATE);
        close([same]);
        drop(handle_to_fd(b).unwrap());
        assert_eq!(wait(a, ZX_SOCKET_PEER_CLOSED).0, Ok(()));
        close([a]);
    });
}

/// Duplicates come and go; a handle that does not leave because of one stays as it was.
#[test]
fn move_that_meets_a_duplicate_leaves_the_handle() {
    const TRIES: u32 = 20_000;
    alone(|| {
        let (a, b) = pair();
        let current = AtomicU32::new(b);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let duplicator = scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let handle = current.load(Ordering::Relaxed);
                    if let Ok(same) = zx_handle_duplicate(handle, ZX_RIGHT_SAME_RIGHTS) {
                        close([same]);
                    }
                }
            });
            let mut handle = b;
            for _ in 0..TRIES {
                match handle_to_fd(handle) {
                    Ok(fd) => handle = handle_from_fd(fd).unwrap(),
                    Err(status) => {
                        assert_eq!(status, Status::BAD_STATE);
                        assert_eq!(zx_handle_check_valid(handle), Ok(()));
                    }
                }
                current.store(handle, Ordering::Relaxed);
            }
            over.store(true, Ordering::Relaxed);
            duplicator.join().unwrap();
            close([a, handle]);
        });
    });
}

/// Reader and writer of one endpoint go on with whatever handle it has now.
#[test]
fn moving_under_readers_and_writers_loses_and_doubles_no_bytes() {
    const MOVES: u32 = 1500;
    alone(|| {
        leaves_nothing(|| {
            let (a, b) = pair();
            let current = AtomicU32::new(b);
            let over = AtomicBool::new(false);
            let mut rng = Rng::for_test("moves");
            thread::scope(|scope| {
                // Counts what it gets through the current handle: the next number each time.
                let reader = scope.spawn(|| {
                    let mut next = 0_u64;
                    loop {
                        let mut bytes = [0; 8];
                        match zx_socket_read(current.load(Ordering::Relaxed), 0, &mut bytes) {
                            Ok(8) => {
                                assert_eq!(u64::from_le_bytes(bytes), next);
                                next += 1;
                            }
                            Err(Status::SHOULD_WAIT) if over.load(Ordering::Relaxed) => {
                                // Everything was written before.
                                if next == written(a) {
                                    return next;
                                }
                            }
                            Err(Status::SHOULD_WAIT | Status::BAD_HANDLE) => thread::yield_now(),
                            other => panic!("{other:?}"),
                        }
                    }
                });
                let writer = scope.spawn(|| {
                    let mut next = 0_u64;
                    // At least one, however late this thread begins.
                    while next == 0 || !over.load(Ordering::Relaxed) {
                        let handle = current.load(Ordering::Relaxed);
                        match zx_socket_write(handle, 0, &next.to_le_bytes()) {
                            Ok(8) => next += 1,
                            Err(Status::SHOULD_WAIT | Status::BAD_HANDLE) => thread::yield_now(),
                            other => panic!("{other:?}"),
                        }
                    }
                    next
                });
                // The peer's side of both.
                let echo = scope.spawn(|| {
                    let (mut sent, mut got) = (0_u64, 0_u64);
                    while sent == 0 || !over.load(Ordering::Relaxed) {
                        match zx_socket_write(a, 0, &sent.to_le_bytes()) {
                            Ok(8) => sent += 1,
                            Err(Status::SHOULD_WAIT) => {}
                            other => panic!("{other:?}"),
                        }
                        got += take_all(a, got);
                    }
                    WRITTEN.store(sent, Ordering::Release);
                    got
                });
                for _ in 0..MOVES {
                    rng.spin(2000);
                    let fd = handle_to_fd(current.load(Ordering::Relaxed)).unwrap();
                    rng.spin(200);
                    current.store(handle_from_fd(fd).unwrap(), Ordering::Relaxed);
                }
                over.store(true, Ordering::Relaxed);
                let written = writer.join().unwrap();
                let mut got = echo.join().unwrap();
                got += take_all(a, got);
                assert_eq!(got, written);
                assert!(reader.join().unwrap() > 0 && written > 0);
            });
            WRITTEN.store(u64::MAX, Ordering::Relaxed);
            close([a, current.into_inner()]);
        });
    });
}

/// How many numbers the peer has written, once it writes no more.
static WRITTEN: AtomicU64 = AtomicU64::new(u64::MAX);

fn written(_: zx_handle_t) -> u64 {
    WRITTEN.load(Ordering::Acquire)
}

/// Takes numbers from `next` on; says how many.
fn take_all(handle: zx_handle_t, next: u64) -> u64 {
    let mut count = 0;
    let mut bytes = [0; 8];
    loop {
        match zx_socket_read(handle, 0, &mut bytes) {
            Ok(8) => {
                assert_eq!(u64::from_le_bytes(bytes), next + count);
                count += 1;
            }
            Err(Status::SHOULD_WAIT) => return count,
            other => panic!("{other:?}"),
        }
    }
}

/// A port that was told to watch an endpoint at the moment it leaves must not watch what is
/// somebody else's then: its hang-up would keep whoever waits for packets awake for ever.
#[test]
fn registering_races_with_moving() {
    const ROUNDS: u32 = 3000;
    alone(|| {
        let port = zx_port_create(0).unwrap();
        let barrier = Barrier::new(2);
        let handle = AtomicU32::new(0);
        let mut rng = Rng::for_test("register_race");
        let mut kept: Vec<OwnedFd> = Vec::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut rng = Rng::new(7);
                for _ in 0..ROUNDS {
                    barrier.wait();
                    rng.spin(400);
                    let handle = handle.load(Ordering::Relaxed);
                    let result = zx_object_wait_async(handle, port, 1, ZX_USER_SIGNAL_0, 0);
                    assert!(
                        matches!(result, Ok(()) | Err(Status::BAD_HANDLE)),
                        "{result:?}"
                    );
                    barrier.wait();
                }
            });
            for _ in 0..ROUNDS {
                let (a, b) = pair();
                handle.store(b, Ordering::Relaxed);
                barrier.wait();
                rng.spin(400);
                let fd = handle_to_fd(b).unwrap();
                barrier.wait();
                // Its doorbell hangs up, in the descriptor that has left.
                close([a]);
                kept.push(fd);
            }
        });
        // Nothing was left behind: whoever waits sleeps.
        let waiter = thread::scope(|scope| {
            let waiter = sleeper(scope, || {
                let result = zx_port_wait(port, after(Duration::from_millis(200)));
                (
                    result.unwrap_err(),
                    support_processes::observe::Thread::current().sleeps(),
                )
            })
            .until(manner::PORT);
            let before = waiter.thread.sleeps();
            let (status, sleeps) = waiter.result();
            assert_eq!(status, Status::TIMED_OUT);
            sleeps - before
        });
        assert!(waiter <= 2, "woken {waiter} times");
        drop(kept);
        close([port]);
    });
}

// Everything at once.

/// Handles that all threads use.
struct Pool {
    slots: Vec<AtomicU32>,
    ports: [zx_handle_t; 2],
}

impl Pool {
    const SLOTS: usize = 8;

    fn pick(&self, rng: &mut Rng) -> &AtomicU32 {
        &self.slots[rng.below(Self::SLOTS)]
    }

    fn handle(&self, rng: &mut Rng) -> zx_handle_t {
        self.pick(rng).load(Ordering::Relaxed)
    }

    /// Puts a new handle where an old one was, and closes that.
    fn renew(&self, rng: &mut Rng, new: zx_handle_t) -> Result {
        zx_handle_close(self.pick(rng).swap(new, Ordering::Relaxed))
    }
}

type Call = (
    &'static str,
    fn(&Pool, &mut Rng) -> Result,
    &'static [Status],
);

/// A deadline so near that nobody waits long, or none at all.
fn soon(rng: &mut Rng) -> zx_time_t {
    match rng.below(3) {
        0 => 0,
        _ => now() + rng.below(200_000) as zx_time_t,
    }
}

fn some_signals(rng: &mut Rng) -> zx_signals_t {
    let signals = [
        ZX_SOCKET_READABLE,
        ZX_SOCKET_WRITABLE,
        ZX_SOCKET_PEER_CLOSED,
        ZX_SOCKET_PEER_WRITE_DISABLED,
        ZX_USER_SIGNAL_0,
    ];
    rng.pick(&signals) | rng.pick(&signals)
}

fn void<T>(result: Result<T>) -> Result {
    result.map(drop)
}

const CALLS: &[Call] = {
    use Status as S;
    &[
        (
            "read",
            |pool, rng| void(zx_socket_read(pool.handle(rng), 0, &mut [0; 100])),
            &[S::SHOULD_WAIT, S::BAD_HANDLE, S::PEER_CLOSED, S::BAD_STATE],
        ),
        (
            "write",
            |pool, rng| void(zx_socket_write(pool.handle(rng), 0, &[1; 100])),
            &[S::SHOULD_WAIT, S::BAD_HANDLE, S::PEER_CLOSED, S::BAD_STATE],
        ),
        (
            "wait_one",
            |pool, rng| {
                let (handle, signals) = (pool.handle(rng), some_signals(rng));
                let mut observed = 0;
                let result = zx_object_wait_one(handle, signals, soon(rng), Some(&mut observed));
                match result {
                    Ok(()) => assert_ne!(observed & signals, 0),
                    Err(Status::CANCELED) => assert_ne!(observed & ZX_SIGNAL_HANDLE_CLOSED, 0),
                    _ => {}
                }
                result
            },
            &[S::TIMED_OUT, S::CANCELED, S::BAD_HANDLE],
        ),
        (
            "wait_many",
            |pool, rng| {
                let mut items: Vec<_> = (0..1 + rng.below(5))
                    .map(|_| item(pool.handle(rng), some_signals(rng)))
                    .collect();
                let result = zx_object_wait_many(&mut items, soon(rng));
                let cancelled = items
                    .iter()
                    .any(|i| i.pending & ZX_SIGNAL_HANDLE_CLOSED != 0);
                assert_eq!(cancelled, result == Err(Status::CANCELED));
                if result.is_ok() {
                    assert!(items.iter().any(|i| i.pending & i.waitfor != 0));
                }
                result
            },
            &[S::TIMED_OUT, S::CANCELED, S::BAD_HANDLE],
        ),
        (
            "wait_async",
            |pool, rng| {
                let (handle, port) = (pool.handle(rng), rng.pick(&pool.ports));
                let options = rng.pick(&[0, ZX_WAIT_ASYNC_EDGE]);
                let key = rng.below(4) as u64;
                zx_object_wait_async(handle, port, key, some_signals(rng), options)
            },
            &[S::BAD_HANDLE],
        ),
        (
            "port_wait",
            |pool, rng| void(zx_port_wait(rng.pick(&pool.ports), soon(rng))),
            &[S::TIMED_OUT],
        ),
        (
            "port_queue",
            |pool, rng| {
                let packet = zx_port_packet_t {
                    key: rng.below(4) as u64,
                    r#type: 0,
                    status: 1,
                    payload: zx_packet_payload_t {
                        user: zx_packet_user_t { c8: [3; 32] },
                    },
                };
                zx_port_queue(rng.pick(&pool.ports), &packet)
            },
            &[S::SHOULD_WAIT],
        ),
        (
            "port_cancel",
            |pool, rng| {
                let source = pool.handle(rng);
                zx_port_cancel(rng.pick(&pool.ports), source, rng.below(4) as u64)
            },
            &[S::NOT_FOUND, S::BAD_HANDLE],
        ),
        (
            "port_cancel_key",
            |pool, rng| zx_port_cancel_key(rng.pick(&pool.ports), 0, rng.below(4) as u64),
            &[S::NOT_FOUND],
        ),
        (
            "duplicate",
            |pool, rng| {
                let new = zx_handle_duplicate(pool.handle(rng), ZX_RIGHT_SAME_RIGHTS)?;
                pool.renew(rng, new)
            },
            &[S::BAD_HANDLE],
        ),
        (
            "replace",
            |pool, rng| {
                let new = zx_handle_replace(pool.handle(rng), ZX_RIGHT_SAME_RIGHTS)?;
                pool.renew(rng, new)
            },
            &[S::BAD_HANDLE],
        ),
        (
            "create",
            |pool, rng| {
                let (a, b) = socket_create_with_capacity(rng.below(2) as u32, 4 << 10)?;
                let first = pool.renew(rng, a);
                pool.renew(rng, b).and(first)
            },
            &[S::BAD_HANDLE],
        ),
        (
            "close",
            |pool, rng| zx_handle_close(pool.handle(rng)),
            &[S::BAD_HANDLE],
        ),
        (
            "signal",
            |pool, rng| {
                let (clear, set) = rng.pick(&[(0, ZX_USER_SIGNAL_0), (ZX_USER_SIGNAL_0, 0)]);
                match rng.below(2) {
                    0 => zx_object_signal(pool.handle(rng), clear, set),
                    _ => zx_object_signal_peer(pool.handle(rng), clear, set),
                }
            },
            &[S::BAD_HANDLE, S::PEER_CLOSED],
        ),
        (
            "set_disposition",
            |pool, rng| {
                let (own, peer) = (rng.below(3) as u32, rng.below(3) as u32);
                zx_socket_set_disposition(pool.handle(rng), own, peer)
            },
            &[S::BAD_HANDLE, S::BAD_STATE],
        ),
        (
            "move",
            |pool, rng| {
                let fd = handle_to_fd(pool.handle(rng))?;
                let new = handle_from_fd(fd)?;
                pool.renew(rng, new)
            },
            &[S::BAD_HANDLE, S::BAD_STATE],
        ),
    ]
};

/// How often each call ended how.
type Tally = BTreeMap<(&'static str, zx_status_t), u64>;

fn play(pool: &Pool, seed: u64, rounds: usize) -> Tally {
    let mut rng = Rng::new(seed);
    let mut tally = Tally::new();
    for _ in 0..rounds {
        let (name, call, allowed) = CALLS[rng.below(CALLS.len())];
        let result = call(pool, &mut rng);
        if let Err(status) = result {
            assert!(allowed.contains(&status), "{name}: {status}");
        }
        let status = result.err().map_or(ZX_OK, Status::into_raw);
        *tally.entry((name, status)).or_default() += 1;
    }
    tally
}

#[test]
fn any_call_from_any_thread_at_any_moment() {
    const THREADS: u64 = 6;
    const ROUNDS: usize = 15_000;
    let seed = Rng::for_test("any_call").next();
    alone(|| {
        leaves_nothing(|| {
            let pool = Pool {
                slots: (0..Pool::SLOTS).map(|_| AtomicU32::new(0)).collect(),
                ports: [(); 2].map(|()| zx_port_create(0).unwrap()),
            };
            let mut tally = Tally::new();
            thread::scope(|scope| {
                let pool = &pool;
                let threads: Vec<_> = (0..THREADS)
                    .map(|i| scope.spawn(move || play(pool, seed ^ i, ROUNDS)))
                    .collect();
                for thread in threads {
                    for (how, count) in thread.join().unwrap() {
                        *tally.entry(how).or_default() += count;
                    }
                }
            });
            // Every call has succeeded at times.
            for (name, _, _) in CALLS {
                assert!(tally.contains_key(&(*name, ZX_OK)), "{name}: {tally:?}");
            }
            for slot in pool.slots {
                let result = zx_handle_close(slot.into_inner());
                assert!(matches!(result, Ok(()) | Err(Status::BAD_HANDLE)));
            }
            close(pool.ports);
        });
    });
}

/// Who waits on a port whose last handle is closed is not woken by that.
#[test]
fn wait_on_a_closed_port_lasts_until_its_deadline() {
    alone(|| {
        let port = zx_port_create(0).unwrap();
        let (a, b) = pair();
        thread::scope(|scope| {
            zx_object_wait_async(b, port, 1, ZX_SOCKET_READABLE, 0).unwrap();
            let deadline = after(Duration::from_millis(50));
            let waiter = sleeper(scope, move || {
                let result = zx_port_wait(port, deadline);
                (result.unwrap_err(), now())
            })
            .until(manner::PORT);
            close([port]);
            zx_socket_write(a, 0, b"x").unwrap();
            assert_eq!(zx_port_wait(port, 0).unwrap_err(), Status::BAD_HANDLE);
            let (status, ended) = waiter.result();
            assert_eq!(status, Status::TIMED_OUT);
            assert!(ended >= deadline);
        });
        close([a, b]);
    });
}

/// What a write has been let in to write is read, though another thread closes the last handle
/// meanwhile; and when the end has been seen, nothing shows as readable.
#[test]
fn close_under_a_write_loses_no_byte_that_was_accepted() {
    const ROUNDS: u32 = 300;
    alone(|| {
        for _ in 0..ROUNDS {
            let (a, b) = zx_socket_create(ZX_SOCKET_STREAM).unwrap();
            let written = AtomicU64::new(0);
            thread::scope(|scope| {
                let writer = scope.spawn(|| {
                    loop {
                        match zx_socket_write(a, 0, b"eight ok") {
                            Ok(len) => {
                                written.fetch_add(len as u64, Ordering::Relaxed);
                            }
                            Err(Status::SHOULD_WAIT) => thread::yield_now(),
                            Err(Status::BAD_HANDLE) => return,
                            other => panic!("{other:?}"),
                        }
                    }
                });
                let reader = scope.spawn(move || {
                    let mut read = 0_u64;
                    loop {
                        match zx_socket_read(b, 0, &mut [0; 4096]) {
                            Ok(len) => read += len as u64,
                            Err(Status::SHOULD_WAIT) => thread::yield_now(),
                            Err(Status::PEER_CLOSED) => return read,
                            other => panic!("{other:?}"),
                        }
                    }
                });
                while written.load(Ordering::Relaxed) == 0 {
                    thread::yield_now();
                }
                zx_handle_close(a).unwrap();
                writer.join().unwrap();
                assert_eq!(reader.join().unwrap(), written.load(Ordering::Relaxed));
            });
            let mut observed = 0;
            let looked = zx_object_wait_one(b, 0, 0, Some(&mut observed));
            assert_eq!(
                (looked, observed),
                (Err(Status::TIMED_OUT), ZX_SOCKET_PEER_CLOSED)
            );
            close([b]);
        }
    });
}

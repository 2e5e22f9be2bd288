//! The lock over the machine's atomics, `membarrier` and futexes; every order of a
//! few steps is checked with loom.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

const MODES: [FenceMode; 2] = [FenceMode::Asymmetric, FenceMode::Symmetric];

fn add(serial: &Serial<usize>) {
    *serial.lock().expect("membarrier is allowed") += 1;
}

/// Adds in a thread of its own.
fn add_elsewhere(serial: &Serial<usize>) {
    thread::scope(|scope| {
        scope.spawn(|| add(serial));
    });
}

#[test]
fn first_user_is_the_owner_and_the_next_ones_take_over() {
    let serial = Serial::new(0, FenceMode::Asymmetric);
    assert_eq!(serial.owner(), Owner::NOBODY_YET);
    for seat in 0..SEATS {
        add_elsewhere(&serial);
        assert!(serial.owner().is_somebody());
        assert_eq!(serial.owner().seat(), seat);
    }
    add_elsewhere(&serial);
    assert_eq!(serial.owner(), Owner::ALL);
    assert_eq!(serial.into_inner(), SEATS + 1);
}

#[test]
fn owner_stays_the_owner_while_nobody_else_comes() {
    let mut serial = Serial::new(0, FenceMode::Asymmetric);
    add(&serial);
    let owner = serial.owner();
    for _ in 0..100 {
        add(&serial);
    }
    assert_eq!(serial.owner(), owner);
    assert_eq!(*serial.get_mut(), 101);
}

#[test]
fn symmetric_lock_never_has_an_owner() {
    let serial = Serial::new(0, FenceMode::Symmetric);
    add(&serial);
    add_elsewhere(&serial);
    assert_eq!(serial.owner(), Owner::ALL);
}

#[test]
fn other_thread_waits_for_the_owner_to_leave() {
    for mode in MODES {
        let serial = Serial::new(0, mode);
        let guard = serial.lock().expect("membarrier is allowed");
        thread::scope(|scope| {
            let other = scope.spawn(|| *serial.lock().expect("membarrier is allowed"));
            // Long enough for it to fall asleep, usually.
            thread::sleep(std::time::Duration::from_millis(20));
            let mut guard = guard;
            *guard = 7;
            drop(guard);
            assert_eq!(other.join().expect("no panic"), 7);
        });
    }
}

#[test]
fn panic_inside_unlocks() {
    for mode in MODES {
        let serial = Serial::new(0, mode);
        let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
            let _guard = serial.lock();
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        add(&serial);
        add_elsewhere(&serial);
        assert_eq!(serial.into_inner(), 2);
    }
}

#[test]
fn owner_that_locks_twice_panics_and_stays_inside() {
    let serial = Serial::new(0, FenceMode::Asymmetric);
    let mut guard = serial.lock().expect("membarrier is allowed");
    let again = panic::catch_unwind(AssertUnwindSafe(|| drop(serial.lock())));
    assert!(again.is_err());
    *guard = 1;
    drop(guard);
    add_elsewhere(&serial);
    assert_eq!(serial.into_inner(), 2);
}

#[test]
fn nothing_is_lost_while_the_lock_changes_hands() {
    const THREADS: usize = SEATS + 2;
    const ROUNDS: usize = if cfg!(miri) { 2 } else { 200 };
    const TURNS: usize = 200;
    for mode in MODES {
        for _ in 0..ROUNDS {
            let serial = Serial::new(0, mode);
            let start = Barrier::new(THREADS);
            thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        start.wait();
                        (0..TURNS).for_each(|_| add(&serial));
                    });
                }
            });
            assert_eq!(serial.into_inner(), THREADS * TURNS);
        }
    }
}

/// The one thing that loom takes on trust: that `membarrier` reaches an owner that goes
/// in and out without a fence. Without it this fails within a few rounds.
#[test]
fn owner_in_full_flight_and_another_thread_are_never_both_inside() {
    const ROUNDS: usize = if cfg!(miri) { 2 } else { 500 };
    const TURNS: usize = 50;
    for _ in 0..ROUNDS {
        let serial = Serial::new([0_usize; 2], FenceMode::Asymmetric);
        let add = || {
            let mut pair = serial.lock().expect("membarrier is allowed");
            pair[0] += 1;
            // Somebody else inside would see the one and not the other.
            let [first, second] = **std::hint::black_box(&pair);
            assert_eq!(first, second + 1, "two are inside");
            pair[1] += 1;
        };
        let flying = AtomicBool::new(false);
        let mut turns = 0;
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                while !flying.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
                (0..TURNS).for_each(|_| add());
            });
            while !other.is_finished() {
                add();
                turns += 1;
                flying.store(true, Ordering::Relaxed);
            }
        });
        assert_eq!(serial.into_inner(), [turns + TURNS; 2]);
    }
}

//! Guards over the machine's atomics and `membarrier`; every order of a few steps is
//! checked with loom.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use crate::zx::sync::reclaim_soon;
use crate::zx::table::Table;

/// Says when it is dropped.
struct Canary {
    alive: AtomicU32,
    dropped: Arc<AtomicUsize>,
}

const ALIVE: u32 = 0xA11E_57ED;

impl Canary {
    fn new(dropped: &Arc<AtomicUsize>) -> Self {
        Self {
            alive: AtomicU32::new(ALIVE),
            dropped: Arc::clone(dropped),
        }
    }

    fn assert_alive(&self) {
        assert_eq!(self.alive.load(Ordering::Relaxed), ALIVE, "used when freed");
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        let before = self.alive.swap(0, Ordering::Relaxed);
        assert_eq!(before, ALIVE, "dropped twice");
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

fn table() -> (Table<Canary>, Arc<AtomicUsize>) {
    (Table::default(), Arc::default())
}

fn insert(table: &Table<Canary>, dropped: &Arc<AtomicUsize>) -> u32 {
    let inserted = table.insert(Canary::new(dropped));
    inserted.expect("there is space")
}

fn close(table: &Table<Canary>, value: u32) -> bool {
    table.remove(value, &table.pin()).is_some()
}

/// Waits until so many were dropped. Other tests may be pinned: then it takes a little longer.
fn await_dropped(dropped: &AtomicUsize, count: usize) {
    while dropped.load(Ordering::Relaxed) < count {
        reclaim_soon();
        thread::yield_now();
    }
    assert_eq!(dropped.load(Ordering::Relaxed), count);
}

/// Whether it is open.
fn finds(table: &Table<Canary>, value: u32) -> bool {
    table.with(value, false, |_| true)
}

/// From the second look-up on a thread is not pinned, but guards.
fn warm_up(table: &Table<Canary>, value: u32) {
    assert!(finds(table, value));
}

#[test]
fn entry_that_is_closed_elsewhere_lives_until_the_look_up_ends() {
    let (table, dropped) = table();
    let value = insert(&table, &dropped);
    warm_up(&table, value);
    let found = table.with(value, false, |canary| {
        thread::scope(|scope| scope.spawn(|| assert!(close(&table, value))).join()).expect("ends");
        reclaim_soon();
        canary.assert_alive();
        true
    });
    assert!(found);
    assert!(!finds(&table, value));
    await_dropped(&dropped, 1);
}

#[test]
fn entry_that_is_closed_within_its_look_up_lives_until_that_ends() {
    let (table, dropped) = table();
    let value = insert(&table, &dropped);
    warm_up(&table, value);
    let found = table.with(value, false, |canary| {
        assert!(close(&table, value));
        assert!(!finds(&table, value));
        reclaim_soon();
        canary.assert_alive();
        true
    });
    assert!(found);
    await_dropped(&dropped, 1);
}

#[test]
fn look_ups_within_a_look_up_find_what_they_look_for() {
    let (table, dropped) = table();
    let values = [(); 3].map(|()| insert(&table, &dropped));
    warm_up(&table, values[0]);
    let nested = table.with(values[0], false, |outer| {
        let inner = table.with(values[1], false, |_| {
            table.with(values[2], false, |innermost| {
                innermost.assert_alive();
                true
            })
        });
        assert!(close(&table, values[0]));
        outer.assert_alive();
        inner
    });
    assert!(nested);
    await_dropped(&dropped, 1);
}

#[test]
fn panic_ends_the_look_up() {
    let (table, dropped) = table();
    let value = insert(&table, &dropped);
    warm_up(&table, value);
    let look_up = AssertUnwindSafe(|| table.with(value, (), |_| panic!("on purpose")));
    assert!(panic::catch_unwind(look_up).is_err());
    assert!(close(&table, value));
    await_dropped(&dropped, 1);
}

#[test]
fn thread_that_ended_guards_nothing() {
    let (table, dropped) = table();
    let value = insert(&table, &dropped);
    thread::scope(|scope| {
        scope.spawn(|| (0..3).for_each(|_| warm_up(&table, value)));
    });
    assert!(close(&table, value));
    await_dropped(&dropped, 1);
}

#[test]
fn handles_are_closed_under_threads_in_full_flight() {
    const ROUNDS: usize = if cfg!(miri) { 20 } else { 20_000 };
    const LOOKS: usize = if cfg!(miri) { 2 } else { 2_000 };
    let (table, dropped) = table();
    let current = AtomicU32::new(insert(&table, &dropped));
    let closing = AtomicU32::new(0);
    let start = Barrier::new(2);
    let look_up = || {
        start.wait();
        loop {
            let value = current.load(Ordering::Acquire);
            if value == 0 {
                return;
            }
            table.with(value, (), |canary| {
                // Long enough for what is wrongly handed over to be freed; else short, to begin often.
                let closing = closing.load(Ordering::Relaxed) == value;
                (0..if closing { LOOKS } else { 1 }).for_each(|_| canary.assert_alive());
            });
        }
    };
    thread::scope(|scope| {
        let looker = scope.spawn(look_up);
        start.wait();
        for _ in 0..ROUNDS {
            let next = insert(&table, &dropped);
            let value = current.load(Ordering::Relaxed);
            closing.store(value, Ordering::Relaxed);
            assert!(close(&table, value));
            current.store(next, Ordering::Release);
            reclaim_soon();
        }
        assert!(close(&table, current.swap(0, Ordering::Release)));
        looker.join().expect("no look-up finds what was freed");
    });
    await_dropped(&dropped, ROUNDS + 1);
}

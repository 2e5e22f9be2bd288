//! The table over the machine's atomics; what threads can do to each other in
//! every order is checked with loom.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::zx::sync::reclaim_soon;

/// Two segments of four slots.
type Small<T> = Table<T, InProcess, 2, 4>;

fn small<T: Send + Sync>() -> Small<T> {
    Table::new(InProcess, 0x5EC7_E715)
}

/// Counts how many of its kind are alive.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(alive))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        assert_ne!(self.0.fetch_sub(1, Ordering::Relaxed), 0, "dropped twice");
    }
}

#[test]
fn handle_is_found_until_it_is_removed() {
    let table = Table::default();
    let value = table.insert("socket").expect("there is space");
    let pin = table.pin();
    let entry = table.get(value, &pin).expect("it is open");
    assert_eq!((**entry, entry.value()), ("socket", value));
    assert!(table.is_open(value));
    let removed = table.remove(value, &pin).expect("it is open");
    assert_eq!(**removed, "socket");
    assert!(!table.is_open(value));
    assert!(table.get(value, &pin).is_none());
    assert!(table.remove(value, &pin).is_none());
    assert!(table.is_empty());
}

#[test]
fn every_value_is_well_formed_and_differs() {
    let table = Table::<usize>::default();
    let values: HashSet<_> = (0..2000)
        .map(|n| table.insert(n).expect("there is space"))
        .collect();
    assert_eq!(values.len(), 2000);
    assert!(values.iter().all(|&value| is_well_formed(value)));
}

#[test]
fn value_that_differs_in_any_bit_is_not_found() {
    let table = Table::default();
    let value = table.insert(()).expect("there is space");
    let pin = table.pin();
    assert!((0..32).all(|bit| table.get(value ^ 1 << bit, &pin).is_none()));
    assert!(table.get(0, &pin).is_none());
    assert!(table.get(u32::MAX, &pin).is_none() || value == u32::MAX);
}

#[test]
fn table_grows_over_its_segments_and_keeps_what_is_there() {
    let table = Table::<usize>::default();
    let values: Vec<_> = (0..1200)
        .map(|n| table.insert(n).expect("there is space"))
        .collect();
    assert_eq!(table.len(), 1200);
    let pin = table.pin();
    for (n, &value) in values.iter().enumerate() {
        assert_eq!(table.get(value, &pin).map(|entry| **entry), Some(n));
    }
}

#[test]
fn full_table_gives_the_content_back_and_takes_it_after_a_removal() {
    let table = small();
    let values: Vec<_> = (0..8).map(|n| table.insert(n).expect("space")).collect();
    assert_eq!(table.insert(8), Err(Full(8)));
    let pin = table.pin();
    assert_eq!(table.remove(values[3], &pin).map(|entry| **entry), Some(3));
    assert_eq!(table.len(), 7);
    let value = table.insert(8).expect("one slot is free");
    assert_eq!(table.insert(9), Err(Full(9)));
    assert_eq!(table.get(value, &pin).map(|entry| **entry), Some(8));
}

#[test]
fn slot_in_use_again_has_another_value_and_the_old_one_is_not_found() {
    let table = small();
    let old: Vec<_> = (0..8).map(|n| table.insert(n).expect("space")).collect();
    let pin = table.pin();
    for &value in &old {
        assert!(table.remove(value, &pin).is_some());
    }
    let new: Vec<_> = (0..8).map(|n| table.insert(n).expect("space")).collect();
    assert!(old.iter().all(|value| !new.contains(value)));
    assert!(old.iter().all(|&value| table.get(value, &pin).is_none()));
}

#[test]
fn value_of_a_lone_handle_does_not_come_back_soon() {
    let table = Table::default();
    let mut seen = HashSet::new();
    // Half a segment of slots takes turns.
    for _ in 0..100_000 {
        let value = table.insert(()).expect("there is space");
        assert!(seen.insert(value), "seen before");
        assert!(table.remove(value, &table.pin()).is_some());
    }
}

#[test]
fn slots_are_used_again_in_the_order_in_which_they_were_freed() {
    let table = small();
    let old: Vec<_> = (0..8).map(|n| table.insert(n).expect("space")).collect();
    let pin = table.pin();
    let slot = |value| table.codec.decode(value).index(8);
    for place in [5, 2, 7] {
        assert!(table.remove(old[place], &pin).is_some());
    }
    for place in [5, 2, 7] {
        let value = table.insert(0).expect("a slot is free");
        assert_eq!(slot(value), slot(old[place]));
    }
}

#[test]
fn removed_entry_lives_as_long_as_the_pin_and_is_dropped_once() {
    let alive = Arc::new(AtomicUsize::new(0));
    let table = small();
    let value = table.insert(Counted::new(&alive)).expect("space");
    let pin = table.pin();
    let entry = table.remove(value, &pin).expect("it is open");
    reclaim_soon();
    assert_eq!(entry.0.load(Ordering::Relaxed), 1);
    drop(pin);
    // Other tests may be pinned: then it takes a little longer.
    while alive.load(Ordering::Relaxed) != 0 {
        reclaim_soon();
        thread::yield_now();
    }
}

#[test]
fn dropped_table_drops_what_is_in_it() {
    let alive = Arc::new(AtomicUsize::new(0));
    let table = small();
    for _ in 0..5 {
        table.insert(Counted::new(&alive)).expect("space");
    }
    drop(table);
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

#[test]
fn many_threads_insert_find_and_remove_and_leak_nothing() {
    const THREADS: usize = 4;
    const ROUNDS: usize = if cfg!(miri) { 50 } else { 20_000 };
    let alive = Arc::new(AtomicUsize::new(0));
    let table = Arc::new(Table::<Counted>::default());
    // Values that all threads see, to look up and to close under each other's hands.
    let shared: Arc<[AtomicUsize; 8]> = Arc::new(Default::default());
    let work = |seed: usize| {
        let (table, shared, alive) = (Arc::clone(&table), Arc::clone(&shared), Arc::clone(&alive));
        move || {
            let mut closed = 0;
            for round in 0..ROUNDS {
                let value = table.insert(Counted::new(&alive)).expect("space");
                let place = &shared[(round * 7 + seed) % shared.len()];
                let old = place.swap(value as usize, Ordering::Relaxed) as u32;
                let pin = table.pin();
                for place in &*shared {
                    let value = place.load(Ordering::Relaxed) as u32;
                    if let Some(entry) = table.get(value, &pin) {
                        assert_eq!(entry.value(), value);
                        assert_ne!(entry.0.load(Ordering::Relaxed), 0);
                    }
                }
                // Sometimes one that somebody else may close too.
                let other = shared[round % shared.len()].load(Ordering::Relaxed) as u32;
                for value in [old, other] {
                    closed += usize::from(table.remove(value, &pin).is_some());
                }
            }
            closed
        }
    };
    let threads: Vec<_> = (0..THREADS).map(|n| thread::spawn(work(n))).collect();
    let closed: usize = threads
        .into_iter()
        .map(|thread| thread.join().expect("no panic"))
        .sum();
    assert_eq!(table.len(), THREADS * ROUNDS - closed);
    assert!(table.len() <= shared.len());
    drop(Arc::into_inner(table));
    while alive.load(Ordering::Relaxed) != 0 {
        reclaim_soon();
        thread::yield_now();
    }
}

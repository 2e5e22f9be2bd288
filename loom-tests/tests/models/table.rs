//! Handles are looked up, inserted and closed.

use std::rc::Rc;

use loom::sync::{Condvar, Mutex};
use loom::thread;
use zocket_loom_tests::{LoomProcess, Payload, Rules, claim};

/// One slot, so that it is used again at once.
type Table = zocket::protocol::local::Table<Payload, LoomProcess, 1, 1>;

fn table(rules: Rules) -> Rc<Table> {
    Rc::new(Table::new(LoomProcess::new(rules), 0))
}

/// Inserts, into the only slot.
fn insert(table: &Table, content: u32) -> u32 {
    let inserted = table.insert(Payload::new(content));
    inserted.expect("the slot is free")
}

/// Closes; whether it was this thread that did.
fn close(table: &Table, value: u32) -> bool {
    table.remove(value, &table.pin()).is_some()
}

/// What is found is as it was, even while somebody else closes it.
fn look_up_meets_a_close(rules: Rules) {
    let table = table(rules);
    let value = insert(&table, 7);
    let theirs = Rc::clone(&table);
    let closer = thread::spawn(move || claim!(close(&theirs, value), "nobody else closes"));
    let pin = table.pin();
    if let Some(entry) = table.get(value, &pin) {
        claim!(entry.get() == 7, "found {}", entry.get());
    }
    drop(pin);
    closer.join().expect("the closer ends");
    claim!(
        table.get(value, &table.pin()).is_none(),
        "found when closed"
    );
}

/// The first insertion, which makes the segment, meets somebody who guessed the value.
fn look_up_meets_an_insertion(rules: Rules) {
    const VALUE: u32 = 3;
    let table = table(rules);
    let theirs = Rc::clone(&table);
    let inserter = thread::spawn(move || {
        claim!(
            insert(&theirs, 7) == VALUE,
            "the first value is another one"
        );
    });
    let pin = table.pin();
    if let Some(entry) = table.get(VALUE, &pin) {
        claim!(entry.get() == 7, "found {}", entry.get());
    }
    inserter.join().expect("the inserter ends");
    claim!(table.get(VALUE, &pin).is_some(), "not found when inserted");
}

/// One of two closers gets the entry, and may look at it.
fn two_closers_have_one_winner(rules: Rules) {
    let table = table(rules);
    let value = insert(&table, 7);
    let close = move |table: &Table| {
        let pin = table.pin();
        let removed = table.remove(value, &pin);
        removed.is_some_and(|entry| entry.get() == 7)
    };
    let theirs = Rc::clone(&table);
    let other = thread::spawn(move || close(&theirs));
    let wins = u32::from(close(&table)) + u32::from(other.join().expect("the other ends"));
    claim!(wins == 1, "{wins} closers won");
    claim!(table.is_empty(), "a slot was lost or freed twice");
}

/// The slot is used again while somebody looks up the old value.
fn old_value_meets_a_slot_in_use_again(rules: Rules) {
    let table = table(rules);
    let old = insert(&table, 1);
    let theirs = Rc::clone(&table);
    let other = thread::spawn(move || {
        claim!(close(&theirs, old), "nobody else closes");
        insert(&theirs, 2)
    });
    let pin = table.pin();
    if let Some(entry) = table.get(old, &pin) {
        claim!(entry.get() == 1, "found {}", entry.get());
    }
    drop(pin);
    let new = other.join().expect("the other ends");
    claim!(new != old, "the value came back");
}

/// The slot is used again while somebody closes the old value.
fn late_close_spares_the_slots_next_handle(rules: Rules) {
    let table = table(rules);
    let old = insert(&table, 1);
    let theirs = Rc::clone(&table);
    let other = thread::spawn(move || {
        let won = close(&theirs, old);
        let new = theirs.insert(Payload::new(2));
        (won, new)
    });
    let won = close(&table, old);
    let (other_won, new) = other.join().expect("the other ends");
    claim!(won != other_won, "both closed, or none");
    if let Ok(new) = new {
        let pin = table.pin();
        let entry = table.get(new, &pin);
        claim!(entry.is_some_and(|entry| entry.get() == 2), "not found");
    }
}

/// Who waits on an object, by the value of the handle.
#[derive(Debug, Default)]
struct Waiters {
    list: Mutex<Vec<u32>>,
    changed: Condvar,
}

impl Waiters {
    /// Joins; then either leaves again, because the handle was closed, or sleeps until
    /// it is cancelled.
    fn wait(&self, table: &Table, value: u32) {
        if table.get(value, &table.pin()).is_none() {
            return;
        }
        self.list.lock().expect("loom does not poison").push(value);
        let open = table.is_open(value);
        let mut list = self.list.lock().expect("loom does not poison");
        if !open {
            return list.retain(|&waiting| waiting != value);
        }
        while list.contains(&value) {
            list = self.changed.wait(list).expect("loom does not poison");
        }
    }

    /// Closes, then cancels who waits.
    fn close(&self, table: &Table, value: u32) {
        claim!(close(table, value), "nobody else closes");
        let mut list = self.list.lock().expect("loom does not poison");
        list.retain(|&waiting| waiting != value);
        self.changed.notify_all();
    }
}

/// Nobody waits on a closed handle for ever.
fn close_meets_a_waiter_that_joins(rules: Rules) {
    let table = table(rules);
    let waiters = Rc::new(Waiters::default());
    let value = insert(&table, 7);
    let (their_table, theirs) = (Rc::clone(&table), Rc::clone(&waiters));
    let closer = thread::spawn(move || theirs.close(&their_table, value));
    waiters.wait(&table, value);
    closer.join().expect("the closer ends");
    let list = waiters.list.lock().expect("loom does not poison");
    claim!(list.is_empty(), "a waiter stayed on the list");
}

models! { local:
    look_up_meets_a_close, None;
    relaxed []
    dropped []
    skipped [AwaitPinned Race]

    look_up_meets_an_insertion, None;
    relaxed [
        PublishEntry Race, FindEntry Race, PublishSegment Race, FindSegment Race
    ]
    dropped []
    skipped []

    two_closers_have_one_winner, None;
    relaxed []
    dropped []
    skipped [AwaitPinned Race]

    old_value_meets_a_slot_in_use_again, None;
    relaxed [PublishEntry Race, FindEntry Race]
    dropped []
    skipped [CompareValue Claim, AwaitPinned Race]

    late_close_spares_the_slots_next_handle, None;
    relaxed []
    dropped []
    skipped [CompareValue Claim, AwaitPinned Race]

    close_meets_a_waiter_that_joins, None;
    relaxed []
    dropped []
    skipped [RecheckEntry Deadlock, AwaitPinned Race]
}

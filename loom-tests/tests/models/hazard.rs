//! Look-ups say what they guard, and are not pinned, while handles are closed.
//!
//! In symmetric mode they are pinned, and the models check little more than that.

use std::rc::Rc;

use loom::thread;
use zocket::protocol::local::Platform;
use zocket_loom_tests::{LoomProcess, Payload, Rules, claim};

type Table = zocket::protocol::local::Table<Payload, LoomProcess, 1, 2>;

/// A process whose first thread may guard entries.
fn process(rules: Rules) -> (LoomProcess, Rc<Table>) {
    let process = LoomProcess::new(rules);
    process.hazards().enlist(&process);
    let table = Rc::new(Table::new(process.clone(), 0));
    (process, table)
}

fn insert(table: &Table, content: u32) -> u32 {
    let inserted = table.insert(Payload::new(content));
    inserted.expect("there is space")
}

/// Closes; whether it was this thread that did.
fn close(table: &Table, value: u32) -> bool {
    table.remove(value, &table.pin()).is_some()
}

/// A thread that closes.
fn closer(table: &Rc<Table>, value: u32) -> thread::JoinHandle<bool> {
    let table = Rc::clone(table);
    thread::spawn(move || close(&table, value))
}

/// Looks up, if it is open, and sees what was put there.
fn look_up(table: &Table, value: u32, content: u32) {
    table.with(value, (), |entry| {
        claim!(entry.get() == content, "found {}", entry.get());
    });
}

/// All threads have ended their calls.
fn claim_freed(process: &LoomProcess, count: usize) {
    claim!(
        process.freed() == count,
        "{} of {count} freed",
        process.freed()
    );
}

/// What is guarded is not freed, and is freed later.
fn guarded_look_up_meets_a_close(rules: Rules) {
    let (process, table) = process(rules);
    let value = insert(&table, 7);
    let closer = closer(&table, value);
    look_up(&table, value, 7);
    claim!(closer.join().expect("the closer ends"), "not closed");
    claim_freed(&process, 1);
}

/// The next entry is guarded while the one before is closed.
fn guard_of_the_next_entry_meets_a_close(rules: Rules) {
    let (process, table) = process(rules);
    let (value, next) = (insert(&table, 1), insert(&table, 2));
    let closer = closer(&table, value);
    look_up(&table, value, 1);
    look_up(&table, next, 2);
    claim!(closer.join().expect("the closer ends"), "not closed");
    claim_freed(&process, 1);
}

/// A call within a call: both entries stay.
fn look_up_within_a_look_up_meets_a_close(rules: Rules) {
    let (process, table) = process(rules);
    let (outer, inner) = (insert(&table, 1), insert(&table, 2));
    let closer = closer(&table, outer);
    table.with(outer, (), |entry| {
        look_up(&table, inner, 2);
        claim!(entry.get() == 1, "found {}", entry.get());
    });
    claim!(closer.join().expect("the closer ends"), "not closed");
    claim_freed(&process, 1);
}

/// Two threads guard what one of them closes.
fn handle_is_closed_within_its_own_look_up(rules: Rules) {
    let (process, table) = process(rules);
    let value = insert(&table, 7);
    let (their_process, theirs) = (process.clone(), Rc::clone(&table));
    let other = thread::spawn(move || {
        their_process.hazards().enlist(&their_process);
        look_up(&theirs, value, 7);
    });
    table.with(value, (), |entry| {
        claim!(close(&table, value), "nobody else closes");
        claim!(entry.get() == 7, "found {}", entry.get());
    });
    other.join().expect("the other ends");
    claim_freed(&process, 1);
}

/// Two close what a third one guards: one does.
fn two_closers_meet_a_guarded_look_up(rules: Rules) {
    let (process, table) = process(rules);
    let value = insert(&table, 7);
    let closers = [closer(&table, value), closer(&table, value)];
    look_up(&table, value, 7);
    let won = closers.map(|closer| u32::from(closer.join().expect("the closer ends")));
    claim!(won[0] + won[1] == 1, "both closed, or none");
    claim_freed(&process, 1);
}

/// Two close what a third one looks up, one after the other.
fn two_closes_meet_guarded_look_ups(rules: Rules) {
    let (process, table) = process(rules);
    let (first, second) = (insert(&table, 1), insert(&table, 2));
    let closers = [closer(&table, first), closer(&table, second)];
    look_up(&table, first, 1);
    look_up(&table, second, 2);
    for closer in closers {
        claim!(closer.join().expect("the closer ends"), "not closed");
    }
    claim_freed(&process, 2);
}

/// A thread ends its last call, and then itself.
fn close_meets_a_thread_that_ends(rules: Rules) {
    let (process, table) = process(rules);
    let value = insert(&table, 7);
    let closer = closer(&table, value);
    look_up(&table, value, 7);
    process.end_thread();
    claim!(closer.join().expect("the closer ends"), "not closed");
    look_up(&table, value, 7);
    claim_freed(&process, 1);
}

/// The fence of the remover is refused: nothing that may be guarded is freed, and
/// after the next calls it is.
fn refused_fence_keeps_what_is_guarded(rules: Rules) {
    let (process, table) = process(rules);
    let value = insert(&table, 7);
    let other = insert(&table, 8);
    process.refuse_fences();
    let (their_process, theirs) = (process.clone(), Rc::clone(&table));
    let closer = thread::spawn(move || {
        their_process.hazards().enlist(&their_process);
        claim!(close(&theirs, value), "nobody else closes");
        look_up(&theirs, other, 8);
    });
    look_up(&table, value, 7);
    closer.join().expect("the closer ends");
    look_up(&table, other, 8);
    claim_freed(&process, 1);
}

models! { local:
    guarded_look_up_meets_a_close, Some(4);
    relaxed [Unguard Race, ObserveGuard Race]
    dropped [
        GuardThenCheck Race, RemoveThenScan Race, UnguardThenCheck Claim, AskThenScan Claim
    ]
    skipped [CheckAfterGuard Claim, AwaitGuards Race, AnswerAsked Claim]

    guard_of_the_next_entry_meets_a_close, Some(3);
    relaxed [Guard Race]
    dropped []
    skipped []

    look_up_within_a_look_up_meets_a_close, Some(3);
    relaxed []
    dropped []
    skipped [GuardOne Race]

    handle_is_closed_within_its_own_look_up, Some(3);
    relaxed []
    dropped []
    skipped [AwaitGuards Claim, AnswerAsked Claim]

    two_closers_meet_a_guarded_look_up, Some(2);
    relaxed []
    dropped []
    skipped [AwaitGuards Race, AnswerAsked Claim]

    two_closes_meet_guarded_look_ups, Some(2);
    relaxed []
    dropped []
    skipped [AwaitGuards Race, AnswerAsked Claim]

    close_meets_a_thread_that_ends, Some(3);
    relaxed []
    dropped []
    skipped [AwaitGuards Race]

    refused_fence_keeps_what_is_guarded, Some(3);
    relaxed []
    dropped []
    skipped [KeepUnfenced Race, StopGuarding Claim]
}

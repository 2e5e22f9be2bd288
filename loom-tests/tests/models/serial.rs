//! The lock of a direction, which has an owner until others come.
//!
//! In symmetric mode it is a mutex from the start.

use std::rc::Rc;

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use zocket_loom_tests::{LoomProcess, Payload, Rules, claim};

type Serial = zocket::protocol::local::Serial<Payload, LoomProcess>;

fn serial(rules: Rules) -> (LoomProcess, Rc<Serial>) {
    let process = LoomProcess::new(rules);
    let mode = process.mode();
    let serial = Serial::with_platform(process.clone(), Payload::new(0), mode);
    (process, Rc::new(serial))
}

/// Goes in, adds one, and leaves; whether it was let in.
fn try_add(serial: &Serial) -> bool {
    let added = serial.lock().map(|guarded| guarded.set(guarded.get() + 1));
    added.is_ok()
}

fn add(serial: &Serial) {
    claim!(try_add(serial), "refused");
}

fn sum(serial: &Serial) -> u32 {
    let sum = serial.lock().map(|guarded| guarded.get());
    claim!(sum.is_ok(), "refused");
    sum.unwrap_or(0)
}

/// A thread that adds `times` times.
fn adder(serial: &Rc<Serial>, times: usize) -> thread::JoinHandle<()> {
    let serial = Rc::clone(serial);
    thread::spawn(move || (0..times).for_each(|_| add(&serial)))
}

/// Nobody is the owner yet.
fn two_first_users_meet(rules: Rules) {
    let (_, serial) = serial(rules);
    let other = adder(&serial, 1);
    add(&serial);
    other.join().expect("the other ends");
    claim!(sum(&serial) == 2, "an addition was lost");
}

/// The owner goes in while another thread ends its ownership.
fn owner_entering_meets_another_thread(rules: Rules) {
    let (_, serial) = serial(rules);
    add(&serial);
    let other = adder(&serial, 1);
    add(&serial);
    other.join().expect("the other ends");
    claim!(sum(&serial) == 3, "an addition was lost");
}

/// The owner leaves while another thread goes to sleep until it does.
fn owner_leaving_meets_a_thread_going_to_sleep(rules: Rules) {
    let (_, serial) = serial(rules);
    let guarded = serial.lock().expect("nobody else is the owner");
    let other = adder(&serial, 1);
    guarded.set(guarded.get() + 1);
    drop(guarded);
    add(&serial);
    other.join().expect("the other ends");
    claim!(sum(&serial) == 3, "an addition was lost");
}

/// The next owner uses its ownership, and the former one takes it back.
fn ownership_goes_there_and_back(rules: Rules) {
    let (_, serial) = serial(rules);
    add(&serial);
    let other = adder(&serial, 2);
    add(&serial);
    add(&serial);
    other.join().expect("the other ends");
    claim!(sum(&serial) == 5, "an addition was lost");
}

/// A former owner that is late must not make the next one look as if it had left.
fn late_owner_does_not_speak_for_the_next(rules: Rules) {
    let (_, serial) = serial(rules);
    add(&serial);
    let others = [adder(&serial, 1), adder(&serial, 1)];
    add(&serial);
    for other in others {
        other.join().expect("the other ends");
    }
    claim!(sum(&serial) == 4, "an addition was lost");
}

/// Each change of hands uses up a seat; with none left the lock is a mutex.
fn last_owner_meets_another_thread(rules: Rules) {
    let (_, serial) = serial(rules);
    // The others first, so that this thread sits in the last seat.
    for _ in 0..3 {
        adder(&serial, 1).join().expect("the other ends");
    }
    add(&serial);
    let other = adder(&serial, 2);
    add(&serial);
    add(&serial);
    other.join().expect("the other ends");
    claim!(sum(&serial) == 8, "an addition was lost");
}

/// The fence that ends an ownership is refused: the owner never notices.
fn refused_fence_leaves_the_owner_in_place(rules: Rules) {
    let (process, serial) = serial(rules);
    add(&serial);
    process.refuse_fences();
    let theirs = Rc::clone(&serial);
    let other = thread::spawn(move || try_add(&theirs));
    add(&serial);
    add(&serial);
    let added = other.join().expect("the other ends");
    claim!(sum(&serial) == 3 + u32::from(added), "an addition was lost");
}

/// A thread that settles waits for a call that is under way, and goes on when that is over.
fn settling_meets_a_call_under_way(rules: Rules) {
    let (_, serial) = serial(rules);
    let guarded = serial.lock().expect("nobody else is the owner");
    let over = Rc::new(AtomicU32::new(0));
    let (theirs, seen) = (Rc::clone(&serial), Rc::clone(&over));
    let other = thread::spawn(move || {
        claim!(theirs.settle().is_ok(), "refused");
        // Relaxed: the lock orders it.
        claim!(seen.load(Ordering::Relaxed) == 1, "the call goes on");
    });
    guarded.set(guarded.get() + 1);
    over.store(1, Ordering::Relaxed);
    drop(guarded);
    add(&serial);
    other.join().expect("the other ends");
    claim!(sum(&serial) == 2, "an addition was lost");
}

models! { local:
    settling_meets_a_call_under_way, Some(3);
    relaxed [Leave Claim, ObserveLeft Claim]
    dropped [LeaveThenCheck Deadlock, RevokeThenLook Deadlock]
    skipped [AwaitOwner Claim, WakeAfterLeave Deadlock]

    two_first_users_meet, None;
    relaxed [Leave Race, ObserveLeft Race]
    dropped [LeaveThenCheck Deadlock, RevokeThenLook Deadlock]
    skipped [AwaitOwner Race, WakeAfterLeave Deadlock]

    owner_entering_meets_another_thread, Some(3);
    relaxed [Leave Race, ObserveLeft Race]
    dropped [EnterThenCheck Race, RevokeThenLook Race]
    skipped [CheckAfterEnter Race, AwaitOwner Race]

    owner_leaving_meets_a_thread_going_to_sleep, Some(3);
    relaxed [Leave Race, ObserveLeft Race]
    dropped [LeaveThenCheck Deadlock, RevokeThenLook Deadlock]
    skipped [AwaitOwner Race, WakeAfterLeave Deadlock]

    ownership_goes_there_and_back, Some(3);
    relaxed [Leave Race, ObserveLeft Race]
    dropped [EnterThenCheck Race, LeaveThenCheck Deadlock, RevokeThenLook Race]
    skipped [CheckAfterEnter Race, AwaitOwner Race]

    late_owner_does_not_speak_for_the_next, Some(2);
    relaxed [Leave Race]
    dropped [RevokeThenLook Race]
    skipped [OwnSeat Deadlock, CheckAfterEnter Race]

    last_owner_meets_another_thread, Some(3);
    relaxed [Leave Race, ObserveLeft Race]
    dropped [EnterThenCheck Race, LeaveThenCheck Deadlock, RevokeThenLook Race]
    skipped [CheckAfterEnter Race, AwaitOwner Race]

    refused_fence_leaves_the_owner_in_place, Some(3);
    relaxed []
    dropped []
    skipped [ReinstateOwner Claim]
}

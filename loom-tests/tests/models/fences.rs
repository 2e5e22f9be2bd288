//! The fences themselves, on bare words: what a pair of them promises, and that
//! the model of asymmetric fences promises no more.

use loom::thread;
use zocket::Kind;
use zocket::protocol::{Fence, Memory, Site, Word32};
use zocket_loom_tests::{Endpoint, Failure, Fencing, Lane, Model, Rules, claim, explore};

/// Stores to one word, passes a fence, looks at the other word.
fn store_then_load(lane: &Lane, store: Word32, fence: impl FnOnce(&Lane), load: Word32) -> u32 {
    lane.store32(store, 1, Site::Arm);
    fence(lane);
    lane.load32(load, Site::LookForWaiter)
}

fn light(lane: &Lane) {
    lane.light_fence(Fence::PublishThenLook);
}

fn heavy(lane: &Lane) {
    lane.heavy_fence(Fence::ArmThenCheck).expect("granted");
}

/// Two threads store and look: with `here` and `there` between, one sees the other.
fn do_not_both_miss(rules: Rules, here: fn(&Lane), there: fn(&Lane)) {
    const WORDS: [Word32; 2] = [Word32::ConsumerWaiter, Word32::ProducerWaiter];
    let (ours, theirs) = Endpoint::one_way(rules, Kind::Stream, 2, 0);
    let other = thread::spawn(move || store_then_load(&theirs, WORDS[0], there, WORDS[1]));
    let seen = store_then_load(&ours, WORDS[1], here, WORDS[0]);
    let seen_there = other.join().expect("the other ends");
    claim!(seen + seen_there > 0, "each missed the other");
}

/// A waiter and a publisher.
fn heavy_and_light_fence_do_not_both_miss(rules: Rules) {
    do_not_both_miss(rules, heavy, light);
}

/// Two waiters, one at each end.
fn two_heavy_fences_do_not_both_miss(rules: Rules) {
    do_not_both_miss(rules, heavy, heavy);
}

/// Fails with asymmetric fences, and so is no model of the protocol.
fn two_light_fences_do_not_both_miss(rules: Rules) {
    do_not_both_miss(rules, light, light);
}

/// A relaxed message passed between two light fences, which would be an acquire and
/// a release fence if they were fences at all. Fails with asymmetric fences.
fn two_light_fences_pass_a_message(rules: Rules) {
    let (producer, consumer) = Endpoint::one_way(rules, Kind::Stream, 2, 0);
    let writer = thread::spawn(move || {
        producer.copy_in(0, &[1]);
        light(&producer);
        producer.store32(Word32::Writing, 1, Site::BeginWrite);
    });
    if consumer.load32(Word32::Writing, Site::CheckFlags) == 1 {
        light(&consumer);
        consumer.copy_out(0, &mut [0]);
    }
    writer.join().expect("the writer ends");
}

fn failure_of(run: fn(Rules), fencing: Fencing) -> Option<Failure> {
    let model = Model {
        name: "two light fences",
        preemptions: None,
        run,
        twins: &[],
    };
    let rules = Rules {
        fencing,
        weakening: None,
        full_fences: 0,
    };
    explore(&model, rules)
        .err()
        .and_then(|report| report.failure)
}

#[test]
fn two_light_fences_promise_nothing_in_asymmetric_mode() {
    for (run, failure) in [
        (
            two_light_fences_do_not_both_miss as fn(Rules),
            Failure::Claim,
        ),
        (two_light_fences_pass_a_message, Failure::Race),
    ] {
        assert_eq!(failure_of(run, Fencing::Asymmetric), Some(failure));
        assert_eq!(failure_of(run, Fencing::Symmetric), None);
    }
}

models! {
    heavy_and_light_fence_do_not_both_miss, None;
    relaxed []
    dropped [ArmThenCheck Claim, PublishThenLook Claim]
    skipped []

    two_heavy_fences_do_not_both_miss, None;
    relaxed []
    dropped [ArmThenCheck Claim]
    skipped []
}

//! All calls in this process.

use crate::coverage::Wanted;
use crate::engine::Engine;
use crate::harness::{Plan, check};
use crate::ops::Setting;
use crate::reference::{CAPACITY, Reference};

/// A million calls.
const PLAN: Plan = Plan {
    name: "in_process",
    cases: 4_000,
    setting: Setting {
        processes: 1,
        steps: 256,
        capacity: CAPACITY,
    },
    wanted: Wanted {
        rarity: 50_000,
        unreachable: &[],
    },
};

#[test]
fn engine_answers_a_million_calls_as_the_reference_does() {
    check(PLAN, Engine::default);
}

/// The sequences themselves: valid without an engine, and wide.
#[test]
fn reference_agrees_with_itself_under_other_handles_and_koids() {
    let plan = Plan {
        name: "reference",
        ..PLAN
    };
    check(plan, || Reference::new(0x0BAD_5EED));
}

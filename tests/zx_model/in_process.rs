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
        passing: false,
        steps: 256,
        capacity: CAPACITY,
    },
    wanted: Wanted {
        rarity: 50_000,
        unreachable: &[
            "pass: ZX_OK",
            "pass: ZX_ERR_BAD_HANDLE",
            "pass: ZX_ERR_WRONG_TYPE",
            "pass: ZX_ERR_ACCESS_DENIED",
            "pass: ZX_ERR_BAD_STATE",
            "PassedWithData",
            "PassedOrphan",
            "PassedDisabled",
            "PassedWithThreshold",
            "PassedWithUserSignals",
        ],
    },
};

#[test]
fn engine_answers_a_million_calls_as_the_reference_does() {
    check(PLAN, Engine::default);
}

/// Also with endpoints that leave the process and come back to it: their peers cannot tell
/// them from those of other processes.
const PASSING: Plan = Plan {
    name: "in_process_passing",
    cases: 1_000,
    setting: Setting {
        passing: true,
        ..PLAN.setting
    },
    wanted: Wanted {
        rarity: 100_000,
        unreachable: &[],
    },
};

#[test]
fn engine_that_passes_endpoints_to_itself_answers_as_the_reference_does() {
    check(PASSING, Engine::default);
}

/// The sequences themselves: valid without an engine, and wide.
#[test]
fn reference_agrees_with_itself_under_other_handles_and_koids() {
    let plan = Plan {
        name: "reference",
        cases: 4_000,
        ..PASSING
    };
    check(plan, || Reference::new(0x0BAD_5EED));
}

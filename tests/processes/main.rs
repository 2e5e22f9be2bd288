//! The crate between real processes, and against a kernel that refuses.
//!
//! Children are this test binary, executed again (see `support_processes`).
//!
//! - `ZOCKET_SEED`: the seed of all random choices; printed by every run.
//! - `ZOCKET_KILL_ROUNDS`: rounds of the kill tests together, 200 if not set.
//! - `ZOCKET_QUIET_SECONDS`: for how long a blocked reader is watched for signs of
//!   life, 2 if not set.

#[path = "../support_processes/mod.rs"]
mod support_processes;

mod bulk;
mod envelope;
mod fork;
mod inherit;
mod kill;
mod leaks;
mod orphans;
mod pass;
mod ports;
mod refusals;
mod signals;
mod waiting;

use support_processes::control::Role;

/// What a child of any test here can be.
const ROLES: &[&[Role]] = &[
    bulk::ROLES,
    envelope::ROLES,
    fork::ROLES,
    inherit::ROLES,
    kill::ROLES,
    leaks::ROLES,
    orphans::ROLES,
    pass::ROLES,
    ports::ROLES,
    refusals::ROLES,
    signals::ROLES,
    waiting::ROLES,
];

/// Not a test: where a child begins. Does nothing in the test process itself.
#[test]
fn child_entry() {
    support_processes::control::run_role(&ROLES.concat());
}

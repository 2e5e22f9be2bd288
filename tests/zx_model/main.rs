//! The calls of `zocket::zx` against a small sequential reference, in random sequences.
//!
//! After every call its status, everything that it wrote, and all signals of all objects
//! are compared. `harness.rs` says which variables set seed and amount, and how a printed
//! sequence is replayed.

#[path = "../support_processes/mod.rs"]
mod support_processes;

mod answers;
mod calls;
mod compare;
mod content;
mod coverage;
mod engine;
mod harness;
mod in_process;
mod mutants;
mod ops;
mod reference;
mod remote;
mod sequence;
mod system;
mod text;
mod two_processes;

/// Not a test: where a child begins. Does nothing in the test process itself.
#[test]
fn child_entry() {
    support_processes::control::run_role(remote::ROLES);
}

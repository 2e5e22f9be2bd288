//! The zocket protocol over loom's memory: every interleaving, every stale value.
//!
//! The protocol is generic over [`Memory`](zocket::protocol::Memory), so what is
//! checked here is the shipped code, not a copy. This crate supplies a memory
//! of [loom](https://docs.rs/loom) atomics and cells ([`LoomMemory`]), a
//! modelled futex, a modelled doorbell, and both kinds of fence ([`Fencing`]). What is
//! local to a process runs over [`LoomProcess`], with a modelled reclamation.
//! The models are in `tests/models`, one file for each theme.
//!
//! A model earns trust by failing. Each one has *twins*: the same run with one
//! access [relaxed](Weakening::Relax), one fence [dropped](Weakening::Drop) or one
//! step [skipped](Weakening::Skip). A twin must fail, and in the expected way
//! ([`Failure`]); if it does not, either the model is too weak to see the
//! difference or the protocol does more than it needs to.
//!
//! ```text
//! cargo test -p zocket-loom-tests
//! ```
//!
//! When a model fails:
//!
//! 1. Read the trace printed with the report: every access of the failing
//!    execution in the order in which loom ran it, with the thread, the site and the
//!    value. A load that returns an old value is the usual culprit.
//! 2. Run that one model alone with `LOOM_LOCATION=1` for the source lines of a
//!    data race or a deadlock, and with a smaller `LOOM_MAX_PREEMPTIONS`: the
//!    smallest number that still fails gives the shortest story.

mod check;
mod doorbell;
mod endpoint;
mod fences;
mod futex;
mod gate;
mod memory;
mod process;
mod reclamation;
mod rules;
mod trace;

pub use check::{Failure, Model, Twin, explore, must_fail, must_hold};
pub use doorbell::Doorbell;
pub use endpoint::{Endpoint, Lane, ReaderExt, WriterExt};
pub use memory::LoomMemory;
pub use process::{LoomProcess, Payload};
pub use rules::{Fencing, Rules, Weakening};

/// States a property: the model fails here, and is seen to fail for this reason
/// and no other, if it does not hold.
#[macro_export]
macro_rules! claim {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            panic!("{} {}", $crate::BROKEN_CLAIM, format_args!($($text)+));
        }
    };
}

/// How the message of a broken [`claim!`] begins.
#[doc(hidden)]
pub const BROKEN_CLAIM: &str = "claim broken:";

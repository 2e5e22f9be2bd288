//! What the kernel is asked for: memory that travels ([`region`]), sleep and
//! wake-up ([`futex`], [`membarrier`]), a descriptor that shows life and death
//! ([`doorbell`], [`hangup`]), one that shows a flag of our own ([`eventfd`]), the passing
//! of descriptors ([`fdpass`]), and a wait for one of them ([`poll`]).
//!
//! `nix` makes the calls that it has; `futex` and `membarrier` are raw.

pub(crate) mod deadline;
pub(crate) mod doorbell;
pub(crate) mod eventfd;
pub(crate) mod fdpass;
pub(crate) mod fork;
pub(crate) mod futex;
pub(crate) mod hangup;
pub(crate) mod koid;
pub(crate) mod membarrier;
pub(crate) mod poll;
pub(crate) mod prefetch;
pub(crate) mod region;
pub(crate) mod visit;

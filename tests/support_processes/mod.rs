//! Child processes for the tests: the test binary, executed again with a role.
//!
//! A child does what its role says and exits; a panic makes its exit status one
//! that [`Process::finish`] refuses. Nothing here waits by sleeping, and no child
//! has a timeout: a wake-up that gets lost hangs the test, which is the finding.

#![allow(
    dead_code,
    reason = "each test binary uses another part of this module"
)]

pub(crate) mod control;
pub(crate) mod endpoint;
pub(crate) mod fds;
pub(crate) mod observe;
pub(crate) mod pattern;
pub(crate) mod rng;

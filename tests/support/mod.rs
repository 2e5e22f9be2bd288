//! What the integration tests share: memories for the protocol core, one honest
//! and one hostile, and descriptors for the public interface.

#![allow(dead_code, reason = "each test binary uses its part of this")]

pub(crate) mod descriptors;
pub(crate) mod heap;
pub(crate) mod hostile;

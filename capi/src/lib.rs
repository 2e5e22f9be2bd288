//! The C interface of zocket: the calls of `engine::zx` as C functions, in `libzocket.so`
//! and `libzocket.a`, declared in `include/zocket.h`.
//!
//! This crate adds nothing to what the calls do. It turns C's arguments into Rust's and
//! results into numbers, and it is where the caller's pointers are dealt with:
//!
//! - A pointer for a *result* is judged after the operation, as on Zircon: the bytes are
//!   written, or read and gone, and the caller gets `ZX_ERR_INVALID_ARGS`. A handle that
//!   cannot be delivered is closed again.
//! - No reference to the caller's memory is ever made. It may be unaligned or uninitialised,
//!   and other threads of the caller may look at it: `memory` copies bytes and
//!   nothing else.
//! - No panic leaves: it becomes `ZX_ERR_INTERNAL`.
//!
//! # Pointers
//!
//! What the functions ask of a C caller, and what their `SAFETY` comments call "the caller's
//! promise": every pointer is null or valid for the accesses that the function's description
//! names, for the time of the call. With the feature `checked-pointers` nothing is
//! asked but that the memory holds nothing whose change would surprise somebody else.
//!
//! The doc comments of the functions are written for C programmers: they are copied into the
//! header.

#![allow(
    clippy::missing_safety_doc,
    reason = "said once, above, and in C's terms at the top of the header"
)]

pub mod handle;
pub mod linux;
pub mod object;
pub mod port;
pub mod socket;

mod call;
mod memory;
mod text;

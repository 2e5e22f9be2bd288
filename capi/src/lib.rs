//! The C interface of zocket: the calls of `engine::zx` as C functions, in `libzocket.so`
//! and `libzocket.a`, declared in `include/zocket.h`.
//!
//! This crate adds nothing to what the calls do. It turns C's arguments into Rust's and
//! results into numbers, and it is where the caller's pointers are dealt with:
//!
//! - A pointer for a *result* is judged after the operation, as on Zircon: the bytes are
//!   written, or read and gone, and the caller gets `ZX_ERR_INVALID_ARGS`. A handle that
//!   cannot be delivered is closed again. Where Zircon judges null before, or has no such call,
//!   null is judged before.
//! - No reference to the caller's memory is ever made. It may be unaligned, what is to be
//!   sent may be uninitialised, and other threads of the caller may look at it: `memory` copies
//!   bytes and nothing else.
//! - No panic leaves: it becomes `ZX_ERR_INTERNAL`.
//!
//! # The caller's promise
//!
//! What the functions ask of a C caller, and what their `SAFETY` comments call by this name:
//!
//! - Every pointer is null or valid for the accesses that the function's description
//!   names, for the time of the call. With the feature `checked-pointers` nothing is
//!   asked but that the memory holds nothing whose change would surprise somebody else.
//! - Memory that a call reads *values* from (handles, items, packets, properties; not the bytes to
//!   be sent) is initialised as far as Rust is concerned. What a C program never wrote counts as
//!   that, since no Rust compiler sees where it comes from: every byte has some value when it
//!   gets here. A Rust program that calls these functions has to initialise it.
//! - A descriptor that a call closes is the caller's own, and nobody else closes it, or has
//!   another one made in its place, before the call returns.
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

//! The C interface as C programs see it: header, library, behaviour, examples, installation.
//!
//! Needs `cc`, which Rust itself links with. What is C++ is left out, with a notice,
//! where there is no `c++`.

mod bad_pointers;
mod examples;
mod header;
mod install;
mod sections;
mod support;

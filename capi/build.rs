//! Gives the shared library its versioned name.
//!
//! Nothing is said here about which symbols are exported: rustc hands the linker a version
//! script of its own for a `cdylib`, which keeps everything local but the `no_mangle`
//! functions, and linkers refuse a second one. `tests/c_interface/install.rs` looks.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-cdylib=-Wl,-soname,libzocket.so.0");
}

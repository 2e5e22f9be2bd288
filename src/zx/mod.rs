//! Zircon's socket calls, with its names, statuses and order of checks.
//!
//! What [`Stream`](crate::Stream) and [`Datagram`](crate::Datagram) are to those who
//! write Rust, this is to those who know Zircon: endpoints, events and ports behind 32-bit handles
//! with rights, for any number of threads at once. The C library is a thin shell around it.
//! Each function is named like the system call and does what
//! [its documentation](https://fuchsia.dev/reference/syscalls) says; `docs/zircon.md` tells
//! where and why something differs.
//!
//! - A handle is a number that is valid in this process. Any number of threads may use,
//!   wait on, duplicate and close the same handle at once. Closing cancels the waits made
//!   through it, and never takes away what a call still uses.
//! - Calls do not block, but for [`zx_object_wait_one`], [`zx_object_wait_many`] and
//!   [`zx_port_wait`].
//! - Deadlines are absolute, in nanoseconds on the monotonic clock.
//! - Results that C gets through pointers are return values, or references that may be left out.
//! - Endpoints move between processes as descriptors: [`handle_to_fd`], [`handle_from_fd`]. Rights
//!   go with them.
//!
//! # Examples
//! ```
//! use zocket::zx::*;
//!
//! let (a, b) = zx_socket_create(ZX_SOCKET_STREAM)?;
//! assert_eq!(zx_socket_write(a, 0, b"hello")?, 5);
//! let mut observed = 0;
//! zx_object_wait_one(b, ZX_SOCKET_READABLE, ZX_TIME_INFINITE, Some(&mut observed))?;
//! assert_eq!(observed, ZX_SOCKET_READABLE | ZX_SOCKET_WRITABLE);
//! let mut buf = [0; 8];
//! assert_eq!(zx_socket_read(b, 0, &mut buf)?, 5);
//! zx_handle_close(a)?;
//! assert_eq!(zx_socket_read(b, 0, &mut buf), Err(Status::PEER_CLOSED));
//! zx_handle_close(b)?;
//! # Ok::<(), Status>(())
//! ```

pub(crate) mod count;
mod event;
mod handle;
pub(crate) mod hazard;
mod info;
mod memory;
mod object;
mod port;
mod property;
pub(crate) mod serial;
mod signal;
mod socket;
mod status;
pub(crate) mod sync;
pub(crate) mod table;
mod transfer;
mod types;
mod wait;

pub use event::zx_event_create;
pub use handle::{
    handle_count, zx_handle_check_valid, zx_handle_close, zx_handle_close_many,
    zx_handle_duplicate, zx_handle_replace,
};
pub use info::zx_object_get_info;
pub use memory::{BadAddress, Sink, Source};
pub use port::{
    port_descriptor, zx_port_cancel, zx_port_cancel_key, zx_port_create, zx_port_queue,
    zx_port_wait,
};
pub use property::{zx_object_get_property, zx_object_set_property};
pub use signal::{zx_object_signal, zx_object_signal_peer};
pub use socket::{
    socket_create_with_capacity, zx_socket_create, zx_socket_read, zx_socket_set_disposition,
    zx_socket_shutdown, zx_socket_write,
};
pub use status::{Result, Status};
pub use transfer::{ClaimError, handle_from_fd, handle_to_fd};
pub use types::*;
pub use wait::{zx_object_wait_async, zx_object_wait_many, zx_object_wait_one};

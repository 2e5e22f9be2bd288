//! Zircon's sockets in user space: byte streams and datagrams between Linux processes,
//! over lock-free rings in shared memory.
//!
//! [`Stream::pair`] and [`Datagram::pair`] give two connected endpoints. Each direction is
//! a ring of fixed capacity with one producer and one consumer; the bytes never enter the
//! kernel. When it is full, writers wait or are told so; when it is empty, readers. As long as
//! nobody waits for signals of an endpoint, reading and writing allocate nothing. When the other
//! endpoint is gone, by `drop` or by `kill -9`, what it wrote can still be read, and whoever waits
//! is woken at once.
//!
//! - While both sides are awake, reading and writing make **no system call**, and hold no
//!   locked instruction and no fence (where `membarrier(2)` is allowed; see [`FenceMode`]).
//!   While somebody waits for [signals](#signals) of an endpoint, be it a [`Port`], its reads and
//!   writes take a lock, and may wake whom they concern.
//! - A side that has nothing to do spins for as long as that pays, then sleeps on a
//!   futex. A sleeping endpoint wakes for data, space, the end, or its deadline,
//!   and for nothing else: there are no heartbeats and no periodic checks.
//! - An endpoint is a handle. It has one owner, in one process, and moves to another as
//!   [one file descriptor](Stream#impl-From<Stream>-for-OwnedFd).
//! - The peer is not trusted. It can stop talking or talk nonsense, which gets it
//!   disconnected; it cannot make this side panic, hang, or touch other memory.
//!
//! It does not cross machines, broadcast, or encrypt. The memory holds
//! whatever both processes put there; either can see all of it.
//!
//! # Examples
//! ```
//! use std::io::{Read, Write};
//! use zocket::{Datagram, Stream};
//!
//! let (mut a, mut b) = Stream::pair()?;
//! a.write_all(b"any number of bytes")?;
//! drop(a);
//! let mut all = String::new();
//! b.read_to_string(&mut all)?;
//! assert_eq!(all, "any number of bytes");
//!
//! let (mut a, mut b) = Datagram::pair()?;
//! a.send(b"one message")?;
//! let mut buf = [0; 64];
//! assert_eq!(b.recv(&mut buf)?, 11);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Blocking, not blocking, polling
//!
//! `Read`, `Write`, [`send`](Datagram::send) and [`recv`](Datagram::recv) wait, until the
//! timeout set for them if there is one. Calls with `try_` never wait. Calls with
//! `_deadline` wait until then. [`arm_read`](Stream::arm_read) prepares the descriptor for
//! `poll` and `epoll`.
//!
//! The first wait that really sleeps starts one thread in the process, which sleeps too
//! until some peer hangs up: a thread on a futex cannot be woken by the kernel for that.
//!
//! A process in which nobody has slept on an endpoint yet is not told that its peer was
//! killed; it asks. Writes succeed until the ring is full, and a loop of tries asks after
//! 1,024 that found nothing and then ever more rarely, at the latest after 65,536. Who must
//! know sooner polls the descriptor.
//!
//! # How two processes get the two ends
//!
//! - By name: a server [listens](named) at a path or an abstract name, and clients
//!   [connect](Stream::connect).
//! - A parent gives its [child](process) an endpoint.
//! - Any Unix socket carries one ([`send_to`](Stream::send_to)), and whatever else passes
//!   [a descriptor](Stream#impl-From<Stream>-for-OwnedFd).
//!
//! # Signals
//!
//! What is so of an endpoint at a moment are its [`Signals`]: readable, writable, closed, and more.
//! [`wait`](Stream::wait) and [`wait_many`] wait for any of them, a [`Port`] collects those of
//! many endpoints. A threshold ([`set_write_threshold`](Stream::set_write_threshold)) makes a
//! signal of an amount of bytes; [`signal_peer`](Stream::signal_peer) sets one that means
//! what both ends agree on; [`set_disposition`](Stream::set_disposition) stops writes
//! and lets them go on.
//!
//! # Fork
//!
//! An endpoint belongs to the process that made or claimed it. After a `fork` without
//! `exec`, the calls of the child's copies fail with [`Error::Forked`], and dropping them
//! tells the peer nothing. (A reservation or chunk that was open at the fork is the
//! parent's too; leave it alone, with `mem::forget`.) To hand an endpoint to a forked child, pack it
//! before (`OwnedFd::from`) and claim it there. The child also holds copies of the parent's
//! descriptors until it executes or exits, so a peer sees the parent's death only then.
//!
//! # Features
//!
//! None is on unless it is asked for.
//!
//! | Feature | Gives |
//! |---|---|
//! | `tokio` | `zocket::tokio`: endpoints and listeners for tokio's tasks, with its `AsyncRead` and `AsyncWrite` |
//! | `async-io` | `zocket::async_io`: the same for smol and whatever else runs on async-io, with the traits of futures-io |
//! | `mio` | `zocket::mio`: endpoints as event sources of mio |
//! | `tracing` | events about how endpoints come, go and end, for subscribers of tracing; nothing of what they carry |
//!
//! # Where it comes from
//!
//! The behaviour is that of
//! [Zircon sockets](https://fuchsia.dev/fuchsia-src/reference/kernel_objects/socket); [`zx`] has
//! Zircon's own calls, for any number of threads, and `docs/zircon.md` says what differs.
//! The reasoning behind the implementation is in `docs/design.md`, the layout of the memory in
//! `docs/layout.md`, every ordering in `docs/memory-model.md`.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The chapters of the guide, whose code is compiled and run like that of the README.
#[cfg(doctest)]
mod guide {
    macro_rules! chapters {
        ($($Chapter:ident $file:literal)+) => {$(
            #[doc = include_str!(concat!("../docs/guide/src/", $file))]
            struct $Chapter;
        )+};
    }

    chapters! {
        Introduction "introduction.md"
        FirstSteps "first-steps.md"
        StreamOrDatagram "stream-or-datagram.md"
        Waiting "waiting.md"
        Sizing "sizing.md"
        Backpressure "backpressure.md"
        HandingOn "handing-on.md"
        Named "named.md"
        Ends "ends.md"
        Sandboxes "sandboxes.md"
        Trust "trust.md"
        Migrating "migrating.md"
        Troubleshooting "troubleshooting.md"
    }
}

#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    target_has_atomic = "64"
)))]
compile_error!("zocket needs 64-bit Linux: it is built on memfd, futex and membarrier");

#[cfg(feature = "_async")]
pub mod asynchronous;
mod endpoint;
mod error;
pub mod inspect;
mod layout;
mod mem;
#[cfg(feature = "mio")]
pub mod mio;
pub mod named;
mod observe;
mod port;
mod rights;
mod ring;
mod signals;
mod socket;
mod sys;
mod wait;
pub mod zx;

#[cfg(feature = "async-io")]
pub use asynchronous::async_io;
#[cfg(feature = "tokio")]
pub use asynchronous::tokio;
pub use error::{Error, Result, Violation};
pub use layout::{FenceMode, Kind, MAX_CAPACITY, MIN_CAPACITY};
pub use mem::{SharedSlice, SharedSliceMut};
pub use port::{Endpoint, Packet, Port, Trigger};
pub use signals::{Disposition, Signals};
pub use socket::{
    Builder, ClaimError, Datagram, FencePolicy, Info, OwnedReadHalf, OwnedRecvHalf, OwnedSendHalf,
    OwnedWriteHalf, ReadChunk, Readiness, Reservation, ReuniteError, Stream, TransferError,
    WaitItem, Waitable, process, wait_many,
};

/// The protocol, generic over its memory: for this project's own model checks and
/// tests. Not part of the interface; changes without notice.
#[doc(hidden)]
pub mod protocol {
    pub use crate::endpoint::{
        End, Fill, Grant, Reader, Writer, close, disable, events, fill, hang_up, is_closed,
        set_disposition, shut_down, signals, take_over,
    };
    pub use crate::layout::{
        DIRECTION_SIZE, HEADER_SIZE, Header, MAGIC, PAGE_SHIFT, Side, VERSION,
    };
    pub use crate::mem::{Fence, Memory, Role, Site, Step, Word32, Word64, flags, stored, waiter};
    pub use crate::ring::{Consumer, Producer, Record, record};
    pub use crate::wait::{Arming, Condition, Deadline, Notify, Park, Spinner, Wake, block};

    /// What is local to a process: the handle table and the locks.
    pub mod local {
        pub use crate::zx::count::HandleCount;
        pub use crate::zx::hazard::{Guard, Hazards, Record, State};
        pub use crate::zx::serial::{Serial, SerialGuard};
        pub use crate::zx::sync::{
            Fence, InProcess, Mutex, Once, Platform, Raw, Removed, Site, Slot, Step, Word32,
            Word64, reclaim_soon,
        };
        pub use crate::zx::table::{Entry, Full, Table, is_well_formed};
    }
}

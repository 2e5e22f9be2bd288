//! Endpoints for async runtimes: the same code over the reactor of each.
//!
//! A task first tries, which is all there is to do while the peer is awake and data, or space, is
//! there: no system call is made then. Only a task that really has to wait arms the doorbell, and
//! has the reactor watch its descriptor.
//!
//! `zocket::tokio` and `zocket::async_io` name what is here for each runtime, with the feature for it.
//!
//! An endpoint has one doorbell for both directions, and two tasks may wait, one at each half. So the
//! reactor wakes both, and each tries again (`bell`). What happens at the own end rings no doorbell: of
//! that the endpoint tells them (`Link::set_tasks`).

#![cfg_attr(
    not(any(feature = "async-io", feature = "tokio")),
    allow(dead_code, reason = "without a runtime nobody calls it")
)]

mod bell;
mod common;
mod datagram;
mod named;
mod stream;

#[cfg(feature = "async-io")]
pub mod async_io;
#[cfg(feature = "tokio")]
pub mod tokio;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};

pub use self::datagram::{Datagram, OwnedRecvHalf, OwnedSendHalf};
pub use self::named::{ForTasks, Listener};
pub use self::stream::{OwnedReadHalf, OwnedWriteHalf, Stream};
use crate::socket::Link;

/// What an async runtime does for an endpoint. Implemented here for each that is supported, and by
/// nothing else.
#[allow(private_bounds, reason = "sealed")]
pub trait Runtime: Reactor {}

impl<R: Reactor> Runtime for R {}

/// A descriptor that a runtime watches.
pub(crate) trait Reactor: Sized {
    /// Has a descriptor watched.
    ///
    /// # Errors
    /// Whatever the runtime reports.
    fn watch(watched: Watched) -> io::Result<Self>;

    /// Whether something came to be read at the descriptor, or its other end hung up, since this was last so;
    /// has the task woken when that happens if not. `take` takes what there is to read; what comes after that
    /// counts anew, and a hang-up for ever.
    fn poll_readable(&self, cx: &mut Context<'_>, take: impl FnOnce()) -> Poll<io::Result<()>>;

    /// Polls, unless the task has had its turn.
    fn poll_in_turn<T>(
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T>;
}

/// What is watched. Its descriptor is open, and the same, for as long as this lives.
#[derive(Debug)]
pub(crate) enum Watched {
    /// The doorbell of an endpoint. It is replaced only by who packs the endpoint, and owns all of
    /// it for that: not while there is a half that is watched, which `into_blocking` ends.
    Doorbell(Arc<Link>),
    /// A listener's, or a connection to one.
    Socket(OwnedFd),
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Doorbell(link) => link.doorbell().as_fd(),
            Self::Socket(socket) => socket.as_fd(),
        }
    }
}

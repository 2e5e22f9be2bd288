//! Endpoints for async runtimes: the same code over the reactor of each.
//!
//! A task first tries, which is all there is to do while the peer is awake and data, or space, is
//! there: no system call is made then. Only a task that really has to wait arms the doorbell, and
//! has the reactor watch its descriptor.
//!
//! An endpoint has one doorbell for both directions, and two tasks may wait, one at each half. So the
//! reactor wakes both, and each tries again (`bell`).

mod bell;
mod common;
mod datagram;
mod stream;

#[cfg(feature = "async-io")]
pub mod async_io;
#[cfg(feature = "tokio")]
pub mod tokio;

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

pub use self::datagram::{Datagram, OwnedRecvHalf, OwnedSendHalf};
pub use self::stream::{OwnedReadHalf, OwnedWriteHalf, Stream};
use crate::socket::Link;

/// What an async runtime does for an endpoint. Implemented here for each that is supported, and by
/// nothing else.
#[allow(private_bounds, reason = "sealed")]
pub trait Runtime: Reactor {}

impl<R: Reactor> Runtime for R {}

/// A descriptor that a runtime watches.
pub(crate) trait Reactor: Sized {
    /// Has the doorbell of an endpoint watched.
    ///
    /// # Errors
    /// Whatever the runtime reports.
    fn watch(link: Arc<Link>) -> io::Result<Self>;

    /// Whether the doorbell was rung, or its other end hung up, since this was last so; has the
    /// task woken when it is if not. `acknowledge` takes the rings.
    fn poll_ring(&self, cx: &mut Context<'_>, acknowledge: impl FnOnce()) -> Poll<io::Result<()>>;

    /// Polls, unless the task has had its turn.
    fn poll_in_turn<T>(
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T>;
}

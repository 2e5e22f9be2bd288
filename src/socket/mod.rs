//! Endpoints as users hold them: [`Stream`] and [`Datagram`], their halves, and
//! how an endpoint becomes a descriptor and an endpoint again.

mod builder;
mod chunk;
mod common;
mod datagram;
pub(crate) mod envelope;
mod fdio;
mod half;
mod info;
mod lane;
mod link;
mod misses;
mod observed;
mod owner;
mod pass;
mod postponed;
pub mod process;
mod settings;
mod stream;
mod trace;
mod wait;

pub use builder::{Builder, FencePolicy};
pub use chunk::{ReadChunk, Reservation};
pub use datagram::{Datagram, OwnedRecvHalf, OwnedSendHalf};
pub use envelope::{ClaimError, TransferError};
pub(crate) use half::{Receiving, Sending};
pub use info::Info;
pub(crate) use lane::Lane;
pub(crate) use link::Link;
pub use stream::{OwnedReadHalf, OwnedWriteHalf, Stream};
pub use wait::{WaitItem, Waitable, wait_many};

use std::fmt;

/// Two halves that are not of the same endpoint, given back.
#[derive(Debug)]
pub struct ReuniteError<R, W>(
    /// The half that reads.
    pub R,
    /// The half that writes.
    pub W,
);

impl<R, W> fmt::Display for ReuniteError<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are not of the same endpoint")
    }
}

impl<R: fmt::Debug, W: fmt::Debug> std::error::Error for ReuniteError<R, W> {}

/// What arming the descriptor for polling led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// What was asked for is there, or will never be: go on without polling.
    Ready,
    /// The descriptor will become readable when it is there, or will never be.
    Armed,
}

impl Readiness {
    fn from_armed(armed: bool) -> Self {
        if armed { Self::Armed } else { Self::Ready }
    }
}

//! What [`tracing`](https://docs.rs/tracing) is told of endpoints, with the feature of that name: how
//! each comes, goes and ends. Never of what it carries, so that nothing is said where bytes are moved.
//!
//! All events have the target `zocket` and the fields `koid`, `peer_koid` and `kind`, as
//! [`Info`](super::Info) has them. Without the feature there is nothing here.

#![cfg_attr(
    not(feature = "tracing"),
    allow(unused_variables, reason = "they are for the events")
)]

use crate::error::Violation;
use crate::layout::{Header, Side};

/// An event about the endpoint of this side, of this level, with these words.
macro_rules! event {
    ($level:ident, $header:expr, $side:expr, $($rest:tt)+) => {
        #[cfg(feature = "tracing")]
        ::tracing::event!(
            target: "zocket",
            ::tracing::Level::$level,
            koid = $header.koids[$side.index()],
            peer_koid = $header.koids[$side.peer().index()],
            kind = ?$header.kind,
            $($rest)+
        )
    };
}

/// An endpoint was made with its pair.
pub(super) fn made(header: &Header, side: Side) {
    event!(DEBUG, header, side, "endpoint made");
}

/// An endpoint was taken out of what carried it to this process.
pub(super) fn claimed(header: &Header, side: Side) {
    event!(DEBUG, header, side, "endpoint claimed");
}

/// An endpoint was packed, to live on elsewhere.
pub(super) fn packed(header: &Header, side: Side) {
    event!(DEBUG, header, side, "endpoint packed");
}

/// An endpoint was closed.
pub(super) fn closed(header: &Header, side: Side) {
    event!(DEBUG, header, side, "endpoint closed");
}

/// The kernel has shown that the peer is gone, however it went.
pub(super) fn peer_gone(header: &Header, side: Side) {
    event!(DEBUG, header, side, "peer gone");
}

/// The peer broke the protocol, and was disconnected.
pub(super) fn violated(header: &Header, side: Side, violation: Violation) {
    event!(WARN, header, side, %violation, "peer broke the protocol and is disconnected");
}

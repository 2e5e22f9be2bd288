//! What there is to know about an endpoint.

use super::link::Link;
use crate::layout::{FenceMode, Kind};
use crate::mem::Role;

/// The state of an endpoint at one moment.
///
/// The figures of the two directions are read one after the other while the peer
/// goes on, so they need not belong to the same instant. They are read from memory that
/// the peer can write: fiction, if it is hostile, within the bounds given here.
/// Made without a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// Stream or datagram.
    pub kind: Kind,
    /// Payload bytes that each direction holds.
    pub capacity: usize,
    /// Payload bytes written by the peer and not yet read here; at most the capacity.
    pub readable: usize,
    /// Payload bytes written here and not yet read by the peer; at most the capacity,
    /// and 0 when it is closed: what it had not read is gone.
    pub unread_by_peer: usize,
    /// Payload bytes read by this end since the pair was made.
    pub total_read: u64,
    /// Payload bytes written by this end since the pair was made.
    pub total_written: u64,
    /// Identity of this endpoint: for all practical purposes unique while the system is up.
    pub koid: u64,
    /// Identity of the other endpoint.
    pub peer_koid: u64,
    /// Whether the other endpoint is known to be closed. Once true, stays true.
    pub peer_closed: bool,
    /// Who pays for fences.
    pub fence_mode: FenceMode,
}

impl Info {
    pub(super) fn new(link: &Link) -> Self {
        let header = link.header();
        let peer_closed = link.peer_closed();
        let (incoming, outgoing) = (link.fill(Role::Consumer), link.fill(Role::Producer));
        Self {
            kind: header.kind,
            capacity: header.capacity,
            readable: incoming.queued as usize,
            unread_by_peer: if peer_closed {
                0
            } else {
                outgoing.queued as usize
            },
            total_read: incoming.read,
            total_written: outgoing.written,
            koid: header.koids[link.side().index()],
            peer_koid: header.koids[link.side().peer().index()],
            peer_closed,
            fence_mode: header.fence_mode,
        }
    }
}

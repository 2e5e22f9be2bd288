//! Where an end of a ring stands.

use std::hint::cold_path;

use super::Record;
use crate::layout::Kind;
use crate::mem::{Memory, Role, Site, is_inside};

/// What an end has published, and where in the area it goes on.
#[derive(Debug)]
pub(super) struct Position {
    /// Payload bytes. Ours: stored for the peer, and not read back: a peer can store there too.
    payload: u64,
    /// Where the next byte is, from 0 to the end of the area, which is its beginning as well.
    offset: usize,
}

/// Some ring bytes that are in one piece, behind the position of an end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    /// Where it is in the area.
    pub(crate) at: usize,
    /// The position, which may be in memory and this in a register.
    payload: u64,
}

impl Position {
    /// Where the former owner of this end stopped.
    pub(super) fn attach<M: Memory>(mem: &M, role: Role, kind: Kind, payload: u64) -> Self {
        let offset = match kind {
            Kind::Stream => payload,
            Kind::Datagram => mem.load64(role.cursor(), Site::Cursor),
        };
        Self {
            payload,
            // Any value of an enemy's yields an offset inside the area.
            offset: (offset % mem.area() as u64) as usize,
        }
    }

    /// Payload bytes ever published.
    #[inline(always)]
    pub(super) fn payload(&self) -> u64 {
        self.payload
    }

    /// Where the next byte is, which may be the end of the area.
    #[inline(always)]
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// The next `ring` bytes, if they are in one piece in an area of this size.
    #[inline(always)]
    pub(super) fn piece(&self, area: usize, ring: usize) -> Option<Piece> {
        if !is_inside(area, self.offset, ring) {
            cold_path();
            return None;
        }
        Some(Piece {
            at: self.offset,
            payload: self.payload,
        })
    }

    /// The next `ring` bytes, as if they were in one piece although they may go round the end.
    #[inline(always)]
    fn pieces(&self, area: usize, ring: usize) -> Piece {
        let round = if ring > area - self.offset { area } else { 0 };
        Piece {
            at: self.offset.wrapping_sub(round),
            payload: self.payload,
        }
    }

    /// Publishes `len` bytes of a stream, in one piece or two.
    #[inline(always)]
    pub(super) fn publish_all<M: Memory>(&mut self, mem: &M, role: Role, len: usize) {
        self.publish(mem, role, self.pieces(mem.area(), len), len);
    }

    /// Publishes `len` bytes of a stream, which are this piece.
    #[inline(always)]
    pub(super) fn publish<M: Memory>(&mut self, mem: &M, role: Role, piece: Piece, len: usize) {
        self.offset = piece.at.wrapping_add(len);
        self.advance(mem, role, piece, len);
    }

    /// Publishes one record, in one piece or two.
    #[inline(always)]
    pub(super) fn publish_whole_record<M: Memory>(&mut self, mem: &M, role: Role, record: Record) {
        let piece = self.pieces(mem.area(), record.ring());
        self.publish_record(mem, role, piece, record);
    }

    /// Publishes one record, which is this piece.
    #[inline(always)]
    pub(super) fn publish_record<M: Memory>(
        &mut self,
        mem: &M,
        role: Role,
        piece: Piece,
        record: Record,
    ) {
        self.offset = piece.at.wrapping_add(record.ring());
        mem.store64(role.cursor(), self.offset as u64, Site::Cursor);
        self.advance(mem, role, piece, record.payload);
    }

    /// Past a piece.
    ///
    /// An offset at the end of the area is not set to the beginning: what comes next is in no
    /// one piece then, and [`pieces`](Self::pieces) goes round.
    #[inline(always)]
    fn advance<M: Memory>(&mut self, mem: &M, role: Role, piece: Piece, payload: usize) {
        self.payload = piece.payload.wrapping_add(payload as u64);
        let site = match role {
            // ORDERING(data-published): Release; pairs with the Acquire in `Consumer::refresh` and
            // `Place::look`: whoever sees this tail sees the bytes before it.
            Role::Producer => Site::PublishTail,
            // ORDERING(space-freed): Release; pairs with the Acquire in `Producer::refresh`: our
            // reads of the bytes are over.
            Role::Consumer => Site::PublishHead,
        };
        mem.store64(role.position(), self.payload, site);
    }
}

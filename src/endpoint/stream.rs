//! Reading and writing bytes without boundaries.

use std::io::{IoSlice, IoSliceMut};

use super::{Reader, Writer};
use crate::error::Result;
use crate::layout::Kind;
use crate::wait::Park;

/// Most bytes that are published at once: while one end copies a piece the other one copies the
/// piece before. A blocked peer would sleep over a longer one.
const PIECE: usize = 16 << 10;
/// The same.
const MOST_AT_ONCE: u64 = PIECE as u64;

impl<M: Park> Writer<M> {
    /// Writes as much of `buf` as there is space for, at least one byte.
    ///
    /// An empty `buf` is a success, 0, unless writing is over.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    #[inline]
    pub fn write(&mut self, buf: &[u8]) -> Result<usize> {
        let mut grant = self.begin(buf.len().min(1), buf.len())?;
        let len = grant.len();
        let mut rest = &buf[..len];
        while let Some((piece, more)) = rest.split_at_checked(PIECE)
            && !more.is_empty()
        {
            grant.ring().copy_in(0, piece);
            grant.commit_part(piece.len());
            rest = more;
        }
        grant.ring().copy_in(0, rest);
        grant.commit(rest.len());
        Ok(len)
    }

    /// The write that costs little: all of `buf`, to one place. Or says that nothing was
    /// written; [`write`](Self::write) does it then, or tells why not.
    #[inline(always)]
    pub fn write_at_once(&mut self, buf: &[u8]) -> bool {
        buf.len() <= PIECE && self.put([], buf)
    }

    /// Writes as much of `bufs`, one after the other, as there is space for.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> Result<usize> {
        let total = bufs
            .iter()
            .map(|buf| buf.len())
            .fold(0, usize::saturating_add);
        let grant = self.begin(total.min(1), total)?;
        let len = grant.len();
        let mut done = 0;
        for buf in bufs {
            let part = buf.len().min(len - done);
            grant.ring().copy_in(done, &buf[..part]);
            done += part;
        }
        grant.commit(len);
        Ok(len)
    }
}

impl<M: Park> Reader<M> {
    /// Reads as much into `buf` as is queued, at least one byte.
    ///
    /// An empty `buf` is a success, 0, if anything is queued.
    ///
    /// # Errors
    /// As [`available`](Self::available).
    #[inline]
    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let queued = self.available(buf.len())?;
        let len = (buf.len() as u64).min(queued) as usize;
        for piece in buf[..len].chunks_mut(PIECE) {
            self.ring.copy_out(0, piece);
            self.consume(piece.len());
        }
        Ok(len)
    }

    /// The read that costs little: all of `buf`, from one place. `None`, and nothing was consumed, if it is
    /// another one; [`read_queued`](Self::read_queued) and [`read`](Self::read) do it then, or tell
    /// why not.
    #[inline(always)]
    pub fn read_at_once(&mut self, buf: &mut [u8]) -> Option<usize> {
        match buf.len() <= PIECE {
            true => self.take(Kind::Stream, buf),
            false => None,
        }
    }

    /// After a [`read_at_once`](Self::read_at_once) that failed: queued bytes, `MOST_AT_ONCE` and one if there
    /// are more, none if that is not seen at once. Looks, if that did not.
    #[inline(always)]
    pub(crate) fn look_for(&mut self, buf: &[u8]) -> u64 {
        match buf.len() <= PIECE {
            true => self.seen_short(),
            false => self.at_once(MOST_AT_ONCE + 1),
        }
    }

    /// The read that costs a little more: of what was [looked for](Self::look_for), from one place, with
    /// less queued than `buf` may take. `None`, and nothing was consumed, if it is another one;
    /// [`read`](Self::read) does it then, or tells why not.
    pub(crate) fn read_queued(&mut self, buf: &mut [u8], queued: u64) -> Option<usize> {
        match queued {
            1..=MOST_AT_ONCE => {
                let len = buf.len().min(queued as usize);
                self.take(Kind::Stream, &mut buf[..len])
            }
            _ => None,
        }
    }

    /// The one, or else the other.
    pub fn read_cheaply(&mut self, buf: &mut [u8]) -> Option<usize> {
        self.read_at_once(buf).or_else(|| {
            let queued = self.look_for(buf);
            self.read_queued(buf, queued)
        })
    }

    /// Reads like [`read`](Self::read), but leaves the bytes queued.
    ///
    /// # Errors
    /// As [`available`](Self::available).
    #[inline(always)]
    pub fn peek(&mut self, buf: &mut [u8]) -> Result<usize> {
        let queued = self.available(buf.len())?;
        let len = (buf.len() as u64).min(queued) as usize;
        self.ring.copy_out(0, &mut buf[..len]);
        Ok(len)
    }

    /// Reads as much into `bufs`, one after the other, as is queued.
    ///
    /// # Errors
    /// As [`available`](Self::available).
    pub fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> Result<usize> {
        let total = bufs
            .iter()
            .map(|buf| buf.len())
            .fold(0, usize::saturating_add);
        let queued = self.available(total)?;
        let len = (total as u64).min(queued) as usize;
        let mut done = 0;
        for buf in bufs {
            let part = buf.len().min(len - done);
            self.ring.copy_out(done, &mut buf[..part]);
            done += part;
        }
        self.consume(len);
        Ok(len)
    }

    /// Drops the first `len` bytes, which the caller has seen queued.
    #[inline(always)]
    pub fn consume(&mut self, len: usize) {
        debug_assert!(len as u64 <= self.ring.queued());
        if len > 0 {
            self.ring.publish(len);
            self.freed();
        }
    }
}

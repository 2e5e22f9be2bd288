//! Reading and writing whole messages.

use std::io::{IoSlice, IoSliceMut};

use super::writer::Grant;
use super::{Reader, Writer};
use crate::error::{Error, Result};
use crate::layout::Kind;
use crate::ring::Record;
use crate::ring::record::Prefix;
use crate::wait::Park;

impl<M: Park> Writer<M> {
    /// Queues `buf` as one datagram, or nothing.
    ///
    /// An empty `buf` is a success, unless writing is over, and queues nothing:
    /// there are no empty datagrams.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    #[inline]
    pub fn send(&mut self, buf: &[u8]) -> Result<()> {
        let grant = self.begin(buf.len(), buf.len())?;
        if buf.is_empty() {
            return Ok(());
        }
        let prefix = Prefix::new(buf.len());
        let prefix = prefix.as_bytes();
        grant.ring().copy_in(0, prefix);
        grant.ring().copy_in(prefix.len(), buf);
        grant.commit_record(prefix.len(), buf.len());
        Ok(())
    }

    /// The send that costs little: to one place. Or says that nothing was queued;
    /// [`send`](Self::send) does it then, or tells why not.
    #[inline(always)]
    pub fn send_at_once(&mut self, buf: &[u8]) -> bool {
        match Prefix::short(buf.len()) {
            Some(prefix) => self.put(prefix, buf),
            None => self.send_long_at_once(buf),
        }
    }

    /// Out of line, as its prefix and the copy are of another size.
    #[inline(never)]
    fn send_long_at_once(&mut self, buf: &[u8]) -> bool {
        Prefix::long(buf.len()).is_some_and(|prefix| self.put(prefix, buf))
    }

    /// Queues `bufs`, one after the other, as one datagram, or nothing.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn send_vectored(&mut self, bufs: &[IoSlice<'_>]) -> Result<usize> {
        let total = bufs
            .iter()
            .map(|buf| buf.len())
            .fold(0, usize::saturating_add);
        let grant = self.begin(total, total)?;
        if total == 0 {
            return Ok(0);
        }
        let prefix = Prefix::new(total);
        let prefix = prefix.as_bytes();
        grant.ring().copy_in(0, prefix);
        let mut done = prefix.len();
        for buf in bufs {
            grant.ring().copy_in(done, buf);
            done += buf.len();
        }
        grant.commit_record(prefix.len(), total);
        Ok(total)
    }
}

impl<M: Park> Grant<'_, M> {
    /// Publishes the first `len` bytes of a payload that was written in place
    /// behind room for the prefix of the whole grant.
    pub fn commit_datagram(self, len: usize) {
        debug_assert!(0 < len && len <= self.len());
        let (room, prefix) = (Prefix::new(self.len()), Prefix::new(len));
        let (room, prefix) = (room.as_bytes().len(), prefix.as_bytes());
        if room != prefix.len() {
            // The shorter prefix of a short payload: it moves up, 254 bytes at most.
            let mut payload = [0; u8::MAX as usize];
            self.ring().copy_back(room, &mut payload[..len]);
            self.ring().copy_in(prefix.len(), &payload[..len]);
        }
        self.ring().copy_in(0, prefix);
        self.commit_record(prefix.len(), len);
    }
}

impl<M: Park> Reader<M> {
    /// The first datagram, which stays queued.
    ///
    /// # Errors
    /// As [`available`](Self::available), and [`Error::Protocol`] if its length is
    /// impossible.
    #[inline(always)]
    pub fn first_datagram(&mut self) -> Result<Record> {
        self.available(1)?;
        self.ring.record().map_err(Error::Protocol)
    }

    /// Moves the first datagram to `buf`; what does not fit is dropped.
    ///
    /// With an empty `buf` the datagram stays.
    ///
    /// # Errors
    /// As [`first_datagram`](Self::first_datagram).
    #[inline]
    pub fn recv(&mut self, buf: &mut [u8]) -> Result<usize> {
        let record = self.first_datagram()?;
        let len = buf.len().min(record.payload);
        self.ring.copy_out(record.prefix, &mut buf[..len]);
        if len > 0 {
            self.consume_datagram(record);
        }
        Ok(len)
    }

    /// The receipt that costs little: of a datagram that fits, from one place.
    /// `None`, and it stays, if it is another one; [`recv`](Self::recv) does it then, or
    /// tells why not.
    #[inline(always)]
    pub fn recv_at_once(&mut self, buf: &mut [u8]) -> Option<usize> {
        self.take(Kind::Datagram, buf)
    }

    /// The same, where a look that finds nothing is not the usual case.
    pub fn recv_cheaply(&mut self, buf: &mut [u8]) -> Option<usize> {
        self.recv_at_once(buf).or_else(|| {
            self.ring.seen_short();
            None
        })
    }

    /// Copies the first datagram to `buf`, as far as it fits, and leaves it queued.
    ///
    /// # Errors
    /// As [`first_datagram`](Self::first_datagram).
    pub fn peek_datagram(&mut self, buf: &mut [u8]) -> Result<usize> {
        let record = self.first_datagram()?;
        let len = buf.len().min(record.payload);
        self.ring.copy_out(record.prefix, &mut buf[..len]);
        Ok(len)
    }

    /// Moves the first datagram to `bufs`, one after the other.
    ///
    /// # Errors
    /// As [`first_datagram`](Self::first_datagram).
    pub fn recv_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> Result<usize> {
        let record = self.first_datagram()?;
        let mut done = 0;
        for buf in bufs {
            let part = buf.len().min(record.payload - done);
            self.ring.copy_out(record.prefix + done, &mut buf[..part]);
            done += part;
        }
        if done > 0 {
            self.consume_datagram(record);
        }
        Ok(done)
    }

    /// Drops the first datagram, which is `record`.
    #[inline(always)]
    pub fn consume_datagram(&mut self, record: Record) {
        self.ring.publish_record(record);
        self.freed();
    }
}

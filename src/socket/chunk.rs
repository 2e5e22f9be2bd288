//! Reading and writing in the ring's own memory.

use std::sync::Arc;

use super::half;
use super::lane::Lane;
use super::link::Link;
use crate::endpoint::{Grant, Reader, Writer};
use crate::mem::{SharedSlice, SharedSliceMut};
use crate::ring::Record;
use crate::ring::record::Prefix;

/// The endpoint, if somebody waits for its signals and should be shown every change.
fn observed_link(lane: &Lane) -> Option<Arc<Link>> {
    let link = lane.link();
    (!link.is_unobserved()).then(|| Arc::clone(link))
}

/// Space in the ring, reserved for writing in place.
///
/// Nothing is sent before [`commit`](Self::commit); dropping the reservation sends
/// nothing. While it lives, the peer does not see the end of the data even if
/// writing is shut down meanwhile.
///
/// # Examples
/// ```
/// use zocket::Stream;
///
/// let (mut a, mut b) = Stream::pair()?;
/// let mut space = a.try_reserve(5)?;
/// space.write(0, b"hello");
/// space.commit(4);
///
/// let mut buf = [0; 8];
/// assert_eq!(b.try_read(&mut buf)?, 4);
/// assert_eq!(&buf[..4], b"hell");
/// # Ok::<(), zocket::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is sent before commit"]
pub struct Reservation<'a> {
    grant: Grant<'a, Lane>,
    /// Ring bytes set aside before the payload; none in a stream.
    prefix: usize,
}

impl<'a> Reservation<'a> {
    pub(super) fn stream(grant: Grant<'a, Lane>) -> Self {
        Self { grant, prefix: 0 }
    }

    pub(super) fn datagram(grant: Grant<'a, Lane>) -> Self {
        let prefix = match grant.len() {
            0 => 0,
            len => Prefix::new(len).as_bytes().len(),
        };
        Self { grant, prefix }
    }

    /// Bytes of the space.
    pub fn len(&self) -> usize {
        self.grant.len()
    }

    /// Whether it has none: only if none was asked for.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The space itself, in one piece or, where the ring wraps, in two.
    ///
    /// Its content is whatever was there before. The peer can see and change it at
    /// any moment.
    pub fn spans(&mut self) -> [SharedSliceMut<'_>; 2] {
        let ring = self.grant.ring();
        ring.ranges(self.prefix, self.grant.len())
            .map(|(offset, len)| ring.mem().slice_mut(offset, len))
    }

    /// Copies `src` to the space, `at` bytes from its beginning.
    ///
    /// # Panics
    /// If it does not fit there.
    pub fn write(&mut self, at: usize, src: &[u8]) {
        assert!(
            at <= self.len() && src.len() <= self.len() - at,
            "{} bytes at {at} do not fit into a reservation of {}",
            src.len(),
            self.len()
        );
        self.grant.ring().copy_in(self.prefix + at, src);
    }

    /// Sends the first `len` bytes; of a datagram endpoint, as one datagram. With 0,
    /// sends nothing.
    ///
    /// # Panics
    /// If `len` is larger than the space.
    pub fn commit(self, len: usize) {
        assert!(
            len <= self.len(),
            "commit of {len} bytes out of a reservation of {}",
            self.len()
        );
        match observed_link(self.grant.ring().mem()) {
            None => self.publish(len),
            Some(link) => link.with_observers(|list| {
                link.look_once(list);
                let free = self.grant.ring().free();
                self.publish(len);
                half::show_move::<Writer<Lane>>(list, free, len as u64);
                // Threads have been told if they cannot be told of what is to come.
                let _ = link.look_and_arm(list);
            }),
        }
    }

    /// Sends the first `len` bytes, unseen by observers.
    fn publish(self, len: usize) {
        match (len, self.prefix) {
            (0, _) => drop(self.grant),
            (len, 0) => self.grant.commit(len),
            (len, _) => self.grant.commit_datagram(len),
        }
    }
}

/// Data in the ring, to be read in place.
///
/// The bytes stay queued until they are consumed; dropping the chunk leaves them.
/// A hostile peer can change them at any moment, see [`SharedSlice`].
///
/// # Examples
/// ```
/// use zocket::Stream;
///
/// let (mut a, mut b) = Stream::pair()?;
/// a.try_write(b"hello")?;
///
/// let chunk = b.try_chunk()?;
/// let sum: u32 = chunk.spans().iter().flat_map(|span| span.iter()).map(u32::from).sum();
/// assert_eq!(sum, 532);
/// chunk.consume(5);
/// assert_eq!(b.info().readable, 0);
/// # Ok::<(), zocket::Error>(())
/// ```
#[derive(Debug)]
pub struct ReadChunk<'a> {
    reader: &'a mut Reader<Lane>,
    /// The datagram, if the endpoint is of that kind.
    record: Option<Record>,
    len: usize,
}

impl<'a> ReadChunk<'a> {
    pub(super) fn stream(reader: &'a mut Reader<Lane>, len: usize) -> Self {
        Self {
            reader,
            record: None,
            len,
        }
    }

    pub(super) fn datagram(reader: &'a mut Reader<Lane>, record: Record) -> Self {
        Self {
            reader,
            record: Some(record),
            len: record.payload,
        }
    }

    /// Bytes of the chunk.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes themselves, in one piece or, where the ring wraps, in two.
    pub fn spans(&self) -> [SharedSlice<'_>; 2] {
        let ring = self.reader.ring();
        ring.ranges(self.prefix(), self.len)
            .map(|(offset, len)| ring.mem().slice(offset, len))
    }

    /// Copies bytes of the chunk, from `at` on, to `dst`. They stay queued.
    ///
    /// # Panics
    /// If the chunk has not as many.
    pub fn read(&self, at: usize, dst: &mut [u8]) {
        assert!(
            at <= self.len && dst.len() <= self.len - at,
            "{} bytes at {at} are not in a chunk of {}",
            dst.len(),
            self.len
        );
        self.reader.ring().copy_out(self.prefix() + at, dst);
    }

    /// Ring bytes before the payload.
    fn prefix(&self) -> usize {
        self.record.map_or(0, |record| record.prefix)
    }

    /// Takes the first `len` bytes out of the ring; of a datagram endpoint, the whole
    /// datagram, whatever `len` is. With 0, takes nothing.
    ///
    /// # Panics
    /// If `len` is larger than the chunk.
    pub fn consume(self, len: usize) {
        assert!(
            len <= self.len,
            "{len} bytes consumed out of a chunk of {}",
            self.len
        );
        let record = self.record;
        let take = |reader: &mut Reader<Lane>| match record {
            Some(record) if len > 0 => reader.consume_datagram(record),
            Some(_) => {}
            None => reader.consume(len),
        };
        match observed_link(self.reader.mem()) {
            None => take(self.reader),
            Some(link) => half::observed(self.reader, &link, take),
        }
    }
}

//! The prefix of a datagram: its length, in as few bytes as keep the ring small.
//!
//! Lengths up to 254 are one byte. From 255 on it is the byte 255 and the
//! length as four little-endian bytes. So a prefix is never longer than its
//! payload, and a data area of twice the capacity holds `capacity` payload
//! bytes in any division, down to one byte each. A length has one form only;
//! the reader refuses the other.

use crate::error::Violation;

/// Bytes of the longest prefix.
pub const MAX_PREFIX: usize = 5;

/// First byte of the long form.
const LONG: u8 = u8::MAX;

/// Bytes of the shortest payload that has it.
const LONG_FROM: usize = LONG as usize;

/// A record in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Ring bytes before the payload.
    pub prefix: usize,
    /// Bytes of the payload, at least one and no more than are queued.
    pub payload: usize,
}

impl Record {
    /// Ring bytes of all of it.
    #[inline(always)]
    pub fn ring(self) -> usize {
        self.prefix + self.payload
    }
}

/// A length, written out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    bytes: [u8; MAX_PREFIX],
    len: usize,
}

impl Prefix {
    /// The prefix of a payload of `payload` bytes, 1 to `u32::MAX`.
    #[inline(always)]
    pub fn new(payload: usize) -> Self {
        debug_assert!(payload > 0);
        match Self::long(payload) {
            Some(bytes) => Self {
                bytes,
                len: MAX_PREFIX,
            },
            None => Self {
                bytes: [payload as u8, 0, 0, 0, 0],
                len: 1,
            },
        }
    }

    /// The prefix of a payload of `payload` bytes as it stands in the ring, if it is a short one.
    #[inline(always)]
    pub fn short(payload: usize) -> Option<[u8; 1]> {
        match payload {
            1..LONG_FROM => Some([payload as u8]),
            _ => None,
        }
    }

    /// The same, if it is a long one.
    #[inline(always)]
    pub fn long(payload: usize) -> Option<[u8; MAX_PREFIX]> {
        if payload < LONG_FROM {
            return None;
        }
        let [a, b, c, d] = (payload as u32).to_le_bytes();
        Some([LONG, a, b, c, d])
    }

    /// The prefix as it stands in the ring.
    #[inline(always)]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// What the first byte of a prefix says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// This is the whole prefix; the payload has this many bytes.
    Short(usize),
    /// Four more bytes follow, for [`parse_long`].
    Long,
}

/// Reads the first byte of a prefix of which `queued` payload bytes follow at most.
///
/// # Errors
/// [`Violation::RecordLength`] for zero and for more than `queued`.
#[inline(always)]
pub fn parse_first(byte: u8, queued: u64) -> Result<First, Violation> {
    match byte {
        LONG => Ok(First::Long),
        0 => Err(Violation::RecordLength),
        n if u64::from(n) > queued => Err(Violation::RecordLength),
        n => Ok(First::Short(n.into())),
    }
}

/// Reads the rest of a long prefix of which `queued` payload bytes follow at most.
///
/// # Errors
/// [`Violation::RecordLength`] for a length that has a short form, and for more
/// than `queued`.
pub fn parse_long(bytes: [u8; MAX_PREFIX - 1], queued: u64) -> Result<usize, Violation> {
    let payload = u32::from_le_bytes(bytes);
    if payload < u32::from(LONG) || u64::from(payload) > queued {
        Err(Violation::RecordLength)
    } else {
        Ok(payload as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8], queued: u64) -> Result<usize, Violation> {
        match parse_first(bytes[0], queued)? {
            First::Short(n) => Ok(n),
            First::Long => parse_long(bytes[1..5].try_into().unwrap(), queued),
        }
    }

    #[test]
    fn every_length_survives_and_is_never_longer_than_its_payload() {
        for payload in (1..70_000).chain([1 << 30, u32::MAX as usize]) {
            let prefix = Prefix::new(payload);
            assert!(prefix.as_bytes().len() <= payload);
            assert_eq!(parse(prefix.as_bytes(), payload as u64), Ok(payload));
        }
    }

    #[test]
    fn lengths_that_are_not_queued_or_not_canonical_are_refused() {
        for (bytes, queued) in [
            ([0, 0, 0, 0, 0], 10),
            ([11, 0, 0, 0, 0], 10),
            ([255, 254, 0, 0, 0], 1000),
            ([255, 0, 0, 0, 0], 1000),
            ([255, 0xE9, 3, 0, 0], 1000),
            ([255, 255, 255, 255, 255], 1000),
        ] {
            assert_eq!(parse(&bytes, queued), Err(Violation::RecordLength));
        }
    }
}

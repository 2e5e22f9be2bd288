//! What a listener sends to whoever has connected: one message, and with it an envelope or nothing.

use crate::error::{Error, Result};
use crate::layout::VERSION;

/// First eight bytes of the message.
const MAGIC: u64 = u64::from_le_bytes(*b"zocket\xE7\x02");

/// Bytes of a message.
pub(super) const SIZE: usize = 16;

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The one descriptor that comes along is an envelope.
    Endpoint,
    /// The policy is against it.
    Refused,
    /// There is nothing left to make a pair of.
    Exhausted,
}

impl Answer {
    const ALL: [Self; 3] = [Self::Endpoint, Self::Refused, Self::Exhausted];

    pub(super) fn to_bytes(self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[..8].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..].copy_from_slice(&(self as u32).to_le_bytes());
        bytes
    }

    /// Reads a message that anybody may have written.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let (magic, rest) = bytes.split_first_chunk().ok_or(Error::NotAListener)?;
        let (version, rest) = rest.split_first_chunk().ok_or(Error::NotAListener)?;
        let answer = rest.try_into().map_err(|_| Error::NotAListener)?;
        if u64::from_le_bytes(*magic) != MAGIC {
            return Err(Error::NotAListener);
        }
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(Error::UnsupportedVersion { found: version });
        }
        let answer = u32::from_le_bytes(answer);
        let known = Self::ALL.into_iter().find(|known| *known as u32 == answer);
        known.ok_or(Error::NotAListener)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_written() {
        for answer in Answer::ALL {
            assert_eq!(Answer::parse(&answer.to_bytes()), Ok(answer));
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        let good = Answer::Endpoint.to_bytes();
        for len in 0..SIZE {
            assert_eq!(Answer::parse(&good[..len]), Err(Error::NotAListener));
        }
        assert_eq!(
            Answer::parse(&[&good[..], &[0]].concat()),
            Err(Error::NotAListener)
        );
        for at in 0..SIZE {
            let mut bytes = good;
            bytes[at] ^= 0x80;
            let error = Answer::parse(&bytes).unwrap_err();
            match at {
                8..12 => assert!(matches!(error, Error::UnsupportedVersion { .. })),
                _ => assert_eq!(error, Error::NotAListener),
            }
        }
    }
}

//! What a process counts of the data that passes it.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::failure::Failure;
use super::transport::Transport;

/// An xxh3-128 digest: not for secrets, but fast enough not to be what is measured.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Digest(u128);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = std::num::ParseIntError;

    fn try_from(hex: String) -> Result<Self, Self::Error> {
        u128::from_str_radix(&hex, 16).map(Self)
    }
}

/// What has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) bytes: u64,
    /// Writes or reads. The same at both ends where boundaries are kept.
    pub(super) pieces: u64,
    pub(super) digest: Digest,
}

impl Tally {
    /// Compares what was sent with what arrived.
    pub(super) fn verify(&self, arrived: &Self, transport: Transport) -> Result<(), Failure> {
        let same = self.bytes == arrived.bytes
            && self.digest == arrived.digest
            && (self.pieces == arrived.pieces || !transport.keeps_boundaries());
        if same {
            return Ok(());
        }
        Err(Failure::Mismatch {
            transport,
            sent: *self,
            arrived: *arrived,
        })
    }
}

/// Counts and digests what passes.
pub(super) struct Meter {
    bytes: u64,
    pieces: u64,
    digest: Box<Xxh3>,
}

impl Meter {
    pub(super) fn new() -> Self {
        Self {
            bytes: 0,
            pieces: 0,
            digest: Box::new(Xxh3::new()),
        }
    }

    /// Counts these bytes, which pass in this many pieces.
    pub(super) fn add(&mut self, data: &[u8], pieces: usize) {
        self.bytes += data.len() as u64;
        self.pieces += pieces as u64;
        self.digest.update(data);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn finish(self) -> Tally {
        Tally {
            bytes: self.bytes,
            pieces: self.pieces,
            digest: Digest(self.digest.digest128()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(data: &[u8]) -> Tally {
        let mut meter = Meter::new();
        meter.add(data, 1);
        meter.finish()
    }

    #[test]
    fn digest_is_that_of_all_bytes_in_order() {
        let mut meter = Meter::new();
        meter.add(b"hello ", 1);
        meter.add(b"world", 1);
        let parts = meter.finish();
        let whole = tally(b"hello world");
        assert_eq!((parts.bytes, parts.digest), (11, whole.digest));
        assert_eq!(
            whole.digest.0,
            xxhash_rust::xxh3::xxh3_128(b"hello world"),
            "the plain algorithm, so that others can compute it"
        );
    }

    #[test]
    fn digest_survives_json() {
        // One with leading zeros.
        let digest = Digest(0xabc);
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(json, r#""00000000000000000000000000000abc""#);
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
        assert!(serde_json::from_str::<Digest>(r#""nonsense""#).is_err());
    }

    #[test]
    fn verify_accepts_what_is_the_same() {
        let sent = tally(b"data");
        sent.verify(&sent, Transport::ZocketStream).unwrap();
    }

    #[test]
    fn verify_refuses_each_difference() {
        let sent = tally(b"data");
        let flipped_bit = Tally {
            digest: Digest(sent.digest.0 ^ 1),
            ..sent
        };
        let one_more_byte = Tally {
            bytes: sent.bytes + 1,
            ..sent
        };
        for arrived in [flipped_bit, one_more_byte, tally(b"dat"), tally(b"adta")] {
            for transport in [
                Transport::ZocketStream,
                Transport::ZocketDatagram,
                Transport::Pipe,
            ] {
                let failure = sent.verify(&arrived, transport).unwrap_err();
                assert!(
                    failure.to_string().contains("not what was sent"),
                    "{failure}"
                );
            }
        }
    }

    #[test]
    fn verify_minds_boundaries_only_where_they_are_kept() {
        let sent = tally(b"data");
        let split = Tally { pieces: 2, ..sent };
        assert!(sent.verify(&split, Transport::ZocketDatagram).is_err());
        assert!(sent.verify(&split, Transport::UnixSeqpacket).is_err());
        assert!(sent.verify(&split, Transport::ZocketStream).is_ok());
        assert!(sent.verify(&split, Transport::Pipe).is_ok());
        assert!(sent.verify(&split, Transport::UnixStream).is_ok());
    }
}

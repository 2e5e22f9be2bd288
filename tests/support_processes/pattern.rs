//! Bytes that say where in the stream they belong, and who checks them.

use std::sync::OnceLock;

use super::rng::Rng;

/// Length after which the bytes repeat: a prime, so that no ring size divides it.
const PERIOD: usize = 1_048_573;
/// Most bytes of a slice of the pattern.
pub(crate) const LONGEST: usize = 1 << 18;

/// The `len` bytes that belong at `position`.
pub(crate) fn pattern(position: u64, len: usize) -> &'static [u8] {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut rng = Rng::new(1);
        let words = PERIOD.div_ceil(8);
        let mut table: Vec<u8> = (0..words).flat_map(|_| rng.next().to_le_bytes()).collect();
        table.truncate(PERIOD);
        table.extend_from_within(..LONGEST);
        table
    });
    let start = (position % PERIOD as u64) as usize;
    &table[start..start + len]
}

/// Where the pattern of a direction begins: a byte that strays from one
/// direction to the other is noticed.
fn origin(direction: u64) -> u64 {
    direction * 400_009
}

/// What is sent in one direction, in random pieces.
#[derive(Debug)]
pub(crate) struct Source {
    direction: u64,
    sent: u64,
    pieces: Rng,
    longest: usize,
    next: usize,
}

impl Source {
    pub(crate) fn new(direction: u64, seed: u64, longest: usize) -> Self {
        let mut pieces = Rng::new(seed ^ direction);
        let longest = longest.min(LONGEST);
        let next = pieces.length(longest);
        Self {
            direction,
            sent: 0,
            pieces,
            longest,
            next,
        }
    }

    /// Goes on where another source of the direction has stopped.
    pub(crate) fn resume(mut self, sent: u64) -> Self {
        self.sent = sent;
        self
    }

    /// The next piece; the same one until something of it was sent.
    pub(crate) fn piece(&self) -> &'static [u8] {
        pattern(origin(self.direction) + self.sent, self.next)
    }

    /// Notes that the first `len` bytes of the piece are sent.
    pub(crate) fn sent(&mut self, len: usize) {
        assert!(0 < len && len <= self.next, "{len} bytes were accepted");
        self.sent += len as u64;
        self.next = self.pieces.length(self.longest);
    }

    pub(crate) fn total(&self) -> u64 {
        self.sent
    }
}

/// Checks what arrives from one direction.
#[derive(Debug)]
pub(crate) struct Checker {
    direction: u64,
    received: u64,
}

impl Checker {
    pub(crate) fn new(direction: u64) -> Self {
        Self {
            direction,
            received: 0,
        }
    }

    /// Goes on where another checker of the direction has stopped.
    pub(crate) fn resume(mut self, received: u64) -> Self {
        self.received = received;
        self
    }

    /// Takes the next bytes.
    ///
    /// # Panics
    /// If they are not those that belong there.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        let expected = pattern(origin(self.direction) + self.received, bytes.len());
        if bytes != expected {
            let at = bytes.iter().zip(expected).take_while(|(a, b)| a == b);
            panic!(
                "direction {}: byte {} of the stream is wrong",
                self.direction,
                self.received + at.count() as u64
            );
        }
        self.received += bytes.len() as u64;
    }

    pub(crate) fn total(&self) -> u64 {
        self.received
    }
}

//! The bytes that are written: a running pattern, so that a byte in the wrong place shows.

use std::sync::OnceLock;

/// Length after which the bytes repeat: a prime, so that no capacity divides it.
const PERIOD: usize = 1_048_583;
/// Most bytes to be had at once.
const LONGEST: usize = 1 << 20;

/// The `len` bytes from `position` on.
pub(crate) fn content(position: u64, len: usize) -> &'static [u8] {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    let table = TABLE.get_or_init(table);
    let start = (position % PERIOD as u64) as usize;
    &table[start..start + len]
}

fn table() -> Vec<u8> {
    // Xorshift: neighbouring bytes have nothing in common.
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    let mut table: Vec<u8> = (0..PERIOD).map(next).collect();
    table.extend_from_within(..LONGEST);
    table
}

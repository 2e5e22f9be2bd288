//! The form of a handle's value.
//!
//! ```text
//! bit 31                                   2 1 0
//!     [ (generation | slot) XOR secret      ] 1 1
//! ```
//!
//! The two low bits are 1 in every handle, so 0 is none. The secret makes values look
//! random, so that nobody comes to rely on small ones, or on those of the last run.
//! The generation is raised each time a slot is used again, and begins anew when it
//! does not fit any more: after 2,048 times with 2^19 slots.

use std::hash::{BuildHasher, RandomState};

use crate::zx::types::ZX_HANDLE_FIXED_BITS_MASK;

/// The bits that are 1 in every value.
const FIXED_BITS: u32 = ZX_HANDLE_FIXED_BITS_MASK;
/// How many those are.
const FIXED: u32 = FIXED_BITS.count_ones();
/// All bits that a code can have.
const CODE_MASK: u32 = u32::MAX >> FIXED;

/// Whether a value has the form of a handle. One that has need not be open.
#[inline(always)]
pub const fn is_well_formed(value: u32) -> bool {
    value & FIXED_BITS == FIXED_BITS
}

/// A secret that differs from process to process.
pub(super) fn random_secret() -> u32 {
    // The upper half: any 32 bits of a keyed hash will do.
    (RandomState::new().hash_one("handles") >> 32) as u32
}

/// Generation and slot: what a value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Code(u32);

impl Code {
    /// The first use of a slot.
    pub(super) const fn first(index: usize) -> Self {
        // Fits: a table has at most 2^20 slots.
        Self(index as u32)
    }

    /// The slot, of `limit`, which is a power of two.
    #[inline(always)]
    pub(super) const fn index(self, limit: usize) -> usize {
        self.0 as usize & (limit - 1)
    }
}

/// Turns codes into values and back.
pub(super) struct Codec {
    secret: u32,
    /// What raises the generation by one.
    step: u32,
}

impl Codec {
    /// For a table of `limit` slots, a power of two.
    pub(super) const fn new(secret: u32, limit: usize) -> Self {
        Self {
            secret: secret & CODE_MASK,
            step: limit as u32,
        }
    }

    /// The value of a code.
    pub(super) const fn encode(&self, code: Code) -> u32 {
        (code.0 ^ self.secret) << FIXED | FIXED_BITS
    }

    /// The code of a value; of one that is not well formed, the code of the one that
    /// differs in the low bits only.
    #[inline(always)]
    pub(super) const fn decode(&self, value: u32) -> Code {
        Code(value >> FIXED ^ self.secret)
    }

    /// The code for the next use of the same slot.
    pub(super) const fn next(&self, code: Code) -> Code {
        Code(code.0.wrapping_add(self.step) & CODE_MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_leads_back_to_its_code() {
        let codec = Codec::new(0xDEAD_BEEF, 1 << 19);
        for code in [0, 1, 0x1234_5678, CODE_MASK] {
            let value = codec.encode(Code(code));
            assert!(is_well_formed(value));
            assert_eq!(codec.decode(value), Code(code));
        }
    }

    #[test]
    fn values_without_the_low_bits_are_not_well_formed() {
        for value in [0, 1, 2, 4, 0xFFFF_FFFC, 0xFFFF_FFFE] {
            assert!(!is_well_formed(value));
        }
    }

    #[test]
    fn next_code_has_the_same_slot_until_the_generation_begins_anew() {
        let limit = 1 << 19;
        let codec = Codec::new(1, limit);
        let mut code = Code::first(limit - 1);
        for _ in 1..2048 {
            code = codec.next(code);
            assert_ne!(code, Code::first(limit - 1));
            assert_eq!(code.index(limit), limit - 1);
        }
        assert_eq!(codec.next(code), Code::first(limit - 1));
    }

    #[test]
    fn secrets_differ() {
        let first = random_secret();
        assert!((0..8).any(|_| random_secret() != first));
    }
}

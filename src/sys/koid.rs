//! Identities of endpoints: rising, and for all practical purposes unique while the
//! system is up.
//!
//! Zircon's kernel counts. Nobody can count for all processes of a Linux system
//! without a shared file, so the identity is the time since boot in units of
//! 64 ns, then ten random bits against two CPUs that create a pair in the same
//! 64 ns, then one bit for the end. The top bit stays 0 for 580 years of uptime.
//! The peer can lie about its own; nothing but display depends on it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use nix::time::ClockId;

use super::deadline;

/// The identity of a new object that is not one of a pair.
pub(crate) fn new() -> u64 {
    new_pair()[0]
}

/// The identities of the two endpoints of a new pair.
pub(crate) fn new_pair() -> [u64; 2] {
    let ticks = deadline::now(ClockId::CLOCK_BOOTTIME) as u64 / 64;
    // std's hasher keys are random for each process and differ for each call.
    let random = RandomState::new().hash_one(ticks) & 0x3FF;
    let even = (ticks << 11 | random << 1) & (u64::MAX >> 1);
    [even, even + 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn koids_rise_and_never_repeat() {
        let mut last = 1024;
        for _ in 0..1000 {
            let [a, b] = new_pair();
            assert!(a > last || a >> 11 == last >> 11, "{a} after {last}");
            assert_eq!(b, a + 1);
            assert_eq!(b >> 63, 0);
            last = b;
        }
    }
}

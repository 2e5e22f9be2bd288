//! What every function does around its call: panics and results become numbers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use engine::zx::{Result, ZX_ERR_INTERNAL, ZX_OK, zx_status_t};

use crate::memory;

/// Runs a call that touches no memory of the caller.
pub(crate) fn status(call: impl FnOnce() -> Result) -> zx_status_t {
    // Nothing of this crate's own can be left half changed: the state is the engine's, which
    // stays consistent when it panics, or poisons itself.
    match catch_unwind(AssertUnwindSafe(|| number(call()))) {
        Ok(number) => number,
        Err(payload) => {
            // Its destructor might panic in turn.
            std::mem::forget(payload);
            ZX_ERR_INTERNAL
        }
    }
}

fn number(result: Result) -> zx_status_t {
    match result {
        Ok(()) => ZX_OK,
        Err(status) => status.into_raw(),
    }
}

/// Runs a call that is given pointers.
///
/// Where they are to be checked and the system does not let us, the call is refused; also
/// if that comes out only on the way, when it looked like a bad pointer. So is a failure to copy
/// told from a bad pointer.
pub(crate) fn status_with_memory(call: impl FnOnce() -> Result) -> zx_status_t {
    status(|| {
        memory::ready()?;
        call().map_err(memory::explain)
    })
}

#[cfg(test)]
mod tests {
    use engine::zx::{Status, ZX_ERR_TIMED_OUT};

    use super::*;

    #[test]
    fn results_become_numbers() {
        assert_eq!(status(|| Ok(())), ZX_OK);
        assert_eq!(status(|| Err(Status::TIMED_OUT)), ZX_ERR_TIMED_OUT);
        assert_eq!(
            status_with_memory(|| Err(Status::TIMED_OUT)),
            ZX_ERR_TIMED_OUT
        );
    }

    #[test]
    fn panic_stays_inside() {
        assert_eq!(status(|| panic!("on purpose")), ZX_ERR_INTERNAL);
    }

    #[test]
    fn panic_with_a_payload_that_panics_stays_inside() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("on purpose, too");
            }
        }
        let fuse = || std::panic::panic_any(Bomb);
        assert_eq!(status(fuse), ZX_ERR_INTERNAL);
    }
}

//! Errors, as numbers and as a type.

use std::fmt;

use super::types::*;

/// Why a call did not do what was asked: a status other than `ZX_OK`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(zx_status_t);

/// What the calls return.
pub type Result<T = (), E = Status> = std::result::Result<T, E>;

macro_rules! statuses {
    ($($name:ident $value:ident $doc:literal)*) => {
        impl Status {
            $(#[doc = $doc] pub const $name: Self = Self($value);)*

            /// The name of a status, that of success included; `None` for other numbers.
            pub fn name_of(raw: zx_status_t) -> Option<&'static str> {
                match raw {
                    ZX_OK => Some("ZX_OK"),
                    $($value => Some(stringify!($value)),)*
                    _ => None,
                }
            }
        }
    };
}

statuses! {
    INTERNAL ZX_ERR_INTERNAL "A fault of the implementation, or a system call that failed for no reason named here."
    NOT_SUPPORTED ZX_ERR_NOT_SUPPORTED "Not possible with this object, or on this system."
    NO_RESOURCES ZX_ERR_NO_RESOURCES "Out of descriptors, threads, or the like."
    NO_MEMORY ZX_ERR_NO_MEMORY "Out of memory, or of handles."
    INVALID_ARGS ZX_ERR_INVALID_ARGS "An argument that is wrong whatever the state, a bad pointer included."
    BAD_HANDLE ZX_ERR_BAD_HANDLE "No handle, or not one any more."
    WRONG_TYPE ZX_ERR_WRONG_TYPE "A handle to an object of another type."
    BAD_SYSCALL ZX_ERR_BAD_SYSCALL "No such call."
    OUT_OF_RANGE ZX_ERR_OUT_OF_RANGE "Too large: can never succeed with this object."
    BUFFER_TOO_SMALL ZX_ERR_BUFFER_TOO_SMALL "The caller's buffer is too small."
    BAD_STATE ZX_ERR_BAD_STATE "Not in this state of the object."
    TIMED_OUT ZX_ERR_TIMED_OUT "The deadline passed."
    SHOULD_WAIT ZX_ERR_SHOULD_WAIT "Would block."
    CANCELED ZX_ERR_CANCELED "The handle was closed under a wait."
    PEER_CLOSED ZX_ERR_PEER_CLOSED "The other endpoint is closed, or its process is gone."
    NOT_FOUND ZX_ERR_NOT_FOUND "Nothing of that kind is there."
    ALREADY_EXISTS ZX_ERR_ALREADY_EXISTS "It is there already."
    UNAVAILABLE ZX_ERR_UNAVAILABLE "Cannot be had now."
    ACCESS_DENIED ZX_ERR_ACCESS_DENIED "The handle lacks a right."
}

impl Status {
    /// The number that C gets.
    pub fn into_raw(self) -> zx_status_t {
        self.0
    }

    /// The status with this number, which is not that of success.
    pub(super) const fn error(raw: zx_status_t) -> Self {
        Self(raw)
    }

    /// Makes a result of a number: `Ok` of `ZX_OK`.
    ///
    /// # Errors
    /// Any other number.
    pub fn ok(raw: zx_status_t) -> Result {
        match raw {
            ZX_OK => Ok(()),
            raw => Err(Self(raw)),
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::name_of(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "status {}", self.0),
        }
    }
}

impl std::error::Error for Status {}

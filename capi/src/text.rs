//! Names of statuses as C strings.

use std::ffi::CStr;

use engine::zx::*;

macro_rules! names {
    ($($name:ident)*) => {
        /// The name of a status, or a text for a number that is none.
        pub(crate) fn name(status: zx_status_t) -> &'static CStr {
            match status {
                $($name => const {
                    match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                        Ok(name) => name,
                        Err(_) => panic!("a name has no zero in it"),
                    }
                },)*
                _ => c"not a zx_status_t of this library",
            }
        }
    };
}

names! {
    ZX_OK
    ZX_ERR_INTERNAL
    ZX_ERR_NOT_SUPPORTED
    ZX_ERR_NO_RESOURCES
    ZX_ERR_NO_MEMORY
    ZX_ERR_INVALID_ARGS
    ZX_ERR_BAD_HANDLE
    ZX_ERR_WRONG_TYPE
    ZX_ERR_BAD_SYSCALL
    ZX_ERR_OUT_OF_RANGE
    ZX_ERR_BUFFER_TOO_SMALL
    ZX_ERR_BAD_STATE
    ZX_ERR_TIMED_OUT
    ZX_ERR_SHOULD_WAIT
    ZX_ERR_CANCELED
    ZX_ERR_PEER_CLOSED
    ZX_ERR_NOT_FOUND
    ZX_ERR_ALREADY_EXISTS
    ZX_ERR_UNAVAILABLE
    ZX_ERR_ACCESS_DENIED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_engines() {
        for raw in -1000..1000 {
            let ours = name(raw)
                .to_str()
                .ok()
                .filter(|name| name.starts_with("ZX_"));
            assert_eq!(ours, Status::name_of(raw), "{raw}");
        }
    }
}

//! Names as std has them, for sockets of a type that std does not make.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;

use nix::sys::socket::UnixAddr;

use crate::error::{Error, Result};

/// The address of a path.
///
/// # Errors
/// [`Error::InvalidName`].
pub(super) fn of_path(path: &Path) -> Result<SocketAddr> {
    SocketAddr::from_pathname(path).map_err(|_| Error::InvalidName)
}

/// An address as it is given to the kernel.
///
/// # Errors
/// [`Error::InvalidName`] if it is without a name, or with an empty one.
pub(super) fn to_kernel(address: &SocketAddr) -> Result<UnixAddr> {
    let converted = match (address.as_pathname(), address.as_abstract_name()) {
        (Some(path), _) => UnixAddr::new(path),
        (None, Some(name)) if !name.is_empty() => UnixAddr::new_abstract(name),
        (None, _) => return Err(Error::InvalidName),
    };
    converted.map_err(|_| Error::InvalidName)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_socket_can_have_are_refused() {
        for path in ["", "nul\0nul", &"x".repeat(108)] {
            let refused = of_path(Path::new(path)).and_then(|address| to_kernel(&address));
            assert_eq!(refused, Err(Error::InvalidName), "{path:?}");
        }
        let longest = "x".repeat(107);
        let address = of_path(Path::new(&longest)).unwrap();
        let kernels = to_kernel(&address).unwrap();
        assert_eq!(kernels.path(), Some(Path::new(&longest)));
    }

    #[test]
    fn empty_abstract_name_is_refused() {
        let empty = SocketAddr::from_abstract_name("").unwrap();
        assert_eq!(to_kernel(&empty), Err(Error::InvalidName));
    }

    #[test]
    fn abstract_names_are_kept_as_they_are() {
        for name in [&b"name"[..], b"\0", b"with\0nul", &[b'x'; 107]] {
            let address = SocketAddr::from_abstract_name(name).unwrap();
            assert_eq!(to_kernel(&address).unwrap().as_abstract(), Some(name));
        }
    }
}

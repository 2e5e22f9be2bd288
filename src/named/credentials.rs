//! Who is at the other end of a connection.

use std::fmt;
use std::os::fd::AsFd;

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::geteuid;

use crate::error::{Error, Result};

/// The process at the other end of a connection, as the kernel wrote it down when it was made.
///
/// Of a client: when it connected. Of a server: when it began to listen; of one that was
/// [activated](super::Listener::from_env) that is whoever made the socket for it, such as systemd.
///
/// The user and the group are the effective ones, with their numbers in this process's user
/// namespace. One that has no number there appears as the overflow user (usually 65534, `nobody`).
/// An endpoint, and a connection, can be passed on: these are not the credentials of whoever
/// uses it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// The process; `None` if it is in a PID namespace that this process does not see. It may be
    /// gone by now, and the number be another's.
    pub pid: Option<u32>,
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl Credentials {
    /// Those of whoever is at the other end of a connected Unix socket.
    ///
    /// # Errors
    /// [`Error::Os`].
    pub(super) fn of_peer(socket: &impl AsFd) -> Result<Self> {
        let found = getsockopt(socket, sockopt::PeerCredentials);
        let found = found.map_err(|e| Error::os("getsockopt", e))?;
        Ok(Self {
            pid: u32::try_from(found.pid()).ok().filter(|pid| *pid != 0),
            uid: found.uid(),
            gid: found.gid(),
        })
    }

    /// Whether the user is the effective one of this process.
    pub fn is_same_user(&self) -> bool {
        self.uid == geteuid().as_raw()
    }
}

/// Whom to serve, or to be served by.
pub(super) struct Policy(Box<dyn Fn(&Credentials) -> bool + Send + Sync>);

impl Policy {
    pub(super) fn new(allows: impl Fn(&Credentials) -> bool + Send + Sync + 'static) -> Self {
        Self(Box::new(allows))
    }

    pub(super) fn allows(&self, credentials: &Credentials) -> bool {
        (self.0)(credentials)
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Policy")
    }
}

//! The command lines of `zocket listen` and `zocket connect`.

use std::ffi::OsString;
use std::fmt;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;

use bytesize::ByteSize;
use clap::Parser;
use clap::builder::{OsStringValueParser, TypedValueParser};
use zocket::Builder;
use zocket::named::{Connector, StreamListener};

use crate::size::size_within;

/// What both say at the end of their help.
const MORE: &str = "\
Examples:
  zocket listen /run/user/1000/backup > backup.tar    # here
  tar -c . | zocket connect /run/user/1000/backup     # there
  zocket listen @chat                                 # an abstract name, which anybody
  zocket connect @chat                                # can take: so both ask for the same user

Ends:
  The end of standard input is the end of what the other side reads; what it still has to say is
  waited for. When the other side is gone, by whatever end, this one ends too. What nobody reads any
  more, there or at standard output, is an error. What the socket holds when all of the input was sent
  is left to the other side, whose exit status tells of it.

Exit status:
  0  both directions came to their end
  1  it could not listen or connect, or not copy everything
  2  the command line is wrong";

/// Listen at a path and connect standard input and output to the first who comes
///
/// Only processes of the same user are accepted. The path is removed again when somebody has come; one that a
/// dead listener has left behind is replaced.
#[derive(Debug, Parser)]
#[command(after_long_help = MORE)]
pub(crate) struct ListenArgs {
    /// Path of the socket, or after an @ its abstract name
    #[arg(value_parser = OsStringValueParser::new().try_map(name))]
    pub(super) name: Name,

    /// Permission bits of the path, in octal
    ///
    /// To connect takes the permission to write. Other users are refused all the same, unless --any-user is given.
    #[arg(long, value_name = "BITS", default_value = "600", value_parser = mode)]
    pub(super) mode: u32,

    /// Accept every user whom the permission bits let through
    #[arg(long)]
    any_user: bool,

    /// Bytes that each direction holds
    #[arg(long, value_name = "SIZE", default_value = "256KiB",
          value_parser = size_within(zocket::MIN_CAPACITY as u64, zocket::MAX_CAPACITY as u64))]
    capacity: ByteSize,
}

impl ListenArgs {
    /// A listener as it is wanted.
    pub(super) fn prepare(&self, mut listener: StreamListener) -> StreamListener {
        if self.any_user {
            listener.set_policy(|_| true);
        }
        listener.set_pairs(Builder::new().capacity(self.capacity.0 as usize));
        listener
    }
}

/// Connect standard input and output to whoever listens at a path
///
/// Connects only to processes of the same user: an abstract name, and a path in a directory like /tmp, can be
/// anybody's.
#[derive(Debug, Parser)]
#[command(after_long_help = MORE)]
pub(crate) struct ConnectArgs {
    /// Path of the socket, or after an @ its abstract name
    #[arg(value_parser = OsStringValueParser::new().try_map(name))]
    pub(super) name: Name,

    /// Connect to whoever listens there, of any user
    #[arg(long)]
    any_user: bool,
}

impl ConnectArgs {
    /// A connector as it is wanted.
    pub(super) fn connector(&self) -> Connector {
        let any_user = self.any_user;
        Connector::new().policy(move |listener| any_user || listener.is_same_user())
    }
}

/// Where somebody listens.
#[derive(Clone, Debug)]
pub(super) struct Name(pub(super) SocketAddr);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.as_pathname(), self.0.as_abstract_name()) {
            (Some(path), _) => path.display().fmt(f),
            (None, name) => {
                let name = name.unwrap_or_default();
                write!(f, "@{}", String::from_utf8_lossy(name))
            }
        }
    }
}

fn name(name: OsString) -> Result<Name, String> {
    let address = match name.as_bytes() {
        [] => return Err("a path is not empty".to_owned()),
        // The kernel would choose one, which nobody could know.
        [b'@'] => return Err("an abstract name is not empty".to_owned()),
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&name),
    };
    address
        .map(Name)
        .map_err(|_| "no socket can have that name: it may have 107 bytes, and no NUL".to_owned())
}

fn mode(bits: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(bits, 8).ok();
    mode.filter(|mode| *mode <= 0o777)
        .ok_or_else(|| "from 0 to 777, in octal".to_owned())
}

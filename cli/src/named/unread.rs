//! What the other side has not read when it is gone.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;
use zocket::Stream;
use zocket::inspect::{LINK, Pair};

/// The memory of a stream, to be looked at when the stream knows no more than that it has no peer.
#[derive(Debug)]
pub(super) struct Memory {
    pair: Pair,
    /// Which end is ours.
    own: usize,
}

impl Memory {
    /// That of an endpoint of this process; `None` if /proc does not show it.
    pub(super) fn of(stream: &Stream) -> Option<Self> {
        let koid = stream.info().koid;
        let descriptors = fs::read_dir("/proc/self/fd").ok()?;
        descriptors.flatten().find_map(|descriptor| {
            let pair = open(&descriptor.path())?;
            let own = pair.koids().iter().position(|end| *end == koid)?;
            Some(Self { pair, own })
        })
    }

    /// The bytes that were lost, if the other side is gone.
    pub(super) fn lost(&self) -> Option<u64> {
        let [closed, unread] = [(); 2].map(|()| self.pair.look().ok());
        let is_gone = closed?[1 - self.own].closed;
        // Looked at again: it may have read the rest, and gone, while the first look was taken.
        let unread = unread?[self.own].unread_by_peer;
        (is_gone && unread > 0).then_some(unread)
    }
}

fn open(path: &Path) -> Option<Pair> {
    if fs::read_link(path).ok()?.as_os_str() != LINK {
        return None;
    }
    let mut options = File::options();
    // The other side may have made it, and have a lease that opening it would wait for.
    let options = options.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
    Pair::open(options.open(path).ok()?.into()).ok()
}

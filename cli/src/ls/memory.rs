//! Opening the memory of pairs that other processes have, without trusting what they call so.

use std::ffi::CStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::sys::memfd::{MFdFlags, memfd_create};

const NAME: &CStr = c"zocket-ls";

/// Where memfds are, by which they are told from what only looks like one.
///
/// A link in `/proc/PID/fd` shows a path, which can be that of any file: of a pipe, that waits for a writer when
/// it is opened, or of a file system whose owner answers when he likes. A memfd is on a mount of the kernel's own
/// that no other file is on, and the mount of a descriptor is known without touching the file.
#[derive(Debug)]
pub(super) struct Memfds {
    mounts: Vec<u64>,
}

/// Tells one memory from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    device: u64,
    pub(super) inode: u64,
}

/// A memfd of another process, not yet open.
#[derive(Debug)]
pub(super) struct Memfd {
    pub(super) key: Key,
    path: File,
}

impl Memfds {
    pub(super) fn new() -> Result<Self> {
        let flags = MFdFlags::MFD_CLOEXEC;
        let ours = memfd_create(NAME, flags).context("cannot make a memfd to compare with")?;
        let ours = mount(&ours).context("cannot tell where memfds are: is /proc mounted?")?;
        let mut mounts = vec![ours];
        // Those on huge pages are elsewhere, if there are any.
        let huge = flags | MFdFlags::MFD_HUGETLB | MFdFlags::MFD_HUGE_2MB;
        mounts.extend(memfd_create(NAME, huge).ok().and_then(|fd| mount(&fd).ok()));
        Ok(Self { mounts })
    }

    /// Looks at a descriptor of another process, which may have become something else meanwhile. `None` if it is
    /// no memfd.
    pub(super) fn find(&self, pid: i32, fd: i32) -> io::Result<Option<Memfd>> {
        let path = OpenOptions::new()
            .read(true)
            // Finds the file, and does not open it.
            .custom_flags(OFlag::O_PATH.bits())
            .open(format!("/proc/{pid}/fd/{fd}"))?;
        if !self.mounts.contains(&mount(&path)?) {
            return Ok(None);
        }
        let metadata = path.metadata()?;
        let key = Key {
            device: metadata.dev(),
            inode: metadata.ino(),
        };
        Ok(Some(Memfd { key, path }))
    }
}

impl Memfd {
    /// Opens it for reading.
    pub(super) fn open(&self) -> io::Result<OwnedFd> {
        let mut options = File::options();
        // Of one that somebody has a lease on (F_SETLEASE), opening would wait for that one to give it up.
        let options = options.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
        let opened = options.open(proc_path("fd", &self.path));
        opened.map(OwnedFd::from)
    }
}

fn proc_path(directory: &str, fd: &impl AsRawFd) -> String {
    format!("/proc/self/{directory}/{}", fd.as_raw_fd())
}

/// The mount that one of our descriptors is on.
fn mount(fd: &impl AsRawFd) -> io::Result<u64> {
    let info = fs::read_to_string(proc_path("fdinfo", fd))?;
    let mut lines = info.lines();
    let mount = lines.find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok());
    mount.ok_or_else(|| io::Error::other("no mnt_id in fdinfo"))
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use nix::libc;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;
    use signal_hook::consts::SIGIO;

    use super::*;

    fn find(fd: &impl AsRawFd) -> Option<Memfd> {
        let pid = std::process::id().try_into().unwrap();
        Memfds::new().unwrap().find(pid, fd.as_raw_fd()).unwrap()
    }

    #[test]
    fn memfd_is_found_and_opened_for_reading() {
        let memfd = memfd_create(c"test", MFdFlags::MFD_CLOEXEC).unwrap();
        let found = find(&memfd).unwrap();
        let again = found.open().unwrap();
        assert_eq!(find(&again).unwrap().key, found.key);
        let written = nix::unistd::write(&again, b"x");
        assert_eq!(written, Err(nix::errno::Errno::EBADF));
    }

    #[test]
    fn what_is_called_like_a_memfd_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::create(directory.path().join("memfd:zocket (deleted)")).unwrap();
        assert!(find(&file).is_none());
        // Opening this for reading would wait for a writer.
        let pipe = directory.path().join("pipe");
        mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        let pipe = File::options().read(true).write(true).open(pipe).unwrap();
        assert!(find(&pipe).is_none());
    }
    /// Has whoever opens a file wait until its lease is given up, or is taken away after 45 seconds.
    fn lease(fd: &impl AsRawFd) {
        // Comes when somebody opens it, and would end the process.
        signal_hook::flag::register(SIGIO, Arc::new(AtomicBool::new(false))).unwrap();
        #[allow(unsafe_code, reason = "nix has no such call")]
        // SAFETY: the descriptor is open, and F_SETLEASE takes a number; no memory is touched.
        let result = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
    }

    #[test]
    fn memfd_with_a_lease_is_not_waited_for() {
        let memfd = memfd_create(c"test", MFdFlags::MFD_CLOEXEC).unwrap();
        // The kernel does not count the first as open.
        let again = File::open(proc_path("fd", &memfd)).unwrap();
        lease(&again);
        let error = find(&memfd).unwrap().open().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    }
}

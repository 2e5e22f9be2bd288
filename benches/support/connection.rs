//! Connections for tasks, over zocket and over Unix sockets, to be measured side by side.

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

/// One end of a connection that has to be made within the runtime that uses it.
pub(crate) trait Connection: Send + Sized + 'static {
    /// How figures are called.
    const NAME: &str;
    /// What it becomes there.
    type End: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Both ends.
    fn pair() -> (Self, Self);
    /// Makes it one for the tasks of this runtime.
    fn open(self) -> Self::End;
}

impl Connection for zocket::Stream {
    const NAME: &str = "zocket";
    type End = zocket::tokio::Stream;

    fn pair() -> (Self, Self) {
        Self::pair().unwrap()
    }

    fn open(self) -> Self::End {
        zocket::tokio::Stream::from_blocking(self).unwrap()
    }
}

impl Connection for std::os::unix::net::UnixStream {
    const NAME: &str = "AF_UNIX";
    type End = UnixStream;

    fn pair() -> (Self, Self) {
        let (a, b) = Self::pair().unwrap();
        for end in [&a, &b] {
            end.set_nonblocking(true).unwrap();
        }
        (a, b)
    }

    fn open(self) -> UnixStream {
        UnixStream::from_std(self).unwrap()
    }
}

/// Keeps this thread on one CPU, if there is one of that number.
pub(crate) fn stay_on(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu).unwrap();
    let _ = sched_setaffinity(Pid::from_raw(0), &set);
}

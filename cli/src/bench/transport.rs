//! What is compared: connections that are opened here and taken by the other process.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use clap::ValueEnum;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::socket::{setsockopt, sockopt};
use serde::Serialize;
use zocket::{Builder, Stream, process};

use super::connection::{Blocking, Pipes, Spinning};
use super::job::{Figures, Job};
use super::machine::Machine;

/// The program itself, even if its file was replaced meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// Name under which the other process inherits its end of a zocket.
const ENDPOINT: &str = "bench";
/// What each transport can hold in each direction, as far as the kernel grants it.
const CAPACITY: usize = 256 << 10;

/// A way between two processes, and how it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Transport {
    ZocketBlocking,
    ZocketSpinning,
    Pipe,
    UnixStream,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::ZocketBlocking => "zocket, blocking",
            Self::ZocketSpinning => "zocket, spinning",
            Self::Pipe => "kernel pipe",
            Self::UnixStream => "AF_UNIX stream",
        })
    }
}

impl Transport {
    /// Those that make sense on a machine; the first is what the others are compared with.
    pub(super) fn all(machine: &Machine) -> Vec<Self> {
        let mut all = Self::value_variants().to_vec();
        // Who spins keeps the other one from running.
        all.retain(|&transport| machine.has_two_cpus() || transport != Self::ZocketSpinning);
        all
    }

    /// Does a job with another process, on that CPU.
    pub(super) fn run(self, job: Job, time: Duration, cpu: usize) -> io::Result<Figures> {
        let command = self.command(job, cpu);
        match self {
            Self::ZocketBlocking | Self::ZocketSpinning => {
                let (near, far) = Builder::new().capacity(CAPACITY).stream_pair()?;
                let peer = process::spawn(command, [(ENDPOINT, far.into_fd()?)])?;
                match self {
                    Self::ZocketSpinning => Peer(peer).finish(job.drive(time, Spinning(near))),
                    _ => Peer(peer).finish(job.drive(time, Blocking(near))),
                }
            }
            Self::Pipe => {
                let ((far_from, to), (from, far_to)) = (pipe()?, pipe()?);
                let peer = spawn(command, far_from, Some(far_to))?;
                let near = Pipes {
                    from: File::from(from),
                    to: Some(File::from(to)),
                };
                peer.finish(job.drive(time, near))
            }
            Self::UnixStream => {
                let (near, far) = UnixStream::pair()?;
                for end in [&near, &far] {
                    setsockopt(end, sockopt::SndBuf, &CAPACITY)?;
                }
                let peer = spawn(command, far.into(), None)?;
                peer.finish(job.drive(time, near))
            }
        }
    }

    fn command(self, job: Job, cpu: usize) -> Command {
        let mut command = Command::new(THIS_PROGRAM);
        command
            .arg0("zocket")
            .arg("bench-peer")
            .arg(format!("--transport={}", argument(self)))
            .arg(format!("--job={}", argument(job)))
            .arg(format!("--cpu={cpu}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    /// Does the part of the other process.
    pub(super) fn serve(self, job: Job) -> io::Result<()> {
        let (stdin, stdout) = (io::stdin(), io::stdout());
        let stdin = || stdin.as_fd().try_clone_to_owned();
        match self {
            Self::ZocketBlocking => job.serve(Blocking(Stream::inherited(ENDPOINT)?)),
            Self::ZocketSpinning => job.serve(Spinning(Stream::inherited(ENDPOINT)?)),
            Self::Pipe => job.serve(Pipes {
                from: File::from(stdin()?),
                to: Some(File::from(stdout.as_fd().try_clone_to_owned()?)),
            }),
            Self::UnixStream => job.serve(UnixStream::from(stdin()?)),
        }
    }
}

/// What the command line of the other process calls it.
fn argument(value: impl ValueEnum) -> String {
    let value = value.to_possible_value().expect("none is skipped");
    value.get_name().to_owned()
}

/// The ends of a pipe, to read from and to write to.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (from, to) = io::pipe()?;
    // An administrator may allow less.
    let _ = fcntl(&to, FcntlArg::F_SETPIPE_SZ(CAPACITY as i32));
    Ok((from.into(), to.into()))
}

fn spawn(mut command: Command, stdin: OwnedFd, stdout: Option<OwnedFd>) -> io::Result<Peer> {
    command.stdin(stdin);
    if let Some(stdout) = stdout {
        command.stdout(stdout);
    }
    // The command has the far ends, and is dropped with them.
    command.spawn().map(Peer)
}

/// The other process. Killed when dropped, unless it has ended.
struct Peer(Child);

impl Peer {
    /// Waits for its end, if all went well; what it was connected with is dropped by then.
    fn finish(mut self, result: io::Result<Figures>) -> io::Result<Figures> {
        let figures = result?;
        let status = self.0.wait()?;
        match status.success() {
            true => Ok(figures),
            false => Err(io::Error::other(format!(
                "the other process ended with {status}"
            ))),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Neither does anything to a process that has been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

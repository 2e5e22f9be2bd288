//! Copying between the pipes of a command and its end of the pair.
//!
//! One thread for each direction, so that neither waits for the other.
//!
//! The ends of streams are passed on. A command that closes its output has its writing disabled: the
//! other one reads the rest and then the end of its input. Of one that does not read, the input breaks when it
//! is written to; then the other one's output is refused here, and its pipe closed.

use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStdin, ChildStdout, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use zocket::{OwnedWriteHalf, Stream};

use super::commands;
use crate::copy::{Fed, drain, feed};

type Copying = JoinHandle<zocket::Result<()>>;

/// What copies for one command.
#[derive(Debug)]
pub(super) struct Relay {
    /// Into the command's input.
    drains: Option<Copying>,
    /// Out of its output.
    feeds: Option<Feeding>,
    /// Whether nobody reads any more what the command writes.
    refused: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Feeding {
    thread: Copying,
    /// Closed by the thread: that is what stops a command that nobody reads.
    stdout: Weak<ChildStdout>,
}

impl Relay {
    /// Copies between an end and those pipes that there are.
    pub(super) fn start(
        end: Stream,
        stdin: Option<ChildStdin>,
        stdout: Option<ChildStdout>,
    ) -> Self {
        let refused = Arc::new(AtomicBool::new(false));
        // A half without a pipe is dropped, which ends its direction.
        let (mut reader, writer) = end.into_split();
        let drains = stdin.map(|stdin| thread::spawn(move || drain(&mut reader, &stdin).map(drop)));
        let feeds = stdout.map(|stdout| Feeding::start(writer, stdout, Arc::clone(&refused)));
        Self {
            drains,
            feeds,
            refused,
        }
    }

    /// What a command has to say that ended so: nothing, if it was killed because nobody reads any more.
    pub(super) fn status(&self, ended: ExitStatus) -> u8 {
        let was_refused = self.refused.load(Ordering::Relaxed);
        if was_refused && ended.signal() == Some(Signal::SIGPIPE as i32) {
            return 0;
        }
        commands::status(ended)
    }
}

impl Feeding {
    fn start(mut writer: OwnedWriteHalf, stdout: ChildStdout, refused: Arc<AtomicBool>) -> Self {
        let stdout = Arc::new(stdout);
        let weak = Arc::downgrade(&stdout);
        let thread = thread::spawn(move || {
            let result = feed(&mut writer, &stdout, None);
            if result != Ok(Fed::All) {
                // Before the pipe is closed, and the command killed by that.
                // ORDERING: Relaxed; the kernel stands between this and whoever has waited for the command.
                refused.store(true, Ordering::Relaxed);
            }
            result.map(drop)
        });
        Self {
            thread,
            stdout: weak,
        }
    }

    /// Whether it comes to its end without anybody writing more: no process has the pipe open for that.
    fn will_end(&self) -> Result<bool> {
        let Some(stdout) = self.stdout.upgrade() else {
            return Ok(true);
        };
        let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
        poll(&mut fds, PollTimeout::ZERO).context("cannot look at the output of a command")?;
        Ok(fds[0].any() == Some(true))
    }
}

/// Has all arrive that is on its way when both commands have ended, and reports what went wrong. Waits for processes
/// that commands have left behind to read it, but not for what they may still write.
pub(super) fn finish([first, second]: [Relay; 2]) -> Result<()> {
    let there = (first.feeds, second.drains);
    let back = (second.feeds, first.drains);
    for (feeds, drains) in [there, back] {
        let ends = match feeds {
            Some(feeds) if feeds.will_end()? => {
                join(feeds.thread)?;
                true
            }
            _ => false,
        };
        if let Some(drains) = drains.filter(|drains| ends || drains.is_finished()) {
            join(drains)?;
        }
    }
    Ok(())
}

fn join(thread: Copying) -> Result<()> {
    thread
        .join()
        .map_err(|_| anyhow!("a thread that copies has panicked"))?
        .context("cannot copy between the commands")
}

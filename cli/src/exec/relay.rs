//! Copying between the pipes of a command and its end of the pair.
//!
//! One thread for each direction, so that neither waits for the other.
//!
//! The ends of streams are passed on. A command that closes its output has its writing disabled: the
//! other one reads the rest and then the end of its input. Of one that does not read, the input breaks when it
//! is written to; then the other one's output is refused here, and its pipe closed.

use std::os::unix::process::ExitStatusExt;
use std::process::{ChildStdin, ChildStdout, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::Signal;
use zocket::Stream;

use super::commands;
use crate::copy::{Fed, drain, feed};

/// What copies for one command.
#[derive(Debug)]
pub(super) struct Relay {
    threads: Vec<JoinHandle<zocket::Result<()>>>,
    /// Whether nobody reads any more what the command writes.
    refused: Arc<AtomicBool>,
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
        let (mut reader, mut writer) = end.into_split();
        let mut threads = Vec::new();
        if let Some(stdin) = stdin {
            threads.push(thread::spawn(move || drain(&mut reader, &stdin).map(drop)));
        }
        if let Some(stdout) = stdout {
            let refused = Arc::clone(&refused);
            threads.push(thread::spawn(move || {
                let result = feed(&mut writer, &stdout, None);
                if result != Ok(Fed::All) {
                    // Before the pipe is closed, and the command killed by that.
                    // ORDERING: Relaxed; the kernel stands between this and whoever has waited for the command.
                    refused.store(true, Ordering::Relaxed);
                }
                result.map(drop)
            }));
        }
        Self { threads, refused }
    }

    /// What a command has to say that ended so: nothing, if it was killed because nobody reads any more.
    pub(super) fn status(&self, ended: ExitStatus) -> u8 {
        let was_refused = self.refused.load(Ordering::Relaxed);
        if was_refused && ended.signal() == Some(Signal::SIGPIPE as i32) {
            return 0;
        }
        commands::status(ended)
    }

    /// Reports what went wrong. Does not wait for processes that commands have left behind and that
    /// still have their pipes.
    pub(super) fn finish(self) -> Result<()> {
        let ended = self.threads.into_iter().filter(JoinHandle::is_finished);
        for thread in ended {
            thread
                .join()
                .map_err(|_| anyhow!("a thread that copies has panicked"))?
                .context("cannot copy between the commands")?;
        }
        Ok(())
    }
}

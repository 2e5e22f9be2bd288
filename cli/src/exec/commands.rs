//! The commands as processes: started, told of signals, waited for.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

use super::failure::Failure;

/// Those that would end this process and leave the commands to themselves.
const SIGNALS: [i32; 4] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/// Commands that run. Killed when dropped, unless they were waited for.
#[derive(Debug)]
pub(super) struct Commands {
    children: Vec<Child>,
    alive: Arc<Alive>,
}

/// Processes that can be sent signals: their numbers are not free to be anybody else's.
#[derive(Debug, Default)]
struct Alive(Mutex<Receivers>);

#[derive(Debug, Default)]
struct Receivers {
    pids: Vec<Pid>,
    /// The last that was passed on: for a command that is started only afterwards as well.
    signal: Option<Signal>,
}

impl Alive {
    fn lock(&self) -> MutexGuard<'_, Receivers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, child: &Child) {
        let mut receivers = self.lock();
        receivers.pids.push(pid(child));
        if let Some(signal) = receivers.signal {
            send(pid(child), signal);
        }
    }

    /// Before its number becomes free.
    fn remove(&self, child: &Child) {
        self.lock().pids.retain(|&other| other != pid(child));
    }

    fn signal(&self, signal: Signal) {
        let mut receivers = self.lock();
        receivers.signal = Some(signal);
        receivers.pids.iter().for_each(|&pid| send(pid, signal));
    }
}

fn send(pid: Pid, signal: Signal) {
    // It may have ended, or become somebody whom we may not signal.
    let _ = kill(pid, signal);
}

impl Commands {
    /// None yet, but signals are taken for them from here on.
    pub(super) fn new() -> Result<Self> {
        let alive = Arc::new(Alive::default());
        let mut signals =
            Signals::new(not_ignored(&SIGNALS)?).context("cannot set up signal handlers")?;
        let receivers = Arc::clone(&alive);
        thread::spawn(move || {
            for signal in signals.forever() {
                // The others come from a terminal, which sends them to the commands as well.
                match signal {
                    SIGHUP => receivers.signal(Signal::SIGHUP),
                    SIGTERM => receivers.signal(Signal::SIGTERM),
                    _ => {}
                }
            }
        });
        Ok(Self {
            children: Vec::new(),
            alive,
        })
    }

    /// Starts one.
    pub(super) fn start(
        &mut self,
        command: Command,
        spawn: impl FnOnce(Command) -> io::Result<Child>,
    ) -> Result<&mut Child> {
        let program = command.get_program().to_owned();
        let child = spawn(command).map_err(|error| Failure::not_started(program, error))?;
        self.alive.add(&child);
        self.children.push(child);
        Ok(self.children.last_mut().expect("one was pushed"))
    }

    /// Waits until both have ended.
    pub(super) fn wait(mut self) -> Result<[ExitStatus; 2]> {
        let mut ended = Vec::new();
        for child in &mut self.children {
            // Leaves it as it is, and its number taken.
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
            while waitid(Id::Pid(pid(child)), flags) == Err(Errno::EINTR) {}
            self.alive.remove(child);
            ended.push(child.wait().context("cannot wait for a command")?);
        }
        self.children.clear();
        Ok(ended.try_into().expect("two commands were started"))
    }
}

impl Drop for Commands {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            self.alive.remove(child);
            let _ = child.wait();
        }
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id() as i32)
}

/// Those that this process was not told to ignore, as by nohup(1): the commands are to inherit that.
fn not_ignored(signals: &[i32]) -> Result<Vec<i32>> {
    let status = procfs::process::Process::myself().and_then(|process| process.status());
    let ignored = status
        .context("cannot see which signals are ignored")?
        .sigign;
    let is_ignored = |signal: i32| ignored >> (signal - 1) & 1 != 0;
    let signals = signals.iter().copied();
    Ok(signals.filter(|&signal| !is_ignored(signal)).collect())
}

/// How a process ended, as a shell says it.
pub(super) fn status(ended: ExitStatus) -> u8 {
    let status = match (ended.code(), ended.signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => 255,
    };
    status.try_into().unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_a_shells() {
        for (raw, expected) in [(0, 0), (7 << 8, 7), (255 << 8, 255), (9, 137), (13, 141)] {
            assert_eq!(status(ExitStatus::from_raw(raw)), expected);
        }
    }
}

//! The command line of `zocket ls`.

use std::time::Duration;

use clap::Parser;

/// Least time between two looks: each goes through all processes.
const MIN_PAUSE: f64 = 0.01;
const MAX_PAUSE: f64 = 1e6;

/// List the sockets that processes have open, like ss(8).
///
/// Finds the sockets of all processes that the caller may look at, and shows for each end which process
/// has it, which has the other end, how much is queued, how much went through, what is closed
/// or disabled, and who sleeps until what happens. Nothing is changed or disturbed by that.
#[derive(Debug, Parser)]
#[command(after_long_help = "\
Columns:
  PID, COMMAND   the process that has the end
  END            A or B, as the pair was made; `-` if the process has the memory, but no end
  PEER           the processes that have the other end;
                   gone       closed, or its process has ended
                   elsewhere  on its way to a process, or in one that cannot be looked at
                   ?          nothing is known of it
  KIND           stream or datagram
  CAPACITY       payload bytes that each direction holds
  RECV-Q         bytes written by the peer and not yet read here
  SEND-Q         bytes written here and not yet read by the peer
  READ, WRITTEN  bytes since the pair was made, and in each second with --watch
  STATE          open, or closed, disabled (this end may not write)
  WAITS          threads that sleep, and pollers, each with what is to happen before they are woken

What is shown of a process (which sockets and which memory it has open) is the kernel's word. All
figures are what both ends have written into their memory, and of a hostile one's making
are what it likes. So can be which end a process has, and whether an end that no process has is gone or
elsewhere: the kernel's list of sockets has names in it that anybody chooses.

Processes are looked at one after the other, and then the memory: an end that changes hands meanwhile
shows where it was, or as elsewhere.

A process that forked has its parent's sockets open too, until it executes another program, and is shown
as well. What is on its way, packed into one descriptor, belongs to nobody.

Exit status:
  0  the list is complete as far as the caller may look, even if it is empty
  1  the list could not be made: no /proc, no such --pid, one that may not be looked at, no descriptors
     or memory to look at all...
  2  the command line is wrong")]
pub(crate) struct Args {
    /// List only what this process has; can be given several times
    #[arg(short, long = "pid", value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub(super) pids: Vec<i32>,

    /// Look again and again, and show how fast data moves [default: every second]
    #[arg(short, long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "1",
          value_parser = pause)]
    watch: Option<Duration>,

    /// Stop after so many looks
    #[arg(short = 'n', long, value_name = "N", requires = "watch",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,

    /// Print JSON instead of a table: one object, or one in each line with --watch
    #[arg(long)]
    pub(super) json: bool,
}

impl Args {
    /// The time between two looks, if there is to be more than one.
    pub(super) fn watch(&self) -> Option<Duration> {
        self.watch
    }
}

fn pause(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (MIN_PAUSE..=MAX_PAUSE).contains(&seconds) => {
            Ok(Duration::from_secs_f64(seconds))
        }
        _ => Err(format!("not a number of seconds from {MIN_PAUSE} on")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(words: &[&str]) -> Result<Option<Duration>, clap::Error> {
        let words = ["ls"].iter().chain(words);
        Args::try_parse_from(words).map(|args| args.watch())
    }

    #[test]
    fn pause_is_a_second_unless_it_is_said() {
        assert_eq!(watch(&[]).unwrap(), None);
        assert_eq!(watch(&["--watch"]).unwrap(), Some(Duration::from_secs(1)));
        let half = Some(Duration::from_millis(500));
        assert_eq!(watch(&["-w", ".5", "--json"]).unwrap(), half);
        for text in ["0", "-1", "NaN", "inf", "soon"] {
            assert!(watch(&[&format!("--watch={text}")]).is_err(), "{text}");
        }
    }
}

//! The command line of `zocket bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use super::job::Job;
use super::transport::Transport;

/// Measure sockets, pipes and AF_UNIX sockets on this machine.
///
/// Starts a second process, and measures round trips of 64 bytes and streams of messages of 64 bytes, 4 KiB
/// and 64 KiB between the two: through a zocket whose ends try again and again, through one whose
/// ends block, through kernel pipes and through an AF_UNIX stream. Each process is pinned to a CPU of its
/// own, if there are two.
///
/// It takes about twenty seconds, and both CPUs. Figures vary from run to run, on virtual machines a
/// lot; the ratios vary less.
#[derive(Debug, Parser)]
#[command(after_long_help = "\
Exit status:
  0  everything was measured
  1  something could not be measured, or --plot not be written
  2  the command line is wrong

How it is measured:
  Rounds of all transports are interleaved. Of each round trip the time is taken, which includes
  reading the clock once; of streams the time from the first message until the other
  process says that it has read the last byte. Reported are the medians of the rounds.
  GB/s are 10^9 bytes a second.")]
pub(crate) struct Args {
    /// Make shorter and fewer rounds, for a second in all
    #[arg(long)]
    quick: bool,

    /// How many rounds to make [default: 5, or 2 if --quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,

    /// The CPUs of the two processes, which may be the same
    ///
    /// By default two that do not share a core, if there are.
    #[arg(long, value_name = "CPU,CPU", value_parser = two_cpus)]
    pub(super) cpus: Option<[usize; 2]>,

    /// Draw the figures to this file, as SVG
    #[arg(long, value_name = "FILE")]
    pub(super) plot: Option<PathBuf>,

    /// Print one JSON object instead of tables
    #[arg(long)]
    pub(super) json: bool,
}

impl Args {
    pub(super) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 2 } else { 5 })
    }

    /// How long a job goes on.
    pub(super) fn round(&self) -> Duration {
        Duration::from_millis(if self.quick { 20 } else { 200 })
    }
}

fn two_cpus(text: &str) -> Result<[usize; 2], String> {
    let numbers = text.split_once(',');
    let numbers = numbers.and_then(|(a, b)| Some([a.parse().ok()?, b.parse().ok()?]));
    numbers.ok_or_else(|| "not two numbers with a comma between them, as 0,1".to_owned())
}

/// The other process of `bench`, which starts it itself.
#[derive(Debug, Parser)]
pub(crate) struct PeerArgs {
    #[arg(long)]
    pub(super) transport: Transport,
    #[arg(long)]
    pub(super) job: Job,
    #[arg(long)]
    pub(super) cpu: usize,
}

//! `zocket bench`: what this machine makes of a socket, of a pipe and of a kernel socket.
//!
//! This process is one side of each job, on one CPU; it starts this program once more as the other side
//! ([`peer`]), on another. Both sides of all transports run the same code, over connections that
//! differ in how bytes are sent and received ([`connection`]). Rounds are interleaved, so that what
//! else the machine does meets all alike, and medians of the rounds are reported.
//!
//! This is for a first look. `zocket-compare` has more transports, more settings, and says how far to
//! trust them.

mod args;
mod connection;
mod job;
mod machine;
mod peer;
mod plot;
mod report;
mod transport;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;

pub(crate) use args::{Args, PeerArgs};
pub(crate) use peer::run as run_peer;

use job::Job;
use machine::Machine;
use report::{Report, Sample};
use transport::Transport;

/// Carries out `zocket bench`.
pub(crate) fn run(args: &Args) -> Result<()> {
    let machine = Machine::look(args.cpus)?;
    // Before anything is measured: what cannot be written need not be.
    let plot = args.plot.as_deref().map(Plot::create).transpose()?;
    machine::pin(machine.cpus[0])?;
    let samples = measure(args, &machine)?;
    let report = Report::new(machine, args.rounds(), args.round(), &samples);
    let text = if args.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        report.to_string()
    };
    // First, so that nothing that is wrong with the plot takes the figures away.
    io::stdout()
        .write_all(text.as_bytes())
        .context("cannot print the result")?;
    match plot {
        Some(mut plot) => plot.write(&plot::draw(&report)?),
        None => Ok(()),
    }
}

/// The file that the plot is to be in. What it holds stays until there is a plot.
struct Plot<'a> {
    path: &'a Path,
    file: File,
}

impl<'a> Plot<'a> {
    fn create(path: &'a Path) -> Result<Self> {
        // Before it is opened, which of a pipe would wait for a reader.
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            bail!("{}: it is no regular file", Self::problem(path));
        }
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true).open(path);
        let file = file.with_context(|| Self::problem(path))?;
        Ok(Self { path, file })
    }

    fn write(&mut self, svg: &str) -> Result<()> {
        let emptied = self.file.set_len(0);
        emptied
            .and_then(|()| self.file.write_all(svg.as_bytes()))
            .with_context(|| Self::problem(self.path))
    }

    fn problem(path: &Path) -> String {
        format!("cannot write {}", path.display())
    }
}

fn measure(args: &Args, machine: &Machine) -> Result<Vec<Sample>> {
    let transports = Transport::all(machine);
    let cells = args.rounds() as usize * Job::ALL.len() * transports.len();
    // Draws nothing where standard error is no terminal.
    let bar = ProgressBar::new(cells as u64);
    let mut samples = Vec::new();
    for _ in 0..args.rounds() {
        for job in Job::ALL {
            for &transport in &transports {
                let figures = transport
                    .run(job, args.round(), machine.cpus[1])
                    .with_context(|| format!("{} over {transport}", job.title()))?;
                samples.push(Sample {
                    transport,
                    job,
                    figures,
                });
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    Ok(samples)
}

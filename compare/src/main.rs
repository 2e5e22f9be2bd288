//! The same jobs over zocket, over what else there is, and over the machine itself.

#![allow(missing_docs, reason = "a program")]

mod channel;
mod contestant;
mod extra;
mod growth;
mod jobs;
mod machine;
mod plan;
mod report;
mod results;
mod run;
mod stats;
mod task;
mod transports;
mod worker;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};

use plan::{Contest, Pace, Part};
use results::Results;
use run::Order;
use task::{Job, Placement, Setting};

/// Compares zocket with other ways from process to process and with the machine's limits.
///
/// Without a command: measures everything, which takes a quarter of an hour, and writes
/// docs/performance.md. With less than everything: prints the tables.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    whole: Whole,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct Whole {
    /// Takes less than two minutes, and is good for a look only.
    #[arg(long)]
    quick: bool,
    /// Only these contestants.
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    only: Vec<String>,
    /// Only these parts.
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    cells: Vec<Part>,
    #[command(flatten)]
    pace: PaceOptions,
    /// Writes the page, the plots and the results there.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct PaceOptions {
    /// How often each measurement is repeated.
    #[arg(long)]
    rounds: Option<usize>,
    /// How long one takes.
    #[arg(long)]
    millis: Option<u64>,
}

impl PaceOptions {
    fn over(&self, pace: Pace) -> Pace {
        Pace {
            rounds: self.rounds.unwrap_or(pace.rounds),
            target: self.millis.map_or(pace.target, Duration::from_millis),
            ..pace
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tries one job over some contestants.
    Try(Try),
    /// Makes the report once more, of results that are there.
    Report {
        /// What was written by a run [default: of the last report in docs]
        file: Option<PathBuf>,
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    #[command(hide = true)]
    ExtraWorker {
        key: String,
        connections: usize,
        descriptors: usize,
        words: Vec<String>,
    },
    #[command(hide = true)]
    ExtraPairs { key: String, pairs: usize },
    #[command(hide = true)]
    Worker {
        key: String,
        connections: usize,
        descriptors: usize,
        words: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct Try {
    job: TryJob,
    /// Bytes of a message.
    size: usize,
    placement: Placement,
    /// Microseconds between two round trips.
    #[arg(long, default_value_t = 0)]
    think_us: u64,
    #[arg(long, default_value_t = 1)]
    connections: usize,
    #[command(flatten)]
    pace: PaceOptions,
    #[arg(required = true)]
    keys: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TryJob {
    /// Round trips.
    Trip,
    /// Messages one way.
    OneWay,
    /// The same, and each is made before it is sent.
    Made,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.command {
        None => whole(&cli.whole),
        Some(Command::Try(one)) => attempt(&one),
        Some(Command::Report { file, out }) => {
            let results = report::read(&file.unwrap_or_else(report::last_results))?;
            report::write(&results, &out.unwrap_or_else(report::docs))
        }
        Some(Command::Worker {
            key,
            connections,
            descriptors,
            words,
        }) => {
            let parcel = worker::inherited(descriptors, words.into());
            transports::serve(&key, connections, parcel)
        }
        Some(Command::ExtraWorker {
            key,
            connections,
            descriptors,
            words,
        }) => {
            let parcel = worker::inherited(descriptors, words.into());
            extra::serve(&key, connections, parcel)
        }
        Some(Command::ExtraPairs { key, pairs }) => extra::hold_pairs(&key, pairs),
    }
}

/// Only what was measured as a whole and with care is for the documents.
fn whole(options: &Whole) -> Result<()> {
    for key in &options.only {
        transports::find(key)?;
    }
    let (every_part, everyone) = (options.cells.is_empty(), options.only.is_empty());
    let results = run::all(&Order {
        parts: match every_part {
            true => Part::value_variants().to_vec(),
            false => options.cells.clone(),
        },
        only: options.only.clone(),
        pace: options.pace.over(if options.quick {
            Pace::QUICK
        } else {
            Pace::FULL
        }),
        quick: options.quick,
    })?;
    let for_docs = every_part && everyone && !options.quick;
    match options.out.clone().or_else(|| for_docs.then(report::docs)) {
        Some(out) => report::write(&results, &out),
        None => {
            print!("{}", report::text(&results));
            Ok(())
        }
    }
}

fn attempt(options: &Try) -> Result<()> {
    let think = Duration::from_micros(options.think_us);
    let (part, job) = match options.job {
        TryJob::Trip if !think.is_zero() => (Part::Rests, Job::RoundTrips { think }),
        TryJob::Trip if options.connections > 1 => (Part::Pairs, Job::RoundTrips { think }),
        TryJob::Trip => (Part::RoundTrips, Job::RoundTrips { think }),
        TryJob::OneWay => (Part::OneWay, Job::OneWay),
        TryJob::Made => (Part::Made, Job::OneWayMade),
    };
    ensure!(
        options.connections > 0,
        "there is no job without a connection"
    );
    let entries = options
        .keys
        .iter()
        .map(|key| transports::find(key).copied());
    let contest = Contest {
        part,
        setting: Setting {
            job,
            size: options.size,
            connections: options.connections,
            placement: options.placement,
        },
        entries: entries.collect::<Result<_>>()?,
    };
    let results = Results {
        contestants: contest
            .entries
            .iter()
            .map(|entry| entry.name.into())
            .collect(),
        cells: run::hold(&contest, options.pace.over(Pace::FULL))?,
        ..Results::default()
    };
    print!("{}", report::contest(&results, part, contest.setting));
    Ok(())
}

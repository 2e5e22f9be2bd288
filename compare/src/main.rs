//! The same jobs over zocket, over what else there is, and over the machine itself.

#![allow(missing_docs, reason = "a program")]
#![allow(
    dead_code,
    reason = "transports between threads and the results of whole runs are still to come"
)]

mod channel;
mod contestant;
mod extra;
mod growth;
mod jobs;
mod machine;
mod results;
mod task;
mod transports;
mod worker;

use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

use task::{Job, Placement, Task};

#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tries one job over some contestants and prints what comes out.
    Try {
        /// `trip`, `one-way`, `made`
        job: String,
        size: usize,
        /// `two`, `one`, `free`
        placement: String,
        #[arg(long, default_value_t = 0)]
        think_us: u64,
        #[arg(long, default_value_t = 1)]
        connections: usize,
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        #[arg(long, default_value_t = 100)]
        millis: u64,
        keys: Vec<String>,
    },
    /// Measures what idle endpoints, thresholds and pairs cost, and prints it.
    Facts {
        #[arg(long)]
        quick: bool,
    },
    /// Measures how cost grows, and prints it.
    Growth {
        #[arg(long)]
        quick: bool,
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

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Worker {
            key,
            connections,
            descriptors,
            words,
        } => {
            let parcel = worker::inherited(descriptors, words.into());
            transports::serve(&key, connections, parcel)
        }
        Command::ExtraWorker {
            key,
            connections,
            descriptors,
            words,
        } => {
            let parcel = worker::inherited(descriptors, words.into());
            extra::serve(&key, connections, parcel)
        }
        Command::ExtraPairs { key, pairs } => extra::hold_pairs(&key, pairs),
        Command::Facts { quick } => print_facts(quick),
        Command::Growth { quick } => print_growth(quick),
        Command::Try {
            job,
            size,
            placement,
            think_us,
            connections,
            rounds,
            millis,
            keys,
        } => {
            let think = Duration::from_micros(think_us);
            let task = Task {
                job: match job.as_str() {
                    "trip" => Job::RoundTrips { think },
                    "one-way" => Job::OneWay,
                    "made" => Job::OneWayMade,
                    _ => anyhow::bail!("no job {job}"),
                },
                size,
                count: 100,
                connections,
                placement: match placement.as_str() {
                    "two" => Placement::TwoCpus,
                    "one" => Placement::OneCpu,
                    _ => Placement::Free,
                },
            };
            attempt(task, &keys, rounds, Duration::from_millis(millis))
        }
    }
}

fn print_facts(quick: bool) -> Result<()> {
    for fact in extra::measure(quick)? {
        println!(
            "{:10} {:28} {:44} {:>12.2} {:4} {:.2?}",
            fact.topic,
            fact.subject,
            fact.what,
            median(&fact.values),
            fact.unit,
            fact.values
        );
    }
    Ok(())
}

fn print_growth(quick: bool) -> Result<()> {
    for series in growth::measure(quick)? {
        println!("{}: {} [{}]", series.topic, series.title, series.y.label);
        for line in series.lines {
            println!("  {} by {}", line.name, series.x.label);
            for (x, values) in line.points {
                println!("    {x:>16} {:>14.2} {values:.2?}", median(&values));
            }
        }
    }
    Ok(())
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn attempt(task: Task, keys: &[String], rounds: usize, target: Duration) -> Result<()> {
    let mut all = Vec::new();
    for key in keys {
        let mut contestant = (transports::find(key)?.start)(task.connections)?;
        let name = contestant.name();
        if name.key != "cache-line" && name.key != "futex" {
            contestant.run(&Task {
                job: Job::Verify,
                count: 3,
                connections: 1,
                ..task
            })?;
        }
        let mut task = task;
        loop {
            let sample = contestant.run(&task)?;
            if sample.elapsed > target / 4 {
                let factor = target.as_secs_f64() / sample.elapsed.as_secs_f64();
                task.count = (task.count as f64 * factor).ceil() as u64;
                break;
            }
            task.count *= 3;
        }
        all.push((contestant, task, Vec::new()));
    }
    for _ in 0..rounds {
        for (contestant, task, samples) in &mut all {
            samples.push(contestant.run(task)?);
        }
    }
    for (contestant, _, samples) in &mut all {
        let per: Vec<f64> = samples
            .iter()
            .map(|s| s.elapsed.as_nanos() as f64 / s.count as f64)
            .collect();
        let cpu: Vec<f64> = samples
            .iter()
            .map(|s| s.usage.cpu.as_nanos() as f64 / s.count as f64)
            .collect();
        let sleeps: u64 = samples.iter().map(|s| s.usage.sleeps).sum();
        let mut trips: Vec<u32> = samples
            .iter()
            .flat_map(|s| s.trips.iter().copied())
            .collect();
        trips.sort_unstable();
        let p = |q: f64| {
            trips
                .get(((trips.len().max(1) - 1) as f64 * q) as usize)
                .copied()
                .unwrap_or(0)
        };
        let sort = |mut v: Vec<f64>| {
            v.sort_by(f64::total_cmp);
            v
        };
        let (per, cpu) = (sort(per), sort(cpu));
        let mean = per[per.len() / 2];
        println!(
            "{:28} {:10.1} ns/each [{:.1} .. {:.1}]  cpu {:9.1}  {:8.3} GB/s  sleeps/each {:.2}  p50 {} p99 {} p99.9 {}",
            contestant.name().key,
            mean,
            per[0],
            per[per.len() - 1],
            cpu[cpu.len() / 2],
            task.size as f64 / mean,
            sleeps as f64 / samples.iter().map(|s| s.count).sum::<u64>() as f64,
            p(0.5),
            p(0.99),
            p(0.999),
        );
    }
    Ok(())
}

//! `zocket pipe`: a transfer between two processes, verified and timed, through a
//! zocket and through what the kernel offers for the same purpose.
//!
//! This process is the sender. For each transfer it starts this program once more as
//! the receiver ([`receiver`]), which says when it is ready. Then the clock starts, one
//! loop ([`sender`]) writes the [`source`] to the transport, another in the receiver
//! reads it to the end, and the clock stops there. Nothing but the transport differs
//! between the transfers that are compared ([`transport`]): the loops, the blocks,
//! the digest and the processes are the same.
//!
//! What was sent and what arrived are compared over a channel of its own
//! ([`control`]), which is no zocket.

mod args;
mod control;
mod failure;
mod output;
mod progress;
mod receiver;
mod report;
mod sender;
mod source;
mod tally;
mod transport;

use anyhow::{Result, bail};

pub(crate) use args::{Args, ReceiveArgs};
pub(crate) use failure::exit_code;
pub(crate) use receiver::receive;

use output::Output;
use report::Report;
use sender::{Outcome, Sender};
use source::Source;
use transport::Transport;

/// Up to here, several rounds take seconds, and their median is worth it.
const REPEATED_UP_TO: u64 = 2 << 30;
/// How many rounds are made then.
const ROUNDS: u32 = 3;

/// Carries out `zocket pipe`.
pub(crate) fn run(args: Args) -> Result<()> {
    args.check();
    // Before anything is moved: what cannot be written need not be sent.
    let output = args.output.as_deref().map(Output::new).transpose()?;
    let source = Source::open(args.file.as_deref(), args.size())?;
    if !args.no_compare {
        source.warm_up(args.block())?;
    }
    // A transfer of its own: how fast the disk is, is not what is compared.
    let written = match output {
        Some(output) => Some(transfer_to(&args, &source, &output)?),
        None => None,
    };
    let outcomes = match written {
        Some(written) if args.no_compare && args.rounds.is_none() => vec![written],
        _ => transfer_all(&args, &source)?,
    };
    check_unchanged(written.iter().chain(&outcomes))?;
    Report::new(&args, &source, written, &outcomes).print(args.json)
}

/// Makes a transfer of which what arrives is kept.
fn transfer_to(args: &Args, source: &Source, output: &Output) -> Result<Outcome> {
    let part = output.create_part()?;
    Sender::start(Transport::ours(args), args, Some(&part))?.transfer(source, Some(part))
}

/// Makes every transfer, the rounds interleaved, so that what else the machine does
/// meets all transports alike.
fn transfer_all(args: &Args, source: &Source) -> Result<Vec<Outcome>> {
    let usual = if source.len() <= REPEATED_UP_TO {
        ROUNDS
    } else {
        1
    };
    let mut outcomes = Vec::new();
    for _ in 0..args.rounds.unwrap_or(usual) {
        for transport in Transport::to_run(args) {
            outcomes.push(Sender::start(transport, args, None)?.transfer(source, None)?);
        }
    }
    Ok(outcomes)
}

/// Refuses to compare times for different data.
fn check_unchanged<'a>(mut outcomes: impl Iterator<Item = &'a Outcome>) -> Result<()> {
    let first = outcomes.next().map(|outcome| outcome.tally.digest);
    if outcomes.any(|outcome| Some(outcome.tally.digest) != first) {
        bail!("the source changed between two transfers, each of which was right in itself");
    }
    Ok(())
}

//! The other process.

use anyhow::{Context, Result};

use super::args::PeerArgs;
use super::machine;

/// Carries out what `zocket bench` starts this program for.
pub(crate) fn run(args: &PeerArgs) -> Result<()> {
    machine::pin(args.cpu)?;
    args.transport
        .serve(args.job)
        .context("this command is for `zocket bench` itself; cannot do its part")
}

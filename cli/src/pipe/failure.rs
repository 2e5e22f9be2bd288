//! Failures that have an exit status of their own.

use std::fmt;
use std::process::{ExitCode, ExitStatus};

use super::tally::Tally;
use super::transport::Transport;

/// What can go wrong with a transfer itself.
#[derive(Debug)]
pub(super) enum Failure {
    /// The two ends do not agree.
    Mismatch {
        transport: Transport,
        sent: Tally,
        arrived: Tally,
    },
    /// The receiver ended without a word.
    ReceiverGone {
        transport: Transport,
        pid: u32,
        status: ExitStatus,
        /// Bytes written until that was noticed.
        sent: u64,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mismatch {
                transport,
                sent,
                arrived,
            } => write!(
                f,
                "what arrived through the {transport} is not what was sent: \
                 {} bytes in {} reads, digest {}, instead of {} bytes in {} writes, digest {}",
                arrived.bytes, arrived.pieces, arrived.digest, sent.bytes, sent.pieces, sent.digest
            ),
            Self::ReceiverGone {
                transport,
                pid,
                status,
                sent,
            } => write!(
                f,
                "the receiver at the other end of the {transport}, process {pid}, \
                 ended before it had everything ({status}); {sent} bytes had been written to it"
            ),
        }
    }
}

impl std::error::Error for Failure {}

/// The exit status that an error calls for, if it is one of these; `zocket pipe --help` lists them.
pub(crate) fn exit_code(error: &anyhow::Error) -> Option<ExitCode> {
    Some(ExitCode::from(match error.downcast_ref()? {
        Failure::Mismatch { .. } => 3,
        Failure::ReceiverGone { .. } => 4,
    }))
}

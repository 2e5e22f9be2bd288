//! The command line of `zocket pipe`.

use std::path::PathBuf;

use bytesize::ByteSize;
use clap::Parser;
use clap::error::ErrorKind;

use super::transport::Transport;
use crate::size::size_within;

/// Largest block: it has to fit into memory, twice.
const MAX_BLOCK: u64 = 1 << 30;

/// Stream a file through a zocket into another process, and verify and time it.
///
/// Starts a second process, hands it one end of a shared-memory socket, streams FILE
/// through it, and compares a digest of what was sent with one of what arrived. Then
/// does the same through a kernel pipe and through an AF_UNIX stream, in the same way
/// and with buffers of the same size, as far as the kernel allows that, and prints
/// sizes, times and ratios.
///
/// Without FILE, reads standard input if that is a pipe, a socket or a regular file,
/// and else generates --size bytes. What comes from a pipe or a socket can be read only
/// once, so it is first copied to an anonymous temporary file in $TMPDIR.
#[derive(Debug, Parser)]
#[command(after_long_help = "\
Exit status:
  0  everything arrived as it was sent, over every transport
  1  the transfer could not be made: unreadable FILE, unwritable output, no memory...
  2  the command line is wrong
  3  what arrived is not what was sent
  4  the receiving process ended, or was killed, before it had everything

How it is timed:
  From the moment when both processes are ready until the receiver has digested
  the last byte. Unless --no-compare is given, a
  FILE is read once beforehand, so that all transfers find it in the page cache.
  GB/s are 10^9 bytes a second.

Sizes are bytes, or have a unit: 64KiB (65536), 64KB (64000), 1.5GiB...")]
pub(crate) struct Args {
    /// What to send; `-` is standard input
    #[arg(value_name = "FILE", conflicts_with = "size")]
    pub(super) file: Option<PathBuf>,

    /// Write what arrives through the zocket to this file
    ///
    /// The receiving process writes it, to a file beside it whose name begins with
    /// `.zocket-` and ends with `.part`. Only when the digests agree is that renamed;
    /// otherwise it is removed, and what the file held before stays. (If both processes
    /// are killed at once, the .part file remains.) Must be a regular file or not exist.
    /// This is a transfer of its own; those that are compared write nothing. With
    /// --no-compare it is the only one, and its time includes the writing.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,

    /// Send generated data, this much of it [default: 1GiB]
    ///
    /// No two blocks of it are alike, so none can be lost, doubled or exchanged
    /// unnoticed.
    #[arg(long, value_name = "SIZE")]
    size: Option<ByteSize>,

    /// Send records through a datagram zocket, instead of a stream
    ///
    /// The kernel transports get the data in pieces of the same size, and an AF_UNIX
    /// seqpacket socket, which keeps their boundaries too, joins the comparison (with
    /// records up to 128KiB).
    #[arg(long)]
    pub(super) datagram: bool,

    /// Size of the records of --datagram; the last one may be shorter
    #[arg(long, value_name = "SIZE", default_value = "4KiB", requires = "datagram",
          value_parser = size_within(1, zocket::MAX_CAPACITY as u64))]
    record: ByteSize,

    /// How much each transport can hold
    ///
    /// The kernel grants its own at most fs.pipe-max-size and net.core.wmem_max; --json
    /// tells what they got.
    #[arg(long, value_name = "SIZE", default_value = "1MiB",
          value_parser = size_within(zocket::MIN_CAPACITY as u64, zocket::MAX_CAPACITY as u64))]
    capacity: ByteSize,

    /// How much both processes handle at a time
    #[arg(long, value_name = "SIZE", default_value = "64KiB",
          value_parser = size_within(1, MAX_BLOCK))]
    block: ByteSize,

    /// How often to repeat the transfers; reported is the median
    ///
    /// By default 3 times; once for more than 2GiB.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rounds: Option<u32>,

    /// Leave the kernel's transports out
    #[arg(long)]
    pub(super) no_compare: bool,

    /// Print one JSON object instead of a table
    #[arg(long)]
    pub(super) json: bool,
}

impl Args {
    /// Refuses combinations that the definitions above let through.
    pub(super) fn check(&self) {
        if self.datagram && self.record > self.capacity {
            let text = format!(
                "a --record of {} never fits into a --capacity of {}",
                self.record, self.capacity
            );
            crate::refuse("pipe", ErrorKind::ValueValidation, text);
        }
    }

    /// Bytes to generate, if that is asked for.
    pub(super) fn size(&self) -> Option<u64> {
        self.size.map(|size| size.0)
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity.0 as usize
    }

    /// Bytes of a record, if there are records.
    pub(super) fn record(&self) -> Option<usize> {
        self.datagram.then_some(self.record.0 as usize)
    }

    /// Bytes handled at a time: whole records, at least one.
    pub(super) fn block(&self) -> usize {
        let block = self.block.0 as usize;
        self.record()
            .map_or(block, |record| (block / record).max(1) * record)
    }
}

/// The other process of `pipe`, which starts it itself.
#[derive(Debug, Parser)]
pub(crate) struct ReceiveArgs {
    /// Where the data comes from
    #[arg(long)]
    pub(super) transport: Transport,
    /// Bytes to read at a time
    #[arg(long)]
    pub(super) block: usize,
    /// Existing file to write what arrives to
    #[arg(long)]
    pub(super) part: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(words: &[&str]) -> Result<Args, clap::Error> {
        Args::try_parse_from(["pipe"].iter().chain(words))
    }

    #[test]
    fn definitions_are_consistent() {
        crate::Cli::command().debug_assert();
    }

    #[test]
    fn sizes_have_units_and_bounds() {
        let args = parse(&["--capacity", "1MiB", "--block", "12345"]).unwrap();
        assert_eq!((args.capacity(), args.block()), (1 << 20, 12345));
        for words in [
            ["--capacity", "4095"],
            ["--capacity", "2GiB"],
            ["--block", "0"],
            ["--block", "many"],
            ["--rounds", "0"],
        ] {
            assert!(parse(&words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn blocks_are_whole_records() {
        let block = |words: &[&str]| parse(words).unwrap().block();
        assert_eq!(
            block(&["--datagram", "--record", "1000", "--block", "4500"]),
            4000
        );
        assert_eq!(
            block(&["--datagram", "--record", "5000", "--block", "4500"]),
            5000
        );
    }

    #[test]
    fn contradictions_are_refused() {
        for words in [&["x", "--size", "1"] as &[_], &["--record", "1"]] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}

//! What is to be done, from either side.

use std::io;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Serialize;

use super::connection::Connection;

/// Bytes that are sent before the clock is read.
const BATCH: usize = 256 << 10;

/// A job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Job {
    /// 64 bytes there and back.
    RoundTrips,
    /// Messages of 64 bytes one way.
    #[value(name = "one-way-64")]
    #[serde(rename = "one-way-64")]
    OneWay64,
    /// Messages of 4 KiB one way.
    #[value(name = "one-way-4k")]
    #[serde(rename = "one-way-4k")]
    OneWay4K,
    /// Messages of 64 KiB one way.
    #[value(name = "one-way-64k")]
    #[serde(rename = "one-way-64k")]
    OneWay64K,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Figures {
    /// Nanoseconds.
    RoundTrips { p50: f64, p99: f64 },
    /// Bytes a second.
    OneWay(f64),
}

impl Job {
    pub(super) const ALL: [Self; 4] = [
        Self::RoundTrips,
        Self::OneWay64,
        Self::OneWay4K,
        Self::OneWay64K,
    ];

    /// Bytes of a message.
    pub(super) fn size(self) -> usize {
        match self {
            Self::RoundTrips | Self::OneWay64 => 64,
            Self::OneWay4K => 4 << 10,
            Self::OneWay64K => 64 << 10,
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::RoundTrips => "round trips of 64 B",
            Self::OneWay64 => "64 B one way",
            Self::OneWay4K => "4 KiB one way",
            Self::OneWay64K => "64 KiB one way",
        }
    }

    /// Does it for so long.
    pub(super) fn drive(
        self,
        time: Duration,
        mut connection: impl Connection,
    ) -> io::Result<Figures> {
        let mut message = vec![0x5A; self.size()];
        // The other side is ready.
        connection.receive_exactly(&mut message[..1])?;
        match self {
            Self::RoundTrips => round_trips(time, &mut connection, &mut message),
            _ => one_way(time, &mut connection, &message),
        }
    }

    /// Does the other side's part, until there is no more to do.
    pub(super) fn serve(self, mut connection: impl Connection) -> io::Result<()> {
        let mut message = vec![0; self.size()];
        connection.send(&[1])?;
        match self {
            Self::RoundTrips => answer(&mut connection, &mut message),
            _ => count(&mut connection, &mut message),
        }
    }
}

fn round_trips(
    time: Duration,
    connection: &mut impl Connection,
    message: &mut [u8],
) -> io::Result<Figures> {
    let mut trip = || {
        connection.send(message)?;
        connection.receive_exactly(message)
    };
    // Until both have found out how to wait for each other.
    let start = Instant::now();
    while start.elapsed() < time / 4 {
        trip()?;
    }
    let mut times = Vec::new();
    let start = Instant::now();
    let mut last = start;
    while last - start < time {
        trip()?;
        let now = Instant::now();
        times.push((now - last).as_nanos() as f64);
        last = now;
    }
    times.sort_by(f64::total_cmp);
    let at = |part: usize| times[times.len() * part / 100];
    Ok(Figures::RoundTrips {
        p50: at(50),
        p99: at(99),
    })
}

fn answer(connection: &mut impl Connection, message: &mut [u8]) -> io::Result<()> {
    loop {
        match connection.receive_exactly(message) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            result => result?,
        }
        connection.send(message)?;
    }
}

fn one_way(
    time: Duration,
    connection: &mut impl Connection,
    message: &[u8],
) -> io::Result<Figures> {
    let mut sent = 0;
    let start = Instant::now();
    while start.elapsed() < time {
        for _ in 0..BATCH / message.len() {
            connection.send(message)?;
        }
        sent += BATCH / message.len() * message.len();
    }
    connection.end()?;
    let mut arrived = [0; 8];
    connection.receive_exactly(&mut arrived)?;
    let seconds = start.elapsed().as_secs_f64();
    if u64::from_le_bytes(arrived) != sent as u64 {
        return Err(io::Error::other("not all of what was sent has arrived"));
    }
    Ok(Figures::OneWay(sent as f64 / seconds))
}

fn count(connection: &mut impl Connection, message: &mut [u8]) -> io::Result<()> {
    let mut arrived = 0_u64;
    loop {
        match connection.receive(message)? {
            0 => return connection.send(&arrived.to_le_bytes()),
            len => arrived += len as u64,
        }
    }
}

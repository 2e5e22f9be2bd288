//! By the number of registrations with one port.
//!
//! All in one thread, which itself brings about what it waits for: what sleeping and waking
//! take in two processes is measured [beside idle endpoints](super::endpoints).

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use zocket::{Packet, Port, Signals, Stream, Trigger};

use super::crowd::{Crowd, affordable};
use super::pace::Pace;
use super::plot::Lines;
use super::waiting::register_idle;
use crate::machine;
use crate::results::Series;
use crate::task::{Placement, Side};

const COUNTS: [usize; 5] = [1, 10, 100, 1_000, 10_000];

/// The key of the registration that is met.
const MET: u64 = 0;

/// Registering and waiting.
pub(super) fn measure(pace: &Pace) -> Result<Series> {
    let counts = pace.some_of(&COUNTS);
    let counts = affordable::<Stream>(&counts)?;
    let cpus = machine::cpus()?;
    let mut lines = Lines::default();
    machine::place(&cpus, Placement::OneCpu, Side::Active)?;
    for _ in 0..pace.rounds {
        of_many_endpoints(pace, &counts, &mut lines)?;
        of_one_endpoint(pace, &counts, &mut lines)?;
    }
    machine::place(&cpus, Placement::Free, Side::Active)?;
    Ok(lines.plot(
        "registrations",
        "Registering with a port, and taking a packet, by the registrations it has",
        "registrations",
        "ns for each call",
    ))
}

/// Each of an endpoint of its own.
fn of_many_endpoints(pace: &Pace, counts: &[usize], lines: &mut Lines) -> Result<()> {
    let port = Port::new()?;
    let mut crowd = Crowd::<Stream>::new();
    for &count in counts {
        crowd.grow(count, |end| register_idle(&port, end))?;
        let times = times(pace, &port, &mut Stream::pair()?)?;
        lines.add("Port::register, of other endpoints", count, times.register);
        lines.add("Port::wait, of other endpoints", count, times.wait);
    }
    Ok(())
}

/// All of the endpoint that is used, for something that does not happen.
fn of_one_endpoint(pace: &Pace, counts: &[usize], lines: &mut Lines) -> Result<()> {
    let port = Port::new()?;
    let mut pair = Stream::pair()?;
    let mut made = 0;
    for &count in counts {
        while made < count {
            made += 1;
            port.register(&pair.1, made as u64, Signals::USER_0, Trigger::Level)?;
        }
        let times = times(pace, &port, &mut pair)?;
        lines.add(
            "Port::register, of the same endpoint",
            count,
            times.register,
        );
        lines.add("Port::wait, of the same endpoint", count, times.wait);
    }
    Ok(())
}

/// Nanoseconds of one call.
#[derive(Clone, Copy, Debug)]
struct Times {
    register: f64,
    wait: f64,
}

/// Registers, has it met, waits: again and again.
fn times(pace: &Pace, port: &Port, (a, b): &mut (Stream, Stream)) -> Result<Times> {
    let (mut register, mut wait) = (Duration::ZERO, Duration::ZERO);
    let mut calls = 0;
    // The first takes the endpoint onto the port's list, and is not counted.
    once(port, a, b)?;
    while register + wait < pace.target {
        let (registered, waited) = once(port, a, b)?;
        register += registered;
        wait += waited;
        calls += 1;
    }
    let each = |time: Duration| time.as_nanos() as f64 / f64::from(calls);
    Ok(Times {
        register: each(register),
        wait: each(wait),
    })
}

fn once(port: &Port, a: &mut Stream, b: &mut Stream) -> Result<(Duration, Duration)> {
    let start = Instant::now();
    port.register(b, MET, Signals::READABLE, Trigger::Level)?;
    let registered = start.elapsed();
    a.try_write(&[1])?;
    let start = Instant::now();
    let packet = port.wait(None)?;
    let waited = start.elapsed();
    let met = matches!(packet, Packet::Signals { key: MET, .. });
    ensure!(met, "another registration was met: {packet:?}");
    let mut byte = [0];
    ensure!(b.try_read(&mut byte)? == 1 && byte == [1], "no byte");
    Ok((registered, waited))
}

//! By the number of idle endpoints beside the one that is used.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use anyhow::Result;
use nix::sys::epoll::{Epoll, EpollCreateFlags};
use zocket::{Port, Stream};

use super::crowd::{Crowd, affordable};
use super::pace::{Pace, Unit};
use super::plot::{Lines, TRIPS_ON_ONE_CPU};
use super::waiting::{add_idle, at_epoll, at_port, register_idle, zocket};
use crate::results::Series;
use crate::transports::zocket::BlockingStream;

const COUNTS: [usize; 9] = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000];

/// Round trips with one of many endpoints.
pub(super) fn measure(pace: &Pace) -> Result<Series> {
    let counts = pace.some_of(&COUNTS);
    // One after the other: the usual limits do not have descriptors for both.
    let of_zocket = affordable::<Stream>(&counts)?;
    let of_unix = affordable::<UnixStream>(&counts)?;
    let mut lines = Lines::default();
    for _ in 0..pace.rounds {
        among_endpoints(pace, &of_zocket, &mut lines)?;
        among_sockets(pace, &of_unix, &mut lines)?;
    }
    Ok(lines.plot(
        "endpoints",
        "Round trip beside idle endpoints that are waited for too, both processes on one CPU",
        "idle endpoints",
        "ns for each round trip",
    ))
}

/// From few to many.
fn among_endpoints(pace: &Pace, counts: &[usize], lines: &mut Lines) -> Result<()> {
    let port = Arc::new(Port::new()?);
    let mut crowd = Crowd::<Stream>::new();
    let mut at_port = at_port(&port)?;
    let mut by_read = zocket(BlockingStream)?;
    for &count in counts {
        crowd.grow(count, |end| register_idle(&port, end))?;
        let nanos = pace.once(&mut *at_port, &TRIPS_ON_ONE_CPU, Unit::Nanos)?;
        lines.add("zocket, Port::wait", count, nanos);
        let nanos = pace.once(&mut *by_read, &TRIPS_ON_ONE_CPU, Unit::Nanos)?;
        lines.add("zocket, blocking read of the one", count, nanos);
    }
    Ok(())
}

fn among_sockets(pace: &Pace, counts: &[usize], lines: &mut Lines) -> Result<()> {
    let epoll = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
    let mut crowd = Crowd::<UnixStream>::new();
    let mut at_epoll = at_epoll(&epoll)?;
    for &count in counts {
        crowd.grow(count, |end| add_idle(&epoll, end))?;
        let nanos = pace.once(&mut *at_epoll, &TRIPS_ON_ONE_CPU, Unit::Nanos)?;
        lines.add("AF_UNIX, epoll", count, nanos);
    }
    Ok(())
}

//! How long a blocked reader sleeps on after `kill -9` of its peer.
//!
//! From just before `kill(2)` to the return of the `read` that was blocked, for a
//! zocket stream, a pipe, and an `AF_UNIX` stream. Most of it is the kernel taking
//! the process down: descriptors are closed last. The three take turns, so that
//! what disturbs one disturbs all. The victims are alike: this binary, asleep, with
//! one end open.
//!
//! `cargo bench --bench peer_death` prints median and 99th percentile of 200 rounds;
//! `-- --test` does three rounds, to see that it works.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use nix::unistd::gettid;
use zocket::{Stream, process};

/// Makes this binary a victim. Its value is the means whose end it holds.
const VICTIM: &str = "ZOCKET_BENCH_VICTIM";

/// By what reader and victim are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    Zocket,
    Pipe,
    UnixSocket,
}

impl Means {
    const ALL: [Self; 3] = [Self::Zocket, Self::Pipe, Self::UnixSocket];

    fn name(self) -> &'static str {
        match self {
            Self::Zocket => "zocket",
            Self::Pipe => "pipe",
            Self::UnixSocket => "unix",
        }
    }

    /// The system call in which a reader sleeps.
    fn sleeps_in(self) -> i64 {
        match self {
            Self::Zocket => libc::SYS_futex,
            Self::Pipe => libc::SYS_read,
            // std reads sockets with recv.
            Self::UnixSocket => libc::SYS_recvfrom,
        }
    }

    /// Our reading end, and a victim with the other one.
    fn connect(self) -> io::Result<(Box<dyn Read + Send>, Child)> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(VICTIM, self.name()).stdin(Stdio::piped());
        match self {
            Self::Zocket => {
                let (ours, theirs) = Stream::pair()?;
                // Asleep, as the readers of the others are, not looking for a while.
                ours.set_busy_wait(false);
                command.stdout(Stdio::null());
                let child = process::spawn(command, [("end", theirs.into())])?;
                Ok((Box::new(ours), child))
            }
            Self::Pipe => {
                let (ours, theirs) = io::pipe()?;
                let child = command.stdout(theirs).spawn()?;
                Ok((Box::new(ours), child))
            }
            Self::UnixSocket => {
                let (ours, theirs) = UnixStream::pair()?;
                let child = command.stdout(OwnedFd::from(theirs)).spawn()?;
                Ok((Box::new(ours), child))
            }
        }
    }
}

/// Shows that it is ready by a byte through its end, and sleeps until killed.
fn be_victim(means: &str) -> io::Result<()> {
    let mut end: Box<dyn io::Write> = match means {
        "zocket" => Box::new(Stream::inherited("end")?),
        _ => Box::new(io::stdout()),
    };
    end.write_all(b"r")?;
    end.flush()?;
    // Open, and nothing comes.
    io::stdin().read_exact(&mut [0])
}

/// Returns once a thread of this process sleeps in this system call.
fn until_asleep(thread: i32, call: i64) -> io::Result<()> {
    let path = format!("/proc/self/task/{thread}/syscall");
    let call = call.to_string();
    loop {
        let text = std::fs::read_to_string(&path)?;
        if text.split_ascii_whitespace().next() == Some(call.as_str()) {
            return Ok(());
        }
        thread::yield_now();
    }
}

/// One death; returns the microseconds.
fn round(means: Means) -> io::Result<f64> {
    let (mut reader, mut victim) = means.connect()?;
    reader.read_exact(&mut [0])?;
    let (announce, announced) = mpsc::channel();
    let waiter = thread::spawn(move || -> io::Result<Instant> {
        let _ = announce.send(gettid().as_raw());
        let n = reader.read(&mut [0])?;
        let end = Instant::now();
        assert_eq!(n, 0, "the victim wrote");
        Ok(end)
    });
    let id = announced.recv().expect("the waiter begins");
    until_asleep(id, means.sleeps_in())?;
    let start = Instant::now();
    victim.kill()?;
    let end = waiter.join().expect("the waiter does not panic")?;
    victim.wait()?;
    Ok((end - start).as_secs_f64() * 1e6)
}

/// The value below which `share` of the sorted ones lie.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len() - 1;
    sorted[(last as f64 * share).round() as usize]
}

fn main() -> io::Result<()> {
    if let Ok(means) = std::env::var(VICTIM) {
        return be_victim(&means);
    }
    let rounds = if std::env::args().any(|arg| arg == "--test") {
        3
    } else {
        200
    };
    let mut times = Means::ALL.map(|_| Vec::with_capacity(rounds));
    for _ in 0..rounds {
        for (means, times) in Means::ALL.into_iter().zip(&mut times) {
            times.push(round(means)?);
        }
    }
    println!("kill -9 of the peer to the return of a blocked read, {rounds} rounds, microseconds");
    for (means, mut times) in Means::ALL.into_iter().zip(times) {
        times.sort_by(f64::total_cmp);
        let (median, p99) = (percentile(&times, 0.5), percentile(&times, 0.99));
        println!("{:<8} median {median:8.1}   p99 {p99:8.1}", means.name());
    }
    Ok(())
}

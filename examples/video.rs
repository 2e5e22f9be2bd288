//! A producer of video frames, and a consumer of them in another process: each frame is made, and read, in
//! the ring itself. No copy of a whole frame is ever made.
//!
//! Shows: a datagram of megabytes that is written in place line by line, with the header last
//! (`wait_writable`, `try_reserve`), and read in place (`wait_readable`, `try_chunk`), and what that
//! yields in a second. The consumer is this program once more.
//!
//! Run it with `cargo run --release --example video`.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use xxhash_rust::xxh3::Xxh3;
use zocket::{Builder, Datagram, Error, process};

/// Both must know it: there may be several endpoints.
const NAME: &str = "video";

const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;
/// Lines of a frame, each `WIDTH` bytes: of brightness, and half as many of colour, which has two planes of half
/// the width and half the height (4:2:0). A colour line here is two of those.
const LINES: usize = HEIGHT + HEIGHT / 2;
/// Before the lines: the number of the frame, and the checksum of its lines.
const HEADER: usize = 16;
const FRAME: usize = HEADER + LINES * WIDTH;

/// Frames that the ring holds: one that is read, one that is written, one between them.
const DEPTH: usize = 3;
/// Frames to show, fewer where they are made slowly.
const FRAMES: u64 = if cfg!(debug_assertions) { 30 } else { 600 };

fn main() -> Result<()> {
    match Datagram::inherited(NAME) {
        Ok(endpoint) => consume(endpoint),
        // Nobody passed anything to this process, so it is the parent.
        Err(Error::NotInherited) => parent(),
        Err(error) => Err(error.into()),
    }
}

fn parent() -> Result<()> {
    // The memory is there from the beginning, so that the first frames do not wait for it.
    let builder = Builder::new().capacity(DEPTH * FRAME).prefault(true);
    let (mut ours, theirs) = builder.datagram_pair()?;
    let this_program = Command::new(std::env::current_exe()?);
    let mut child = process::spawn(this_program, [(NAME, theirs.into_fd()?)])?;

    // The consumer is ready: the time that a process takes to start is not to be measured.
    ensure!(ours.recv(&mut [0; 8])? > 0, "the consumer is gone");
    let camera = Camera::new();
    let start = Instant::now();
    for number in 0..FRAMES {
        ours.wait_writable(FRAME, None)?;
        camera.shoot(&mut ours, number)?;
    }
    let mut seen = [0; 8];
    ensure!(ours.recv(&mut seen)? == 8, "the consumer is gone");
    let seconds = start.elapsed().as_secs_f64();

    drop(ours);
    ensure!(child.wait()?.success());
    ensure!(u64::from_le_bytes(seen) == FRAMES);
    println!(
        "{FRAMES} frames of {WIDTH}x{HEIGHT}, each as it was made: {:.0} frames/s, {:.1} GB/s",
        FRAMES as f64 / seconds,
        FRAMES as f64 * FRAME as f64 / seconds / 1e9,
    );
    Ok(())
}

/// A picture that moves.
struct Camera {
    /// A gradient, wider than a frame: a line begins anywhere in it.
    gradient: Vec<u8>,
}

impl Camera {
    fn new() -> Self {
        let gradient = (0..2 * WIDTH).map(|x| (x * 255 / WIDTH) as u8).collect();
        Self { gradient }
    }

    fn line(&self, number: u64, y: usize) -> &[u8] {
        let x = (8 * number as usize + y) % WIDTH;
        &self.gradient[x..][..WIDTH]
    }

    /// Sends a frame.
    fn shoot(&self, endpoint: &mut Datagram, number: u64) -> zocket::Result<()> {
        let mut space = endpoint.try_reserve(FRAME)?;
        let mut checksum = Xxh3::new();
        for y in 0..LINES {
            let line = self.line(number, y);
            checksum.update(line);
            space.write(HEADER + y * WIDTH, line);
        }
        space.write(0, &number.to_le_bytes());
        space.write(8, &checksum.digest().to_le_bytes());
        space.commit(FRAME);
        Ok(())
    }
}

/// The child.
fn consume(mut endpoint: Datagram) -> Result<()> {
    endpoint.send(b"ready")?;
    for number in 0..FRAMES {
        endpoint.wait_readable(1, None)?;
        let frame = endpoint.try_chunk().context("the producer is gone")?;
        ensure!(frame.len() == FRAME);
        let mut header = [[0; 8]; 2];
        frame.read(0, header.as_flattened_mut());
        ensure!(u64::from_le_bytes(header[0]) == number, "out of order");

        // A few lines at a time, which stay in the CPU's nearest cache. The memory is the producer's as well,
        // so what is to be looked at twice is copied.
        let mut lines = [0; 4 * WIDTH];
        let mut checksum = Xxh3::new();
        for at in (HEADER..FRAME).step_by(lines.len()) {
            frame.read(at, &mut lines);
            checksum.update(&lines);
        }
        ensure!(checksum.digest() == u64::from_le_bytes(header[1]), "torn");
        // Only now is the space free for another one.
        frame.consume(FRAME);
    }
    endpoint.send(&FRAMES.to_le_bytes())?;
    Ok(())
}

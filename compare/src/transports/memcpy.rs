//! Bytes copied from one buffer to another by one thread: what a copy takes when no other CPU has
//! a hand in it.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::channel::{ANY_SIZE, Class, Name, Waiting};
use crate::contestant::Contestant;
use crate::machine;
use crate::task::{Job, Placement, Sample, Side, Task};

/// Of either buffer, as in a zocket stream.
const CAPACITY: usize = 256 << 10;

pub(super) const NAME: Name = Name {
    key: "memcpy",
    title: "`memcpy`",
    class: Class::Limit,
    waiting: Waiting::Spin,
    most: ANY_SIZE,
};

struct Memcpy {
    from: Vec<u8>,
    to: Vec<u8>,
    cpus: Vec<usize>,
}

pub(super) fn start(_connections: usize) -> Result<Box<dyn Contestant>> {
    Ok(Box::new(Memcpy {
        from: vec![1; CAPACITY],
        to: vec![0; CAPACITY],
        cpus: machine::cpus()?,
    }))
}

impl Contestant for Memcpy {
    fn name(&self) -> Name {
        NAME
    }

    fn run(&mut self, task: &Task) -> Result<Sample> {
        ensure!(task.job == Job::OneWay, "memory can be copied one way only");
        machine::place(&self.cpus, task.placement, Side::Active)?;
        let (start, before) = (Instant::now(), machine::usage()?);
        // Programs know the size of their small messages.
        match task.size {
            8 => self.copy(8, task.count),
            64 => self.copy(64, task.count),
            size => self.copy(size, task.count),
        }
        let (elapsed, usage) = (start.elapsed(), machine::usage()?.since(before));
        machine::place(&self.cpus, Placement::Free, Side::Active)?;
        Ok(Sample {
            elapsed,
            count: task.count,
            usage,
            per_connection: vec![task.count],
            ..Sample::default()
        })
    }
}

impl Memcpy {
    /// Copies `count` times `size` bytes, from the beginning again where the buffers end. Sizes
    /// are powers of two: larger ones than a buffer are some buffers.
    #[inline(always)]
    fn copy(&mut self, size: usize, count: u64) {
        let piece = size.min(CAPACITY);
        let pieces = count * (size / piece) as u64;
        let mut at = 0;
        for _ in 0..pieces {
            let range = at..at + piece;
            self.to[range.clone()].copy_from_slice(&self.from[range]);
            // Else the compiler would leave out what nobody reads.
            black_box(&mut self.to);
            at = (at + piece) % CAPACITY;
        }
    }
}

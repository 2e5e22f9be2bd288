//! Much data in random pieces, both ways at once, compared by digest.

use std::thread;

use xxhash_rust::xxh3::Xxh3;
use zocket::{FenceMode, Kind};

use crate::support_processes::control::{Control, Process, Role};
use crate::support_processes::endpoint::{
    Endpoint, FENCES, ReadEnd, WriteEnd, kind_from, kind_number,
};
use crate::support_processes::rng::Rng;

pub(crate) const ROLES: &[Role] = &[("bulk_peer", bulk_peer)];

const MIB: u64 = 1 << 20;

/// The digest of what was moved and, for datagrams, of where each one ended.
struct Digest {
    xxh3: Xxh3,
    boundaries: bool,
    total: u64,
}

impl Digest {
    fn new(kind: Kind) -> Self {
        Self {
            xxh3: Xxh3::new(),
            boundaries: kind == Kind::Datagram,
            total: 0,
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        if self.boundaries {
            self.xxh3.update(&(bytes.len() as u64).to_le_bytes());
        }
        self.xxh3.update(bytes);
        self.total += bytes.len() as u64;
    }

    fn value(&self) -> [u64; 2] {
        [self.total, self.xxh3.digest()]
    }
}

/// Writes `amount` random bytes in random pieces, then shuts writing down.
fn write_all(mut write: WriteEnd, kind: Kind, longest: usize, amount: u64, seed: u64) -> [u64; 2] {
    let mut rng = Rng::new(seed);
    // Slices from random places of a random buffer: no two pieces are alike, and
    // making them costs next to nothing.
    let material: Vec<u8> = (0..1 << 17)
        .flat_map(|_| rng.next().to_le_bytes())
        .collect();
    let mut digest = Digest::new(kind);
    while digest.total < amount {
        let len = rng.length(longest).min((amount - digest.total) as usize);
        let start = rng.below(material.len() - len);
        let piece = &material[start..start + len];
        let sent = write.write(piece).expect("the peer reads on");
        digest.take(&piece[..sent]);
    }
    digest.value()
}

/// Reads to the end with buffers of random lengths.
fn read_all(mut read: ReadEnd, kind: Kind, longest: usize, seed: u64) -> [u64; 2] {
    let mut rng = Rng::new(seed);
    let mut buf = vec![0; longest];
    let mut digest = Digest::new(kind);
    loop {
        let len = match kind {
            Kind::Stream => rng.length(longest),
            // A shorter buffer would cut a datagram off.
            _ => longest,
        };
        match read
            .read(&mut buf[..len])
            .expect("reading goes on to the end")
        {
            0 => return digest.value(),
            n => digest.take(&buf[..n]),
        }
    }
}

/// Sends and receives at once. Returns the digests of both.
fn exchange(endpoint: Endpoint, amount: u64, seed: u64) -> [[u64; 2]; 2] {
    let info = endpoint.info();
    let longest = match info.kind {
        // More than fits at once, too.
        Kind::Stream => 3 * info.capacity.min(1 << 16),
        _ => info.capacity.min(1 << 17),
    };
    let (read, write) = endpoint.split();
    thread::scope(|scope| {
        let writer = scope.spawn(|| write_all(write, info.kind, longest, amount, seed));
        let received = read_all(read, info.kind, longest, seed + 1);
        [writer.join().expect("the writer is through"), received]
    })
}

fn bulk_peer(control: &Control) {
    let [kind, amount, seed] = control.hear_numbers();
    let endpoint = Endpoint::inherited(kind_from(kind), "bulk").expect("it was passed");
    let [sent, received] = exchange(endpoint, amount, seed);
    control.tell_numbers(&[sent, received].concat());
}

fn transfer(rng: &mut Rng, kind: Kind, fence: FenceMode, capacity: usize, amount: u64) {
    let (ours, theirs) = Endpoint::pair(kind, capacity, fence).expect("a pair");
    let child = Process::start("bulk_peer", [("bulk", theirs.into())]);
    child.tell_numbers(&[kind_number(kind), amount, rng.next() >> 1]);
    let [sent, received] = exchange(ours, amount, rng.next() >> 1);
    let [
        their_sent,
        their_sent_digest,
        their_received,
        their_received_digest,
    ] = child.hear_numbers();
    child.finish();
    let what = format!("{kind} {fence:?} {capacity}");
    assert_eq!(sent[0], amount, "{what}");
    assert_eq!(sent, [their_received, their_received_digest], "{what}");
    assert_eq!(received, [their_sent, their_sent_digest], "{what}");
}

/// Of several capacities, 4 KiB (a sleep every few pieces) to 1 MiB (hardly any).
fn transfer_in_all_sizes(name: &str, kind: Kind) {
    let mut rng = Rng::for_test(name);
    for fence in FENCES {
        for (capacity, amount) in [
            (4 << 10, 16 * MIB),
            (20 << 10, 16 * MIB),
            (256 << 10, 32 * MIB),
            (1 << 20, 64 * MIB),
        ] {
            transfer(&mut rng, kind, fence, capacity, amount);
        }
    }
}

#[test]
fn bulk_stream_both_ways_arrives_intact() {
    transfer_in_all_sizes("bulk_stream", Kind::Stream);
}

#[test]
fn bulk_datagrams_both_ways_arrive_intact() {
    transfer_in_all_sizes("bulk_datagrams", Kind::Datagram);
}

//! What do single operations cost in one thread, without a peer on another CPU?
//!
//! `cargo bench --bench operations`

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;
use std::os::unix::net::UnixStream;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use zocket::{Datagram, Stream};

const SIZES: [usize; 4] = [8, 64, 1024, 16384];

fn write_and_read(c: &mut Criterion) {
    let mut group = c.benchmark_group("write_and_read");
    for size in SIZES {
        let message = vec![7; size];
        let mut buf = vec![0; size];
        group.throughput(Throughput::Bytes(size as u64));
        let (mut a, mut b) = Stream::pair().unwrap();
        group.bench_function(BenchmarkId::new("stream", size), |bench| {
            bench.iter(|| {
                a.try_write(black_box(&message)).unwrap();
                b.try_read(black_box(&mut buf)).unwrap()
            });
        });
        let (mut a, mut b) = Datagram::pair().unwrap();
        group.bench_function(BenchmarkId::new("datagram", size), |bench| {
            bench.iter(|| {
                a.try_send(black_box(&message)).unwrap();
                b.try_recv(black_box(&mut buf)).unwrap()
            });
        });
        let (mut a, mut b) = Stream::pair().unwrap();
        group.bench_function(BenchmarkId::new("stream_in_place", size), |bench| {
            bench.iter(|| {
                let mut space = a.try_reserve(size).unwrap();
                space.write(0, black_box(&message));
                space.commit(size);
                let chunk = b.try_chunk().unwrap();
                black_box(chunk.spans());
                chunk.consume(size);
            });
        });
    }
    group.finish();
}

fn create(c: &mut Criterion) {
    let mut group = c.benchmark_group("create_use_drop");
    let mut buf = [0; 8];
    group.bench_function("zocket", |bench| {
        bench.iter(|| {
            let (mut a, mut b) = Stream::pair().unwrap();
            a.try_write(&[1; 8]).unwrap();
            b.try_read(&mut buf).unwrap()
        });
    });
    group.bench_function("unix_stream", |bench| {
        use std::io::{Read, Write};
        bench.iter(|| {
            let (mut a, mut b) = UnixStream::pair().unwrap();
            a.write_all(&[1; 8]).unwrap();
            b.read(&mut buf).unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, write_and_read, create);
criterion_main!(benches);

//! Servers over zocket and over Unix sockets, side by side: hyper and tonic, a small request and its answer over
//! a connection that is kept. Server and client are threads with runtimes and CPUs of their own, as two
//! processes would be.
//!
//! `cargo bench --bench servers`

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

#[path = "../examples/calculator/mod.rs"]
mod calculator;

use std::convert::Infallible;
use std::thread;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, client, server};
use hyper_util::rt::TokioIo;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Mutex;

use crate::calculator::Client;

/// A runtime for this thread, which stays on one CPU, if there are two.
fn runtime(cpu: usize) -> Runtime {
    let mut set = CpuSet::new();
    set.set(cpu).unwrap();
    // Where there is no such CPU, it stays where it is.
    let _ = sched_setaffinity(Pid::from_raw(0), &set);
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// One end of a connection that has to be made within the runtime that uses it.
trait Connection: Send + Sized + 'static {
    type End: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    fn pair() -> (Self, Self);
    fn open(self) -> Self::End;
}

impl Connection for zocket::Stream {
    type End = zocket::tokio::Stream;

    fn pair() -> (Self, Self) {
        Self::pair().unwrap()
    }

    fn open(self) -> Self::End {
        zocket::tokio::Stream::from_blocking(self).unwrap()
    }
}

impl Connection for std::os::unix::net::UnixStream {
    type End = UnixStream;

    fn pair() -> (Self, Self) {
        let (a, b) = Self::pair().unwrap();
        for end in [&a, &b] {
            end.set_nonblocking(true).unwrap();
        }
        (a, b)
    }

    fn open(self) -> UnixStream {
        UnixStream::from_std(self).unwrap()
    }
}

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.uri().path(), "/hello");
    Ok(Response::new(Full::from("hello, world")))
}

fn hyper<C: Connection>(criterion: &mut Criterion, name: &str) {
    let (ours, theirs) = C::pair();
    let server = thread::spawn(|| {
        runtime(1).block_on(async {
            let http = server::conn::http1::Builder::new();
            let served = http.serve_connection(TokioIo::new(theirs.open()), service_fn(hello));
            served.await.unwrap();
        });
    });
    let own = runtime(0);
    let sender = own.block_on(async {
        let io = TokioIo::new(ours.open());
        let (sender, connection) = client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        Mutex::new(sender)
    });
    criterion.bench_function(&format!("hyper/HTTP 1.1 GET/{name}"), |bencher| {
        bencher.to_async(&own).iter(async || {
            let mut sender = sender.lock().await;
            sender.ready().await.unwrap();
            let request = Request::get("/hello").header("host", "zocket");
            let request = request.body(Full::<Bytes>::default()).unwrap();
            let response = sender.send_request(request).await.unwrap();
            let body = response.into_body().collect().await.unwrap();
            assert_eq!(body.to_bytes(), "hello, world");
        });
    });
    drop(sender);
    // The connection's task, too.
    drop(own);
    server.join().unwrap();
}

fn tonic<C: Connection>(criterion: &mut Criterion, name: &str) {
    let (ours, theirs) = C::pair();
    let server = thread::spawn(|| {
        runtime(1).block_on(async { calculator::serve(theirs.open()).await.unwrap() });
    });
    let own = runtime(0);
    let client = own.block_on(async { Client::connect(ours.open()).await.unwrap() });
    criterion.bench_function(&format!("tonic/unary call/{name}"), |bencher| {
        bencher.to_async(&own).iter(async || {
            let sum = client.clone().sum(vec![1, 2, 39]).await;
            assert_eq!(sum.unwrap(), 42);
        });
    });
    drop(client);
    drop(own);
    server.join().unwrap();
}

fn benches(criterion: &mut Criterion) {
    hyper::<zocket::Stream>(criterion, "zocket");
    hyper::<std::os::unix::net::UnixStream>(criterion, "AF_UNIX");
    tonic::<zocket::Stream>(criterion, "zocket");
    tonic::<std::os::unix::net::UnixStream>(criterion, "AF_UNIX");
}

criterion_group!(server_benches, benches);
criterion_main!(server_benches);

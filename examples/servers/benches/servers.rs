//! Servers over zocket and over Unix sockets, side by side: hyper and tonic, a small request and its answer over
//! a connection that is kept. Server and client are threads with runtimes and CPUs of their own, as two
//! processes would be.
//!
//! `cargo bench --bench servers`

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

#[path = "../examples/calculator/mod.rs"]
mod calculator;
#[path = "../../../benches/support/connection.rs"]
mod connection;

use std::convert::Infallible;
use std::thread;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, client, server};
use hyper_util::rt::TokioIo;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Mutex;

use crate::calculator::Client;
use crate::connection::{Connection, stay_on};

/// A runtime for this thread, which stays on one CPU, if there are two.
fn runtime(cpu: usize) -> Runtime {
    stay_on(cpu);
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.uri().path(), "/hello");
    Ok(Response::new(Full::from("hello, world")))
}

fn hyper<C: Connection>(criterion: &mut Criterion) {
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
    criterion.bench_function(&format!("hyper/HTTP 1.1 GET/{}", C::NAME), |bencher| {
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

fn tonic<C: Connection>(criterion: &mut Criterion) {
    let (ours, theirs) = C::pair();
    let server = thread::spawn(|| {
        runtime(1).block_on(async { calculator::serve(theirs.open()).await.unwrap() });
    });
    let own = runtime(0);
    let client = own.block_on(async { Client::connect(ours.open()).await.unwrap() });
    criterion.bench_function(&format!("tonic/unary call/{}", C::NAME), |bencher| {
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
    hyper::<zocket::Stream>(criterion);
    hyper::<std::os::unix::net::UnixStream>(criterion);
    tonic::<zocket::Stream>(criterion);
    tonic::<std::os::unix::net::UnixStream>(criterion);
}

criterion_group!(server_benches, benches);
criterion_main!(server_benches);

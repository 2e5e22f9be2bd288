//! A web server in one process and its client in another, over HTTP/1 and over HTTP/2.
//!
//! Shows: hyper over `zocket::tokio::Stream`, a connection that is kept for many requests, bodies that are
//! made and read piece by piece, and many requests at once on one HTTP/2 connection. An endpoint is one
//! connection. The server is this program once more.
//!
//! Run it with `cargo run --example http`.

use std::convert::Infallible;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};
use bytes::Bytes;
use futures_util::{future, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, client, server};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::Barrier;
use xxhash_rust::xxh3::Xxh3;
use zocket::tokio::Stream;
use zocket::{Error, process};

/// The names of the two connections.
const HTTP1: &str = "http1";
const HTTP2: &str = "http2";

/// The body that goes each way.
const PIECE: usize = 48 << 10;
const PIECES: usize = 128;

/// Requests that the server answers only when all of them are there.
const AT_ONCE: usize = 16;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    match zocket::Stream::inherited(HTTP1) {
        Ok(http1) => serve(http1, zocket::Stream::inherited(HTTP2)?).await,
        // Nobody passed anything to this process, so it is the parent.
        Err(Error::NotInherited) => parent().await,
        Err(error) => Err(error.into()),
    }
}

/// hyper's traits for an endpoint.
fn io(endpoint: zocket::Stream) -> Result<TokioIo<Stream>> {
    Ok(TokioIo::new(Stream::from_blocking(endpoint)?))
}

/// A body of some MiB, of which only a piece is in memory at a time.
fn large() -> BoxBody<Bytes, Infallible> {
    let pieces = (0..PIECES).map(|number| Ok(Frame::data(vec![number as u8; PIECE].into())));
    BodyExt::boxed(StreamBody::new(stream::iter(pieces)))
}

fn small(text: impl Into<Bytes>) -> BoxBody<Bytes, Infallible> {
    Full::new(text.into()).boxed()
}

/// Reads a body as it comes. Its length and its checksum.
async fn digest<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Result<String, B::Error> {
    let (mut len, mut hash) = (0, Xxh3::new());
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            len += data.len();
            hash.update(&data);
        }
    }
    Ok(format!("{len} {:016x}", hash.digest()))
}

// The server.

async fn serve(http1: zocket::Stream, http2: zocket::Stream) -> Result<()> {
    let barrier = Arc::new(Barrier::new(AT_ONCE));
    let service = || {
        let (barrier, served) = (Arc::clone(&barrier), Arc::new(AtomicU64::new(0)));
        service_fn(move |request| answer(request, Arc::clone(&barrier), Arc::clone(&served)))
    };
    let http1 = server::conn::http1::Builder::new().serve_connection(io(http1)?, service());
    let http2 = server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(io(http2)?, service());
    // Each until the client closes it.
    tokio::try_join!(http1, http2)?;
    Ok(())
}

/// Answers a request; `served` counts those of the connection.
async fn answer(
    request: Request<Incoming>,
    barrier: Arc<Barrier>,
    served: Arc<AtomicU64>,
) -> hyper::Result<Response<BoxBody<Bytes, Infallible>>> {
    let number = served.fetch_add(1, Ordering::Relaxed) + 1;
    let body = match (request.method(), request.uri().path()) {
        (&Method::GET, "/number") => small(number.to_string()),
        (&Method::GET, "/large") => large(),
        (&Method::POST, "/digest") => small(digest(request.into_body()).await?),
        (&Method::GET, "/together") => {
            barrier.wait().await;
            small("all are here")
        }
        _ => {
            let mut response = Response::new(small("no such page"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Ok(response);
        }
    };
    Ok(Response::new(body))
}

// The client.

async fn parent() -> Result<()> {
    let (http1, theirs1) = zocket::Stream::pair()?;
    let (http2, theirs2) = zocket::Stream::pair()?;
    let endpoints = [(HTTP1, theirs1.into_fd()?), (HTTP2, theirs2.into_fd()?)];
    let mut server = process::spawn(Command::new(std::env::current_exe()?), endpoints)?;

    let (mut sender, connection) = client::conn::http1::handshake(io(http1)?).await?;
    let connection = tokio::spawn(connection);
    let one = async |request| {
        sender.ready().await?;
        sender.send_request(request).await
    };
    let requests = several(one).await?;
    drop(sender);
    connection.await??;
    println!("HTTP/1: {requests} requests over one connection");

    let executor = TokioExecutor::new();
    let (sender, connection) = client::conn::http2::handshake(executor, io(http2)?).await?;
    let connection = tokio::spawn(connection);
    let requests = several(async |request| sender.clone().send_request(request).await).await?;
    // One after the other these would wait for ever.
    let all = (0..AT_ONCE).map(|_| sender.clone().send_request(get("http://zocket/together")));
    for response in future::try_join_all(all).await? {
        ensure!(text(response).await? == "all are here");
    }
    drop(sender);
    connection.await??;
    println!("HTTP/2: {requests} requests over one connection, and {AT_ONCE} at once");

    ensure!(server.wait()?.success());
    Ok(())
}

fn get(path: &str) -> Request<BoxBody<Bytes, Infallible>> {
    let request = Request::get(path).header("host", "zocket");
    request.body(small("")).expect("it is well-formed")
}

async fn text(response: Response<Incoming>) -> Result<String> {
    ensure!(response.status() == StatusCode::OK);
    let bytes = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(bytes.into())?)
}

/// Makes all kinds of requests, one after the other, over one connection. Returns how many.
async fn several(
    mut one: impl AsyncFnMut(Request<BoxBody<Bytes, Infallible>>) -> hyper::Result<Response<Incoming>>,
) -> Result<usize> {
    for number in 1..=100 {
        let response = one(get("http://zocket/number")).await?;
        // The server counts for each connection.
        ensure!(text(response).await? == number.to_string());
    }
    let expected = digest(large()).await?;
    let response = one(get("http://zocket/large")).await?;
    ensure!(digest(response.into_body()).await? == expected);
    let request = Request::post("http://zocket/digest").header("host", "zocket");
    let response = one(request.body(large())?).await?;
    ensure!(text(response).await? == expected);
    let response = one(get("http://zocket/nothing")).await?;
    ensure!(response.status() == StatusCode::NOT_FOUND);
    Ok(103)
}

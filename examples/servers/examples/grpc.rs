//! A gRPC server in one process and its client in another.
//!
//! Shows: tonic over `zocket::tokio::Stream`, calls with one answer and with many, calls at the same time, and
//! an error that the server answers with. The server is this program once more.
//!
//! Run it with `cargo run --example grpc`.

mod calculator;

use std::process::Command;

use anyhow::{Result, ensure};
use futures_util::future;
use tonic::Code;
use zocket::tokio::Stream;
use zocket::{Error, process};

use crate::calculator::Client;

/// Both must know it: there may be several endpoints.
const NAME: &str = "calculator";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    match zocket::Stream::inherited(NAME) {
        Ok(endpoint) => Ok(calculator::serve(Stream::from_blocking(endpoint)?).await?),
        // Nobody passed anything to this process, so it is the parent.
        Err(Error::NotInherited) => parent().await,
        Err(error) => Err(error.into()),
    }
}

async fn parent() -> Result<()> {
    let (ours, theirs) = zocket::Stream::pair()?;
    let this_program = Command::new(std::env::current_exe()?);
    let mut server = process::spawn(this_program, [(NAME, theirs.into_fd()?)])?;

    let mut client = Client::connect(Stream::from_blocking(ours)?).await?;
    ensure!(client.sum(vec![1, 2, 39]).await? == 42);
    // More than fits into the ring.
    let many: Vec<i64> = (1..=300_000).collect();
    ensure!(client.sum(many).await? == 45_000_150_000);
    let status = client.sum(vec![i64::MAX, 1]).await.unwrap_err();
    ensure!(status.code() == Code::OutOfRange, "{status}");

    let mut primes = client.primes(10_000).await?;
    // While the answers to that come.
    let sums = (0..50).map(|n| {
        let mut client = client.clone();
        async move { client.sum(vec![n, n]).await }
    });
    let sums = future::try_join_all(sums).await?;
    ensure!(sums.iter().copied().eq((0..50).map(|n| 2 * n)));
    let (mut count, mut last) = (0, 0);
    while let Some(prime) = primes.message().await? {
        (count, last) = (count + 1, prime.number);
    }
    ensure!((count, last) == (1229, 9973));

    drop((client, primes));
    // Beside the tasks of the connection, which have to come to their end.
    let status = tokio::task::spawn_blocking(move || server.wait()).await??;
    ensure!(status.success());
    println!("{} sums, and {count} primes in one answer", 3 + sums.len());
    Ok(())
}

//! A calculator, asked by gRPC: what `protoc` would make of this, written by hand to need no `protoc`.
//!
//! ```proto
//! service Calculator {
//!   rpc Sum(Numbers) returns (Number);
//!   rpc Primes(Number) returns (stream Number);
//! }
//! message Numbers { repeated sint64 numbers = 1; }
//! message Number { sint64 number = 1; }
//! ```

#![allow(dead_code, reason = "the benchmark makes fewer calls")]

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt, stream};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tonic::body::Body;
use tonic::codegen::http::{self, Uri, uri::PathAndQuery};
use tonic::transport::server::Connected;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Numbers {
    #[prost(sint64, repeated, tag = "1")]
    pub(crate) numbers: Vec<i64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Number {
    #[prost(sint64, tag = "1")]
    pub(crate) number: i64,
}

const SUM: &str = "/Calculator/Sum";
const PRIMES: &str = "/Calculator/Primes";

// The server.

async fn sum(request: Request<Numbers>) -> Result<Response<Number>, Status> {
    let numbers = request.into_inner().numbers;
    let sum = numbers
        .iter()
        .try_fold(0_i64, |sum, number| sum.checked_add(*number));
    let number = sum.ok_or_else(|| Status::out_of_range("the sum is too large"))?;
    Ok(Response::new(Number { number }))
}

/// The primes below a number, as they are found.
async fn primes(
    request: Request<Number>,
) -> Result<Response<impl Stream<Item = Result<Number, Status>>>, Status> {
    let is_prime = |n: &i64| (2..).take_while(|d| d * d <= *n).all(|d| n % d != 0);
    let primes = (2..request.into_inner().number).filter(is_prime);
    let items = primes.map(|number| Ok(Number { number }));
    Ok(Response::new(stream::iter(items)))
}

async fn answer(request: http::Request<Body>) -> Result<http::Response<Body>, Infallible> {
    Ok(match request.uri().path() {
        SUM => {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::default());
            grpc.unary(service_fn(sum), request).await
        }
        PRIMES => {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::default());
            grpc.server_streaming(service_fn(primes), request).await
        }
        _ => Status::unimplemented("no such call").into_http(),
    })
}

/// Serves one connection until the client closes it.
pub(crate) async fn serve<T>(io: T) -> Result<(), tonic::transport::Error>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (open, closed) = oneshot::channel();
    let connection = Connection { io, _open: open };
    // tonic serves connections in tasks, and has done with them when there are no more to come: so one
    // more is to come, until this one is closed.
    let incoming = stream::iter([Ok::<_, Infallible>(connection)]).chain(stream::pending());
    let closed = async {
        let _ = closed.await;
    };
    Server::builder()
        .serve_with_incoming_shutdown(service_fn(answer), incoming, closed)
        .await
}

/// A connection about which tonic knows nothing, as it wants to be told of any.
struct Connection<T> {
    io: T,
    /// Dropped with the connection.
    _open: oneshot::Sender<Infallible>,
}

impl<T> Connected for Connection<T> {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl<T: AsyncRead + Unpin> AsyncRead for Connection<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Connection<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

// The client.

/// What asks a calculator at the other end of a connection. Clones ask over the same one.
#[derive(Clone)]
pub(crate) struct Client(tonic::client::Grpc<Channel>);

impl Client {
    pub(crate) async fn connect<T>(io: T) -> Result<Self, tonic::transport::Error>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // There is one connection, and no way to make another.
        let mut io = Some(TokioIo::new(io));
        let connector = service_fn(move |_: Uri| {
            ready(
                io.take()
                    .ok_or(io::Error::from(io::ErrorKind::NotConnected)),
            )
        });
        // The name is for the requests' headers only.
        let endpoint = Endpoint::from_static("http://calculator");
        let channel = endpoint.connect_with_connector(connector).await?;
        Ok(Self(tonic::client::Grpc::new(channel)))
    }

    async fn ready(&mut self) -> Result<(), Status> {
        let ready = self.0.ready().await;
        ready.map_err(|error| Status::unavailable(error.to_string()))
    }

    pub(crate) async fn sum(&mut self, numbers: Vec<i64>) -> Result<i64, Status> {
        self.ready().await?;
        let (request, path) = (
            Request::new(Numbers { numbers }),
            PathAndQuery::from_static(SUM),
        );
        let sum: Response<Number> = self.0.unary(request, path, ProstCodec::default()).await?;
        Ok(sum.into_inner().number)
    }

    pub(crate) async fn primes(&mut self, below: i64) -> Result<Streaming<Number>, Status> {
        self.ready().await?;
        let request = Request::new(Number { number: below });
        let path = PathAndQuery::from_static(PRIMES);
        let codec = ProstCodec::default();
        Ok(self
            .0
            .server_streaming(request, path, codec)
            .await?
            .into_inner())
    }
}

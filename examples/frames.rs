//! Frames with a length before each, over a stream between two processes: the child answers every frame
//! with its bytes in reverse.
//!
//! Shows: a codec of tokio-util over `zocket::tokio::Stream`, frames larger than the ring, sending and
//! receiving at the same time, and that an end inside a frame is an error. The child is this
//! program once more.
//!
//! Run it with `cargo run --example frames`.

use std::io;
use std::process::Command;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio_util::codec::{Framed, LengthDelimitedCodec};
use zocket::tokio::Stream;
use zocket::{Error, process};

/// Both must know it: there may be several endpoints.
const NAME: &str = "frames";
/// Bytes of the frames, one after the other: none at all, and more than the 256 KiB of the ring.
const LENGTHS: [usize; 6] = [0, 1, 1000, 64 << 10, 256 << 10, 1 << 20];
const FRAMES: usize = 10 * LENGTHS.len();

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    match zocket::Stream::inherited(NAME) {
        Ok(endpoint) => child(endpoint).await,
        // Nobody passed anything to this process, so it is the parent.
        Err(Error::NotInherited) => parent().await,
        Err(error) => Err(error.into()),
    }
}

fn framed(endpoint: zocket::Stream) -> io::Result<Framed<Stream, LengthDelimitedCodec>> {
    let stream = Stream::from_blocking(endpoint)?;
    Ok(Framed::new(stream, LengthDelimitedCodec::new()))
}

fn frame(number: usize) -> Bytes {
    let len = LENGTHS[number % LENGTHS.len()];
    (0..len).map(|at| (7 * at + number) as u8).collect()
}

async fn parent() -> io::Result<()> {
    let (ours, theirs) = zocket::Stream::pair()?;
    let this_program = Command::new(std::env::current_exe()?);
    let mut child = process::spawn(this_program, [(NAME, theirs.into_fd()?)])?;

    let (mut frames, mut answers) = framed(ours)?.split();
    // Both at once: who sends everything and reads only then waits for ever when both rings are full.
    let send = async {
        for number in 0..FRAMES {
            frames.send(frame(number)).await?;
        }
        Ok::<_, io::Error>(frames)
    };
    let receive = async {
        let mut bytes = 0;
        for number in 0..FRAMES {
            let mut answer = answers.next().await.expect("as many as were sent")?;
            answer.reverse();
            assert_eq!(answer, frame(number));
            bytes += answer.len();
        }
        Ok::<_, io::Error>((answers, bytes))
    };
    let (frames, (answers, bytes)) = tokio::try_join!(send, receive)?;

    // A length, and less than it says. The child is to fail, and not to take it for the end.
    let whole = frames.reunite(answers).expect("they are of one stream");
    let mut stream = whole.into_inner();
    stream.write_all(&[0, 0, 0, 9, b'c', b'u', b't']).await?;
    drop(stream);
    assert_eq!(child.wait()?.code(), Some(CUT_OFF));
    println!("{FRAMES} frames came back reversed, {bytes} bytes in all");
    Ok(())
}

/// What the child ends with if the data ends inside a frame.
const CUT_OFF: i32 = 7;

async fn child(endpoint: zocket::Stream) -> io::Result<()> {
    let mut frames = framed(endpoint)?;
    while let Some(frame) = frames.next().await {
        match frame {
            Ok(mut frame) => {
                frame.reverse();
                frames.send(frame.freeze()).await?;
            }
            // tokio-util's way to say that bytes were left at the end.
            Err(error) if error.kind() == io::ErrorKind::Other => std::process::exit(CUT_OFF),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

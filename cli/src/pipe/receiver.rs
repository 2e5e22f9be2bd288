//! The other process: reads to the end, and says what arrived.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result, anyhow, bail};

use super::args::ReceiveArgs;
use super::control::{Control, FromReceiver, FromSender};
use super::output::Incoming;
use super::sender::now;
use super::source::touched;
use super::tally::{Meter, Tally};

/// Carries out the hidden command that `zocket pipe` starts.
pub(crate) fn receive(args: &ReceiveArgs) -> Result<()> {
    let control = io::stdout().as_fd().try_clone_to_owned()?;
    let mut control = Control::new(UnixStream::from(control));
    let result = serve(args, &mut control);
    if let Err(error) = &result
        && control
            .say(&FromReceiver::Failed(format!("{error:#}")))
            .is_ok()
    {
        // The sender tells it; nobody needs to read it twice.
        std::process::exit(1);
    }
    result
}

fn serve(args: &ReceiveArgs, control: &mut Control) -> Result<()> {
    let mut input = args
        .transport
        .take()
        .context("this command is for `zocket pipe` itself; cannot take the data from it")?;
    let mut incoming = args.part.as_deref().map(Incoming::open).transpose()?;
    let mut nowhere = io::sink();
    let sink: &mut dyn Write = match &mut incoming {
        Some(incoming) => &mut incoming.file,
        None => &mut nowhere,
    };
    let mut buf = touched(args.block);
    say(control, &FromReceiver::Ready)?;
    let tally = drain(&mut *input, sink, &mut buf)?;
    let at = now()?;
    say(control, &FromReceiver::Arrived { tally, at })?;
    // The end of the data looks the same whether the sender had sent everything or was
    // killed. Only it can tell, so what has arrived counts for nothing until it has.
    match control.hear()? {
        Some(FromSender::Verified) => {}
        None => bail!(SENDER_GONE),
    }
    if let Some(incoming) = incoming {
        incoming.confirm();
    }
    Ok(())
}

const SENDER_GONE: &str = "the sender ended before it confirmed what arrived";

fn say(control: &mut Control, message: &FromReceiver) -> Result<()> {
    // Nothing but the sender's end closes the channel, and the error says no more.
    control.say(message).map_err(|_| anyhow!(SENDER_GONE))
}

/// Reads everything, as much at a time as the buffer holds.
fn drain(input: &mut dyn Read, sink: &mut dyn Write, buf: &mut [u8]) -> Result<Tally> {
    let mut meter = Meter::new();
    loop {
        let data = match input.read(buf) {
            Ok(0) => return Ok(meter.finish()),
            Ok(len) => &buf[..len],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e).context("receiving"),
        };
        meter.add(data, 1);
        sink.write_all(data).context("writing the output")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::transport::Transport;

    fn tally(mut data: &[u8]) -> Tally {
        drain(&mut data, &mut io::sink(), &mut [0; 100]).unwrap()
    }

    #[test]
    fn everything_is_counted_and_written() {
        let data: Vec<u8> = (0..=255).cycle().take(1234).collect();
        let mut written = Vec::new();
        let tally = drain(&mut &*data, &mut written, &mut [0; 100]).unwrap();
        assert_eq!((tally.bytes, tally.pieces), (1234, 13));
        assert_eq!(written, data);
    }

    #[test]
    fn wrong_bytes_are_noticed() {
        let data: Vec<u8> = (0..=255).cycle().take(1234).collect();
        let sent = tally(&data);
        let mut flipped = data.clone();
        flipped[617] ^= 0x10;
        let mut exchanged = data.clone();
        exchanged.swap(3, 1000);
        let mut doubled = data.clone();
        doubled.extend_from_slice(&data[1134..]);
        for wrong in [&flipped, &exchanged, &doubled, &data[..1233], &data[1..]] {
            sent.verify(&tally(wrong), Transport::Pipe).unwrap_err();
        }
        sent.verify(&tally(&data), Transport::Pipe).unwrap();
    }

    #[test]
    fn output_that_cannot_be_written_is_an_error() {
        let mut full = [0; 10];
        let error = drain(&mut &[1; 20][..], &mut &mut full[..], &mut [0; 100]).unwrap_err();
        assert!(format!("{error:#}").starts_with("writing the output: "));
    }
}

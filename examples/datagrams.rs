//! Two threads exchange messages: each arrives whole, and alone.
//!
//! Shows: boundaries, writing a message in the shared memory itself (`try_reserve`),
//! reading it there (`try_chunk`), and what happens to a buffer that is too small.
//!
//! Run it with `cargo run --example datagrams`.

use std::thread;

use zocket::{Datagram, Result};

/// A thousand measurements: a number, and as many bytes as that ends with.
const MESSAGES: u32 = 1000;

fn main() -> Result<()> {
    let (mut sensor, mut monitor) = Datagram::pair()?;
    let sender = thread::spawn(move || -> Result<()> {
        for number in 0..MESSAGES {
            measure(&mut sensor, number)?;
        }
        sensor.send(b"that was all of it")?;
        Ok(()) // and `sensor` is dropped: the end
    });

    for number in 0..MESSAGES {
        monitor.wait_readable(1, None)?;
        let chunk = monitor.try_chunk()?; // one message, however many are queued
        assert_eq!(chunk.len(), 4 + number as usize % 100);
        // In two spans if the message is where the ring wraps.
        let mut bytes = [0; 4];
        let [first, second] = chunk.spans();
        let copied = first.copy_to(&mut bytes);
        second.copy_to(&mut bytes[copied..]);
        assert_eq!(u32::from_le_bytes(bytes), number);
        let len = chunk.len();
        chunk.consume(len);
    }

    let mut small = [0; 8];
    assert_eq!(monitor.recv(&mut small)?, 8);
    assert_eq!(&small, b"that was"); // the rest of the message is gone
    assert_eq!(monitor.recv(&mut small)?, 0); // the end
    sender.join().expect("the sender does not panic")?;
    println!("{MESSAGES} messages, each as it was sent");
    Ok(())
}

/// Sends a message that is made where it will be read from.
fn measure(sensor: &mut Datagram, number: u32) -> Result<()> {
    let len = 4 + number as usize % 100;
    sensor.wait_writable(len, None)?;
    let mut space = sensor.try_reserve(len)?;
    space.write(0, &number.to_le_bytes());
    space.write(4, &[0xAB; 100][..len - 4]);
    space.commit(len); // without this, nothing is sent
    Ok(())
}

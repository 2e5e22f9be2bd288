//! A client connects to a server's Unix socket and gets a zocket of its own: the
//! server sends one end over that connection, and all data goes through memory.
//!
//! Shows: `send_to` and `receive_from`, that what was written before the endpoint is
//! on its way is there when it arrives, and that the other end sees its process go.
//! The client is this program once more.
//!
//! Run it with `cargo run --example fd_over_unix_socket`.

use std::env;
use std::io::{self, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process::{self, Command};

use zocket::Stream;

fn main() -> io::Result<()> {
    match env::args().nth(1) {
        None => server(),
        Some(name) => client(&SocketAddr::from_abstract_name(name)?),
    }
}

fn server() -> io::Result<()> {
    // In the abstract namespace, so that there is no file to remove.
    let name = format!("zocket-example-{}", process::id());
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    let mut client = Command::new(env::current_exe()?).arg(name).spawn()?;

    let (connection, _) = listener.accept()?;
    let (mut ours, theirs) = Stream::pair()?;
    ours.write_all(b"welcome")?;
    theirs.send_to(&connection)?;
    // From here on the connection is not needed.
    drop(connection);

    let mut said = String::new();
    ours.read_to_string(&mut said)?; // until the client's end is gone
    assert_eq!(said, "thank you");
    assert!(ours.write_all(b"anybody there?").is_err());
    assert!(client.wait()?.success());
    println!("the client said: {said}");
    Ok(())
}

fn client(server: &SocketAddr) -> io::Result<()> {
    let connection = UnixStream::connect_addr(server)?;
    let mut endpoint = Stream::receive_from(&connection)?;
    drop(connection);

    let mut greeting = [0; 7];
    endpoint.read_exact(&mut greeting)?;
    assert_eq!(&greeting, b"welcome");
    endpoint.write_all(b"thank you")
}

//! A server listens at a path, and clients that know it connect: each gets a stream of its own.
//!
//! Shows: `StreamListener`, `Stream::connect`, who a client is, and a policy. The server serves
//! two clients, which are this program once more, and ends.
//!
//! Run it with `cargo run --example named_echo`.

use std::env;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::process::{self, Command};

use zocket::Stream;
use zocket::named::StreamListener;

fn main() -> io::Result<()> {
    match env::args_os().nth(1) {
        None => server(),
        Some(path) => client(Path::new(&path)),
    }
}

fn server() -> io::Result<()> {
    // A real one would take a directory that belongs to it, such as one in /run.
    let path = env::temp_dir().join(format!("zocket-named-echo-{}", process::id()));
    // It may be there already, if a server was killed that had this very name.
    let mut listener = StreamListener::bind(&path)?;
    // As at first, and root besides.
    listener.set_policy(|client| client.is_same_user() || client.uid == 0);

    for _ in 0..2 {
        let mut child = Command::new(env::current_exe()?).arg(&path).spawn()?;
        let (mut endpoint, who) = listener.accept()?;
        assert_eq!(who.pid, Some(child.id()));
        let mut said = String::new();
        endpoint.read_to_string(&mut said)?; // until it has shut its direction down
        endpoint.write_all(said.as_bytes())?;
        drop(endpoint);
        assert!(child.wait()?.success());
        println!("a client said: {said}");
    }

    // With the listener goes the path.
    drop(listener);
    assert!(!path.exists());
    assert_eq!(
        io::Error::from(Stream::connect(&path).unwrap_err()).kind(),
        io::ErrorKind::NotFound
    );
    Ok(())
}

fn client(path: &Path) -> io::Result<()> {
    let mut endpoint = Stream::connect(path)?;
    endpoint.write_all(b"hello, hello")?;
    endpoint.shutdown(Shutdown::Write)?;
    let mut echo = String::new();
    endpoint.read_to_string(&mut echo)?;
    assert_eq!(echo, "hello, hello");
    Ok(())
}

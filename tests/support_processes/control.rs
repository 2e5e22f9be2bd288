//! Starting children, telling them what to do, hearing from them.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// Says to a child which role it has.
const ROLE: &str = "ZOCKET_TEST_ROLE";
/// The abstract address that a child connects to, unless its standard input is the
/// control connection.
const ADDRESS: &str = "ZOCKET_TEST_CONTROL";
/// The test in which a child runs its role.
const ENTRY: &str = "child_entry";

/// Name and function of a role.
pub(crate) type Role = (&'static str, fn(&Control));

/// If this process is a child, plays its role; else does nothing.
pub(crate) fn run_role(roles: &[Role]) {
    let Ok(wanted) = std::env::var(ROLE) else {
        return;
    };
    let role = roles.iter().find(|(name, _)| *name == wanted);
    let (_, play) = role.unwrap_or_else(|| panic!("there is no role {wanted}"));
    play(&Control::of_child());
}

/// The command that makes this very binary play a role.
pub(crate) fn command(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("proc is mounted"));
    command
        .args([ENTRY, "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env_remove(ADDRESS)
        .stdout(Stdio::null());
    command
}

/// A line-wise connection between the test and a child.
///
/// Not one of the crate's: what is tested must not carry the test.
#[derive(Debug)]
pub(crate) struct Control(UnixStream);

impl Control {
    fn of_child() -> Self {
        if let Ok(name) = std::env::var(ADDRESS) {
            let address = SocketAddr::from_abstract_name(name).expect("a short name");
            return Self(UnixStream::connect_addr(&address).expect("the test listens"));
        }
        let stdin: OwnedFd = {
            use std::os::fd::AsFd;
            let stdin = std::io::stdin();
            stdin.as_fd().try_clone_to_owned().expect("stdin is open")
        };
        Self(stdin.into())
    }

    /// The connection itself, for passing endpoints.
    pub(crate) fn socket(&self) -> &UnixStream {
        &self.0
    }

    /// Sends a line.
    pub(crate) fn tell(&self, line: impl Display) {
        let line = format!("{line}\n");
        (&self.0)
            .write_all(line.as_bytes())
            .expect("the other process is there");
    }

    /// Sends numbers as a line.
    pub(crate) fn tell_numbers(&self, numbers: &[u64]) {
        let texts: Vec<String> = numbers.iter().map(u64::to_string).collect();
        self.tell(texts.join(" "));
    }

    /// Waits for a line.
    ///
    /// # Panics
    /// If the other process ends instead.
    pub(crate) fn hear(&self) -> String {
        self.hear_or_end().expect("the other process is there")
    }

    /// Waits for a line, or `None` when the other process has ended.
    pub(crate) fn hear_or_end(&self) -> Option<String> {
        let mut line = Vec::new();
        // Byte by byte: what follows the line may carry a descriptor.
        loop {
            let mut byte = [0];
            match (&self.0).read(&mut byte) {
                Ok(1) if byte == *b"\n" => return String::from_utf8(line).ok(),
                Ok(1) => line.push(byte[0]),
                _ => return None,
            }
        }
    }

    /// Waits for a line of `N` numbers.
    pub(crate) fn hear_numbers<const N: usize>(&self) -> [u64; N] {
        let line = self.hear();
        let numbers: Vec<u64> = line
            .split_ascii_whitespace()
            .map(|n| n.parse().unwrap_or_else(|_| panic!("not numbers: {line}")))
            .collect();
        numbers
            .try_into()
            .unwrap_or_else(|_| panic!("not {N} numbers: {line}"))
    }
}

/// Where children connect to whose parent is not the test.
#[derive(Debug)]
pub(crate) struct Meeting {
    listener: UnixListener,
    name: String,
}

impl Meeting {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("zocket-test-{}-{number}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a short name");
        Self {
            listener: UnixListener::bind_addr(&address).expect("the name is new"),
            name,
        }
    }

    /// The variable that leads a child here.
    pub(crate) fn variable(name: &str) -> (&'static str, OsString) {
        (ADDRESS, name.into())
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Waits for the next child.
    pub(crate) fn accept(&self) -> Control {
        Control(self.listener.accept().expect("a child connects").0)
    }
}

/// A child. Killed if the test gives up on it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    control: Control,
    reaped: bool,
}

impl Process {
    /// Starts a child in this role with endpoints under names.
    pub(crate) fn start<'a>(
        role: &str,
        endpoints: impl IntoIterator<Item = (&'a str, OwnedFd)>,
    ) -> Self {
        Self::start_command(command(role), endpoints)
    }

    pub(crate) fn start_command<'a>(
        mut command: Command,
        endpoints: impl IntoIterator<Item = (&'a str, OwnedFd)>,
    ) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("descriptors are left");
        command.stdin(OwnedFd::from(theirs));
        Self {
            child: zocket::process::spawn(command, endpoints).expect("the binary starts"),
            control: Control(ours),
            reaped: false,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGKILL and does not wait.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the child was not waited for");
    }

    fn wait(&mut self) -> ExitStatus {
        self.reaped = true;
        self.child.wait().expect("the child was not waited for")
    }

    /// Waits for the end of a child that was killed.
    pub(crate) fn finish_killed(self) {
        self.finish_killed_by(libc::SIGKILL);
    }

    /// Waits for the end of a child that a signal ends.
    pub(crate) fn finish_killed_by(mut self, signal: i32) {
        let status = self.wait();
        assert_eq!(status.signal(), Some(signal), "{status}");
    }

    /// Ends the conversation, and waits for the end of the child.
    pub(crate) fn finish_talking(self) {
        // A child that has ended already needs no telling.
        let _ = self.control.0.shutdown(Shutdown::Write);
        self.finish();
    }

    /// Waits for the end of a child that did all that its role asked.
    ///
    /// # Panics
    /// If it panicked.
    pub(crate) fn finish(mut self) {
        let status = self.wait();
        assert!(status.success(), "the child failed: {status}");
    }
}

impl std::ops::Deref for Process {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.reaped {
            // The test has failed already; whatever went wrong here adds nothing.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

//! What a subscriber is told of endpoints.

mod support;

use std::env;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Condvar, Mutex, OnceLock};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use support::descriptors::{Parts, Shared};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use zocket::protocol::{Side, Word64};
use zocket::{Error, Readiness, Stream, Violation, process};

/// An event: its level, the endpoint, and the words.
type Note = (Level, u64, String);

/// Keeps what it is told.
#[derive(Clone, Default)]
struct Notes(Arc<(Mutex<Vec<Note>>, Condvar)>);

#[derive(Default)]
struct Fields {
    koid: u64,
    message: String,
    violation: String,
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "koid" {
            self.koid = value;
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "violation" => self.violation = format!("{value:?}"),
            _ => {}
        }
    }
}

impl<S: Subscriber> Layer<S> for Notes {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "zocket" {
            let mut fields = Fields::default();
            event.record(&mut fields);
            let words = match fields.violation.as_str() {
                "" => fields.message,
                violation => format!("{}: {violation}", fields.message),
            };
            let (notes, pushed) = &*self.0;
            let note = (*event.metadata().level(), fields.koid, words);
            notes.lock().unwrap().push(note);
            pushed.notify_all();
        }
    }
}

impl Notes {
    /// Those of the whole process, but for threads that have their own.
    fn of_process() -> &'static Self {
        static NOTES: OnceLock<Notes> = OnceLock::new();
        NOTES.get_or_init(|| {
            let notes = Self::default();
            let subscriber = tracing_subscriber::registry().with(notes.clone());
            tracing::subscriber::set_global_default(subscriber).unwrap();
            notes
        })
    }

    fn take(&self) -> Vec<Note> {
        std::mem::take(&mut self.0.0.lock().unwrap())
    }

    /// Waits until it is told that.
    fn wait_for(&self, note: &Note) {
        let (notes, pushed) = &*self.0;
        let notes = notes.lock().unwrap();
        let _notes = pushed.wait_while(notes, |notes| !notes.contains(note));
    }

    /// How often it was told that.
    fn count(&self, note: &Note) -> usize {
        let notes = self.0.0.lock().unwrap();
        notes.iter().filter(|found| *found == note).count()
    }
}

/// A peer to be killed.
#[test]
fn child_entry() {
    if let Ok(mut peer) = Stream::inherited("parent") {
        peer.write_all(b"x").unwrap();
        // As long as the parent is there.
        let _ = peer.read(&mut [0]);
    }
}

/// An endpoint whose peer is another process, and was killed.
fn with_killed_peer() -> Stream {
    let (mut ours, theirs) = Stream::pair().unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["child_entry", "--exact", "--test-threads=1"]);
    let mut child = process::spawn(command, [("parent", theirs.into())]).unwrap();
    let mut byte = [0];
    ours.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"x");
    child.kill().unwrap();
    child.wait().unwrap();
    ours
}

fn peer_gone(endpoint: &Stream) -> Note {
    (Level::DEBUG, endpoint.info().koid, "peer gone".to_owned())
}

#[test]
fn killed_peer_is_told_of_once() {
    let notes = Notes::of_process();
    let mut ours = with_killed_peer();
    let gone = peer_gone(&ours);
    assert_eq!(ours.read(&mut [0]).unwrap(), 0);
    // The thread that watches may have woken us before it says so.
    notes.wait_for(&gone);
    assert_eq!(ours.read(&mut [0]).unwrap(), 0);
    assert_eq!(ours.try_write(b"x"), Err(Error::PeerClosed));
    assert_eq!(notes.count(&gone), 1);
}

#[test]
fn killed_peer_is_told_of_where_an_endpoint_is_polled() {
    let notes = Notes::of_process();
    let mut ours = with_killed_peer();
    let gone = peer_gone(&ours);
    if ours.arm_read(1).unwrap() == Readiness::Armed {
        let mut fds = [PollFd::new(ours.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::NONE).unwrap();
    }
    ours.acknowledge();
    assert_eq!(ours.try_read(&mut [0]), Ok(0));
    notes.wait_for(&gone);
    assert_eq!(notes.count(&gone), 1);
}

#[test]
fn breach_of_the_protocol_is_a_warning() {
    let notes = Notes::of_process();
    let (mut ours, theirs) = Stream::pair().unwrap();
    let parts = Parts::of(OwnedFd::from(theirs));
    let shared = Shared::map(&parts);
    shared.word64(Side::B, Word64::Tail).store(1 << 63, SeqCst);

    let violation = Violation::TailOutOfRange;
    for _ in 0..3 {
        let error = Error::Protocol(violation);
        assert_eq!(ours.try_read(&mut [0; 10]), Err(error));
    }
    let words = format!("peer broke the protocol and is disconnected: {violation}");
    let warning = (Level::WARN, ours.info().koid, words);
    assert_eq!(notes.count(&warning), 1);
}

#[test]
fn events_tell_how_an_endpoint_comes_and_goes_and_nothing_of_what_it_carries() {
    let notes = Notes::default();
    let subscriber = tracing_subscriber::registry().with(notes.clone());
    let _guard = tracing::subscriber::set_default(subscriber);
    let debug = |koid, message: &str| (Level::DEBUG, koid, message.to_owned());

    let (mut a, mut b) = Stream::pair().unwrap();
    let (a_koid, b_koid) = (a.info().koid, b.info().koid);
    let made = [a_koid, b_koid].map(|koid| debug(koid, "endpoint made"));
    assert_eq!(notes.take(), made);

    a.try_write(b"data").unwrap();
    b.try_read(&mut [0; 8]).unwrap();
    assert_eq!(notes.take(), []);

    let packed = OwnedFd::from(b);
    let b = Stream::try_from(packed).unwrap();
    let moved = ["endpoint packed", "endpoint claimed"].map(|words| debug(b_koid, words));
    assert_eq!(notes.take(), moved);

    drop(b);
    assert_eq!(a.read(&mut [0; 8]).unwrap(), 0);
    drop(a);
    let told = notes.take();
    assert!(told.contains(&debug(b_koid, "endpoint closed")), "{told:?}");
    assert!(told.contains(&debug(a_koid, "endpoint closed")), "{told:?}");
}

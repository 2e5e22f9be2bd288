//! What a subscriber is told of endpoints.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use zocket::Stream;

/// An event: its level, the endpoint, and the words.
type Note = (Level, u64, String);

/// Keeps what it is told.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Note>>>);

#[derive(Default)]
struct Fields {
    koid: u64,
    message: String,
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "koid" {
            self.koid = value;
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

impl<S: Subscriber> Layer<S> for Notes {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "zocket" {
            let mut fields = Fields::default();
            event.record(&mut fields);
            let note = (*event.metadata().level(), fields.koid, fields.message);
            self.0.lock().unwrap().push(note);
        }
    }
}

impl Notes {
    fn take(&self) -> Vec<Note> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
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

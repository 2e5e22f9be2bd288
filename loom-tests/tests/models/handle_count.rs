//! Who has the last handle of an object.

use std::rc::Rc;

use loom::thread;
use zocket::protocol::local::HandleCount;
use zocket_loom_tests::{LoomProcess, Payload, Rules, claim};

/// An object that its last handle closes.
struct Object {
    handles: HandleCount<LoomProcess>,
    /// 0; 1 when it was closed.
    closed: Payload,
}

impl Object {
    /// With one handle.
    fn new(rules: Rules) -> Rc<Self> {
        Rc::new(Self {
            handles: HandleCount::new(LoomProcess::new(rules)),
            closed: Payload::new(0),
        })
    }

    /// Uses it through a handle, which is then closed.
    fn use_and_close(&self) {
        claim!(self.closed.get() == 0, "used when closed");
        if self.handles.release() {
            self.close();
        }
    }

    fn close(&self) {
        claim!(self.closed.get() == 0, "closed twice");
        self.closed.set(1);
    }
}

/// Who closes the object sees all that was done with it.
fn two_handles_are_closed(rules: Rules) {
    let object = Object::new(rules);
    claim!(object.handles.try_add(), "the object is alive");
    let theirs = Rc::clone(&object);
    let other = thread::spawn(move || theirs.use_and_close());
    object.use_and_close();
    other.join().expect("the other ends");
    claim!(object.closed.get() == 1, "never closed");
}

/// A duplicate that was looked up before the close comes too late or in time, and the
/// object is closed once.
fn duplicate_meets_the_last_close(rules: Rules) {
    let object = Object::new(rules);
    let theirs = Rc::clone(&object);
    let closer = thread::spawn(move || theirs.use_and_close());
    if object.handles.try_add() {
        object.use_and_close();
    }
    closer.join().expect("the closer ends");
    claim!(object.closed.get() == 1, "never closed");
    claim!(
        object.handles.get() == 0,
        "{} are left",
        object.handles.get()
    );
}

/// An object is moved away only when no other handle is left, with all that was done
/// through those that are closed.
fn claim_meets_a_close(rules: Rules) {
    let object = Object::new(rules);
    claim!(object.handles.try_add(), "the object is alive");
    let theirs = Rc::clone(&object);
    let other = thread::spawn(move || theirs.use_and_close());
    if object.handles.claim_only() {
        // It moves.
        object.close();
        claim!(object.handles.release(), "not the last");
    } else {
        object.use_and_close();
    }
    other.join().expect("the other ends");
    claim!(object.closed.get() == 1, "never closed");
}

/// Of a duplicate and a claim, one comes first and the other one finds out.
fn claim_meets_a_duplicate(rules: Rules) {
    let object = Object::new(rules);
    let theirs = Rc::clone(&object);
    let duplicator = thread::spawn(move || {
        let added = theirs.handles.try_add();
        if added {
            theirs.use_and_close();
        }
        added
    });
    let claimed = object.handles.claim_only();
    if claimed {
        object.use_and_close();
    }
    let added = duplicator.join().expect("the duplicator ends");
    claim!(claimed || added, "each gave way to the other");
    claim!(claimed == (object.handles.get() == 0), "the count is wrong");
}

/// What was claimed is closed by somebody else: the object is closed once, and nobody can add
/// to it after.
fn claim_that_is_taken_back_meets_a_close(rules: Rules) {
    let object = Object::new(rules);
    let theirs = Rc::clone(&object);
    let closer = thread::spawn(move || theirs.use_and_close());
    if object.handles.claim_only() {
        object.handles.unclaim();
    }
    closer.join().expect("the closer ends");
    claim!(object.closed.get() == 1, "never closed");
    claim!(!object.handles.try_add(), "came back");
}

models! { local:
    two_handles_are_closed, None;
    relaxed [DropHandle Race, LastHandle Race]
    dropped []
    skipped []

    duplicate_meets_the_last_close, None;
    relaxed [DropHandle Race, LastHandle Race]
    dropped []
    skipped [RefuseDead Race]

    claim_meets_a_close, None;
    relaxed [DropHandle Race, LastHandle Race, ClaimHandle Race]
    dropped []
    skipped []

    claim_meets_a_duplicate, None;
    relaxed []
    dropped []
    skipped [RefuseDead Race]

    claim_that_is_taken_back_meets_a_close, None;
    relaxed []
    dropped []
    skipped [RefuseDead Claim]
}

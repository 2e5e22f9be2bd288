//! Nothing that the protocol pays for is without a twin that shows what for, and
//! nothing that is checked is missing from the documentation.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use zocket::protocol::{Fence, Site, Step, local};
use zocket_loom_tests::{Model, Twin, Weakening};

/// A list of all variants that does not compile when one is missing.
macro_rules! all {
    ($what:ty: $($variant:ident),* $(,)?) => {{
        let _ = |what: $what| match what {
            $(<$what>::$variant => (),)*
        };
        [$(<$what>::$variant),*]
    }};
}

fn models() -> impl Iterator<Item = &'static Model> {
    [
        super::announced::MODELS,
        super::at_once::MODELS,
        super::close::MODELS,
        super::datagram::MODELS,
        super::doorbell::MODELS,
        super::duplex::MODELS,
        super::fences::MODELS,
        super::half_close::MODELS,
        super::handle_count::MODELS,
        super::hang_up::MODELS,
        super::hazard::MODELS,
        super::serial::MODELS,
        super::signals::MODELS,
        super::stream::MODELS,
        super::table::MODELS,
        super::wake_up::MODELS,
    ]
    .into_iter()
    .flatten()
}

/// All that can be weakened.
fn weakenings() -> Vec<Weakening> {
    let sites = all!(
        Site: PublishTail, ObserveTail, PublishHead, ObserveHead, Cursor, BeginWrite, EndWrite,
        ObserveWrite, CheckFlags, Close, ObserveClosed, SetDisposition, ObserveDisabled, SetWant,
        ReadWant, Arm, Disarm, LookForWaiter, TakeWaiter, StoreSignals, ObserveSignals, RaiseEvents,
        CountEvents, Announce, Withdraw, ObserveAnnounced, Threshold,
    );
    let fences = all!(
        Fence: ArmThenCheck, PublishThenLook, ArmThenAsk, ChangeThenLook, WithdrawThenLook,
        MarkThenCheck, DisableThenCheckMark,
    );
    let steps = all!(
        Step: CheckAfterArm, CheckTailAfterClosed, CheckTailAfterMark, CheckMark,
        WakeAfterClose, WakeUnasked, WakeAfterDisable, WakeAfterEnable, WakeAfterSignal,
        RecordRise, CheckEnabled, WakeAfterDisabledWrite, CheckWant, RelieveSoftWaiter,
    );
    let ordered = sites
        .into_iter()
        .filter(|site| site.ordering() != Ordering::Relaxed);
    ordered
        .map(Weakening::Relax)
        .chain(fences.into_iter().map(Weakening::Drop))
        .chain(steps.into_iter().map(Weakening::Skip))
        .chain(local_weakenings())
        .collect()
}

/// All that can be weakened within one process.
fn local_weakenings() -> impl Iterator<Item = Weakening> {
    let sites = all!(
        local::Site: PublishEntry, FindEntry, GlimpseEntry, RemoveEntry, PublishSegment,
        FindSegment, ReadGuard, Guard, Unguard, ObserveGuard, Ask, ReadAsked, AddHandle, DropHandle, LastHandle, ClaimHandle, CountHandles, ReadOwner,
        SetOwner, ReadBusy, Enter, Leave, ObserveLeft,
    );
    let fences = all!(
        local::Fence: GuardThenCheck, UnguardThenCheck, RemoveThenScan, AskThenScan,
        EnterThenCheck, LeaveThenCheck, RevokeThenLook,
    );
    let steps = all!(
        local::Step: CompareValue, AwaitPinned, CheckAfterGuard, GuardOne, AwaitGuards, AnswerAsked,
        KeepUnfenced, StopGuarding, RecheckEntry, RefuseDead, CheckAfterEnter,
        WakeAfterLeave, AwaitOwner, OwnSeat, ReinstateOwner,
    );
    let ordered = sites
        .into_iter()
        .filter(|site| site.ordering() != Ordering::Relaxed);
    let relaxed = ordered.map(Weakening::RelaxLocal);
    relaxed
        .chain(fences.into_iter().map(Weakening::DropLocal))
        .chain(steps.into_iter().map(Weakening::SkipLocal))
}

#[test]
fn every_ordering_fence_and_step_has_a_twin_that_fails() {
    let shown: HashSet<_> = models()
        .flat_map(|model| model.twins)
        .map(|twin| twin.weakening)
        .collect();
    for weakening in weakenings() {
        assert!(shown.contains(&weakening), "no twin with {weakening}");
    }
}

#[test]
fn every_model_has_a_twin() {
    for model in models() {
        assert!(!model.twins.is_empty(), "{} cannot fail", model.name);
    }
}

#[test]
fn no_twin_weakens_what_is_weak() {
    let weakenings = weakenings();
    for twin in models().flat_map(|model| model.twins) {
        assert!(weakenings.contains(&twin.weakening), "{}", twin.weakening);
    }
}

/// The twin as the table in the documentation has it.
fn documented(twin: &Twin) -> String {
    let weakening = twin.weakening.to_string();
    let (lacks, how) = weakening.split_once(' ').expect("what, and how");
    let failure = format!("{:?}", twin.failure).to_lowercase();
    format!("`{lacks}` {how}: {failure}")
}

#[test]
fn every_model_and_twin_is_documented() {
    const TEXT: &str = include_str!("../../../docs/verification.md");
    for model in models() {
        let start = format!("| `{}` |", model.name);
        let row = TEXT.lines().find(|line| line.starts_with(&start));
        let twins: Vec<_> = model.twins.iter().map(documented).collect();
        let twins = twins.join(", ");
        assert!(
            row.is_some_and(|row| row.ends_with(&format!("| {twins} |"))),
            "docs/verification.md needs a row: {start} ... | {twins} |"
        );
    }
}

//! The models, one file for each theme, and the proof that they can fail.
//!
//! `cargo test -p zocket-loom-tests` runs everything, `cargo test -p
//! zocket-loom-tests close::` one theme. See the documentation of the crate for
//! what to do when one fails.

/// Makes the table `MODELS` of a theme, and its tests: each model with either
/// kind of fence, and each twin, named after what it does without.
///
/// After the name come the interruptions that loom explores, then the twins:
/// what they lack, and how they fail. Models that are large without a limit are
/// explored with three interruptions: each of the twins fails with two already,
/// and nearly all with one.
///
/// `local:` in front says that sites, fences and steps are those within one process.
macro_rules! models {
    (local: $($models:tt)*) => { theme! { local $($models)* } };
    ($($models:tt)*) => { theme! { shared $($models)* } };
}

macro_rules! theme {
    ($world:ident $(
        $name:ident, $preemptions:expr;
        relaxed [$($site:ident $site_failure:ident),*]
        dropped [$($fence:ident $fence_failure:ident),*]
        skipped [$($step:ident $step_failure:ident),*]
    )*) => {
        pub(crate) const MODELS: &[zocket_loom_tests::Model] = &[$($name::MODEL),*];
        $(
            #[allow(non_snake_case, reason = "a twin bears the name of what it lacks")]
            mod $name {
                pub(super) const MODEL: zocket_loom_tests::Model = zocket_loom_tests::Model {
                    name: stringify!($name),
                    preemptions: $preemptions,
                    run: super::$name,
                    twins: &[
                        $(twin!($world Relax $site $site_failure),)*
                        $(twin!($world Drop $fence $fence_failure),)*
                        $(twin!($world Skip $step $step_failure),)*
                    ],
                };

                mod holds {
                    #[test]
                    fn with_symmetric_fences() {
                        zocket_loom_tests::must_hold(
                            &super::MODEL,
                            zocket_loom_tests::Fencing::Symmetric,
                        );
                    }

                    #[test]
                    fn with_asymmetric_fences() {
                        zocket_loom_tests::must_hold(
                            &super::MODEL,
                            zocket_loom_tests::Fencing::Asymmetric,
                        );
                    }
                }

                mod relaxed {
                    $(twin_test!($world Relax $site $site_failure);)*
                }

                mod dropped {
                    $(twin_test!($world Drop $fence $fence_failure);)*
                }

                mod skipped {
                    $(twin_test!($world Skip $step $step_failure);)*
                }
            }
        )*
    };
}

macro_rules! twin {
    ($world:ident $how:ident $lacks:ident $failure:ident) => {
        zocket_loom_tests::Twin {
            weakening: weakening!($world $how $lacks),
            failure: zocket_loom_tests::Failure::$failure,
        }
    };
}

macro_rules! weakening {
    (shared Relax $site:ident) => { weakening!(Relax, Site::$site) };
    (shared Drop $fence:ident) => { weakening!(Drop, Fence::$fence) };
    (shared Skip $step:ident) => { weakening!(Skip, Step::$step) };
    (local Relax $site:ident) => { weakening!(RelaxLocal, local::Site::$site) };
    (local Drop $fence:ident) => { weakening!(DropLocal, local::Fence::$fence) };
    (local Skip $step:ident) => { weakening!(SkipLocal, local::Step::$step) };
    ($how:ident, $($what:ident)::*) => {
        zocket_loom_tests::Weakening::$how(zocket::protocol::$($what)::*)
    };
}

macro_rules! twin_test {
    ($world:ident $how:ident $lacks:ident $failure:ident) => {
        #[test]
        fn $lacks() {
            zocket_loom_tests::must_fail(&super::MODEL, twin!($world $how $lacks $failure));
        }
    };
}

mod announced;
mod at_once;
mod close;
mod coverage;
mod datagram;
mod doorbell;
mod duplex;
mod fences;
mod half_close;
mod handle_count;
mod hang_up;
mod hazard;
mod serial;
mod signals;
mod stream;
mod table;
mod wake_up;

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
macro_rules! models {
    ($(
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
                        $(twin!(Relax, Site, $site, $site_failure),)*
                        $(twin!(Drop, Fence, $fence, $fence_failure),)*
                        $(twin!(Skip, Step, $step, $step_failure),)*
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
                    $(twin_test!(Relax, Site, $site, $site_failure);)*
                }

                mod dropped {
                    $(twin_test!(Drop, Fence, $fence, $fence_failure);)*
                }

                mod skipped {
                    $(twin_test!(Skip, Step, $step, $step_failure);)*
                }
            }
        )*
    };
}

macro_rules! twin {
    ($how:ident, $what:ident, $lacks:ident, $failure:ident) => {
        zocket_loom_tests::Twin {
            weakening: zocket_loom_tests::Weakening::$how(zocket::protocol::$what::$lacks),
            failure: zocket_loom_tests::Failure::$failure,
        }
    };
}

macro_rules! twin_test {
    ($how:ident, $what:ident, $lacks:ident, $failure:ident) => {
        #[test]
        fn $lacks() {
            zocket_loom_tests::must_fail(&super::MODEL, twin!($how, $what, $lacks, $failure));
        }
    };
}

mod close;
mod coverage;
mod datagram;
mod doorbell;
mod duplex;
mod fences;
mod half_close;
mod hang_up;
mod stream;
mod wake_up;

//! Lemnis against the real DVC: random pipelines and random steps, run in two equal repositories, have the same exit
//! codes, run the same stages, leave the same bytes, and each finds in the other's repository what it finds in its own.
//!
//! `LEMNIS_TWIN_CASES` says how many cases run (default 12), `LEMNIS_TWIN_SEED` which is the first (default 1): case
//! number N is the same for ever. `LEMNIS_TWIN_STEPS` bounds a case's steps, `LEMNIS_TWIN_SHRINK` the attempts to make
//! a failing case smaller. All cases run, then the failed ones are told.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

mod case;
mod model;
#[path = "../support/mod.rs"]
mod support;
mod twin;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

#[test]
fn random_pipelines_and_steps_come_to_what_dvc_makes_of_them() {
    let Some(python) = support::python("random_pipelines_and_steps_come_to_what_dvc_makes_of_them") else {
        return;
    };
    let judge = support::judge::Judge::start(&python);
    let (first, cases) = (number("LEMNIS_TWIN_SEED", 1), number("LEMNIS_TWIN_CASES", 12));
    let steps = number("LEMNIS_TWIN_STEPS", 8) as usize;
    let mut failed = Vec::new();
    for seed in first..first + cases {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let config = Config {
            cases: 1,
            failure_persistence: None,
            max_shrink_iters: number("LEMNIS_TWIN_SHRINK", 60) as u32,
            ..Config::default()
        };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let result =
            runner.run(&case::case(steps), |case| twin::check(&judge, &case).map_err(TestCaseError::fail));
        let Err(error) = result else { continue };
        failed.push(seed);
        eprintln!("=== case {seed}: LEMNIS_TWIN_SEED={seed} LEMNIS_TWIN_CASES=1");
        match error {
            TestError::Abort(reason) => eprintln!("{reason}"),
            TestError::Fail(reason, case) => eprintln!("{reason}\n{}", twin::told(&case)),
        }
    }
    assert!(failed.is_empty(), "of {cases} cases, these failed: {failed:?}");
}

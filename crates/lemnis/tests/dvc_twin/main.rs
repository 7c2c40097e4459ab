//! Lemnis against the real DVC: random pipelines and random steps, run in two equal repositories, have the same exit
//! codes, run the same stages, leave the same bytes, and each finds in the other's repository what it finds in its own.
//!
//! `LEMNIS_TWIN_CASES` says how many cases run (default 40), `LEMNIS_TWIN_SEED` which is the first (default 1): case
//! number N is the same on every machine. `LEMNIS_TWIN_STEPS` bounds a case's steps, `LEMNIS_TWIN_SHRINK` the attempts to make
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
mod same;
mod side;
#[path = "../support/mod.rs"]
mod support;
mod twin;
mod words;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use support::judge::Judge;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

#[test]
fn random_pipelines_and_steps_come_to_what_dvc_makes_of_them() {
    let Some(python) = support::python("random_pipelines_and_steps_come_to_what_dvc_makes_of_them") else {
        return;
    };
    let judge = Judge::start(&python);
    let (first, cases) = (number("LEMNIS_TWIN_SEED", 1), number("LEMNIS_TWIN_CASES", 40));
    let steps = number("LEMNIS_TWIN_STEPS", 8) as usize;
    let (next, failed) = (AtomicU64::new(first), Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, |count| count.get().min(8));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + cases {
                        break;
                    }
                    if let Err(told) = run_case(&judge, seed, steps) {
                        eprintln!("=== case {seed}: LEMNIS_TWIN_SEED={seed} LEMNIS_TWIN_CASES=1\n{told}");
                        failed.lock().unwrap().push(seed);
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort_unstable();
    assert!(failed.is_empty(), "of {cases} cases, these failed: {failed:?}");
}

/// Runs case number `seed`; the error tells it, made smaller.
fn run_case(judge: &Judge, seed: u64, steps: usize) -> Result<(), String> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: 1,
        failure_persistence: None,
        max_shrink_iters: number("LEMNIS_TWIN_SHRINK", 60) as u32,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let result =
        runner.run(&case::case(steps), |case| twin::check(judge, &case).map_err(TestCaseError::fail));
    result.map_err(|error| match error {
        TestError::Abort(reason) => reason.to_string(),
        TestError::Fail(reason, case) => format!("{reason}\n{}", twin::told(&case)),
    })
}

/// What forking must not change: a command line comes to what it comes to in a `dvc` of its own, whatever ran before.
#[test]
fn a_forked_dvc_answers_as_one_started_anew() {
    let Some(python) = support::python("a_forked_dvc_answers_as_one_started_anew") else { return };
    let judge = Judge::start(&python);
    twin::forked_is_plain(&judge, &python);
}

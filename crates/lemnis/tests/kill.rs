//! A quickstart that is killed, again and again, goes on where it was: one champion, no version twice.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

mod support;

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{json, lemnis};

/// How often the process is killed.
const KILLS: u64 = 10;

/// A number below `below` that depends on `place` alone.
fn spread(place: u64, below: u64) -> u64 {
    let mixed = (place + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) % below
}

#[test]
fn killed_at_many_moments_it_completes_with_one_champion() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("project");
    let arguments = ["quickstart", "--dir", dir.to_str().unwrap(), "--port", "0", "--exit"];

    // How long one takes decides where the kills fall.
    let trial = tempfile::tempdir().unwrap();
    let started = Instant::now();
    json(trial.path(), &["quickstart", "--port", "0", "--exit"]);
    let whole = started.elapsed().as_millis() as u64;

    for kill in 0..KILLS {
        let mut child =
            lemnis(home.path()).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_millis(20 + spread(kill, whole * 2 / 3));
        while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().ok();
        child.wait().unwrap();
    }

    let finished = json(home.path(), &arguments);
    assert!(finished["steps"]["react"]["champion"].is_u64(), "{finished}");
    let models = json(&dir, &["models", "list"]);
    let versions = models["models"][0]["versions"].as_array().unwrap().clone();
    let champions: Vec<&Value> = versions
        .iter()
        .filter(|version| version["aliases"].as_array().unwrap().iter().any(|alias| alias == "champion"))
        .collect();
    assert_eq!(champions.len(), 1, "{models}");
    let mut digests: Vec<&str> =
        versions.iter().map(|version| version["model_digest"].as_str().unwrap()).collect();
    digests.sort_unstable();
    let count = digests.len();
    digests.dedup();
    assert_eq!(digests.len(), count, "a model became two versions: {models}");
}

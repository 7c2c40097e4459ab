//! Labelled live rows as training data.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod support;

use lemnis_app::retrain::{Collect, collect};
use lemnis_core::{Classify, ErrorKind};
use support::World;

fn cmd(verdict: &str) -> Collect {
    Collect { endpoint: "churn".to_owned(), verdict: Some(verdict.to_owned()) }
}

#[tokio::test]
async fn a_verdict_collects_its_own_window_whenever_it_is_asked() {
    let world = World::new().await;
    world.predict("first", 40.0).await;
    world.tell("first", 200, false).await;
    let verdict = world.check(false).await.drift;
    // What comes afterwards is another window's.
    for round in 0..15 {
        world.predict(&format!("later-{round}"), 0.0).await;
        world.tell(&format!("later-{round}"), 200, true).await;
    }
    let collected = collect(&world.app, &world.who, &cmd(&verdict.id)).await.unwrap();
    let path = world.dir.path().join(&collected.file);
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(collected.rows, 100);
    let x = lemnis_app::frame::read_table(&path).unwrap().floats("x").unwrap();
    assert!(x.iter().all(|x| *x >= 40.0), "rows of a later window were collected");

    // The file stays as it is, and what made it is found again without it.
    std::fs::write(&path, [bytes.as_slice(), b"41,month,yes\n"].concat()).unwrap();
    assert_eq!(collect(&world.app, &world.who, &cmd(&verdict.id)).await.unwrap().rows, 101);
    std::fs::remove_file(&path).unwrap();
    collect(&world.app, &world.who, &cmd(&verdict.id)).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
}

#[tokio::test]
async fn a_verdict_cannot_name_a_file_elsewhere() {
    let world = World::new().await;
    world.predict("r", 0.0).await;
    world.tell("r", 200, false).await;
    let mut verdict = world.check(false).await.drift;
    verdict.id = "../../elsewhere".to_owned();
    world.app.verdicts.insert(&verdict).await.unwrap();
    let error = collect(&world.app, &world.who, &cmd(&verdict.id)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(!world.dir.path().join("elsewhere.csv").exists());
    // Nor can a verdict on something else start it.
    verdict.id = "other".to_owned();
    verdict.subject = "endpoint/other".to_owned();
    world.app.verdicts.insert(&verdict).await.unwrap();
    let error = collect(&world.app, &world.who, &cmd("other")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

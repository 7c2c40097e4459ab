//! Servers that share one PostgreSQL database serve at once: nothing is lost, no number is given twice, one leads.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on ends"
)]

mod support;

use std::time::{Duration, Instant};

use futures::future::join_all;
use lemnis_testkit::Postgres;
use serde_json::json;
use support::Up;
use support::mlflow::Mlflow;

const VERSIONS: usize = 40;
const WRITERS: i64 = 8;
const POINTS: i64 = 50;

#[tokio::test]
async fn two_servers_on_one_database_agree() {
    let Some(mut postgres) = Postgres::start().unwrap() else { return };
    let url = postgres.create("shared").unwrap();
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let variables = [("LEMNIS_DATABASE_URL", url.as_str())];
    // They start at the same time, and one of them makes the schema.
    let started: Vec<_> = dirs
        .iter()
        .map(|dir| {
            let (dir, url) = (dir.path().to_owned(), url.clone());
            std::thread::spawn(move || Up::start_with(&dir, &[("LEMNIS_DATABASE_URL", &url)]))
        })
        .collect();
    let mut servers: Vec<Up> = started.into_iter().map(|server| server.join().unwrap()).collect();
    let both: Vec<Mlflow> = servers.iter().map(|server| Mlflow::at(&server.url)).collect();

    one_name_makes_one_experiment(&both).await;
    versions_are_unique_and_without_gaps(&both).await;
    no_point_is_lost(&both).await;
    a_param_is_set_once(&both).await;
    assert_eq!(leaders(&postgres).len(), 1);

    a_database_that_comes_back_is_used_again(&mut postgres, &both).await;

    let leader = wait_for_leader(&postgres, None).await;
    // Whoever leads is one of the two; without it the other leads.
    drop(servers.remove(0));
    let first = wait_for_leader(&postgres, None).await;
    let again = Up::start_with(dirs[0].path(), &variables);
    drop(servers.remove(0));
    let second = wait_for_leader(&postgres, Some(&first)).await;
    assert_ne!(first, second);
    assert!(!leader.is_empty());
    let run = Mlflow::at(&again.url).run().await;
    assert_eq!(Mlflow::at(&again.url).steps(&run, "none").await, [0i64; 0]);
}

/// The database sessions that hold the leader's lock.
fn leaders(postgres: &Postgres) -> Vec<String> {
    let held = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted";
    postgres.sql("shared", held).unwrap().lines().map(str::to_owned).collect()
}

async fn wait_for_leader(postgres: &Postgres, but: Option<&str>) -> String {
    let started = Instant::now();
    loop {
        match leaders(postgres).as_slice() {
            [one] if but != Some(one.as_str()) => return one.clone(),
            others => assert!(started.elapsed() < Duration::from_secs(60), "{others:?} lead"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn one_name_makes_one_experiment(both: &[Mlflow]) {
    let name = json!({"name": "same"});
    let calls = (0..8).map(|n| both[n % 2].try_post("experiments/create", &name));
    let answers = join_all(calls).await;
    let made = answers.iter().flatten().filter(|(status, _)| *status == 200).count();
    assert_eq!(made, 1, "{answers:?}");
    for (status, answer) in answers.iter().flatten().filter(|(status, _)| *status != 200) {
        assert_eq!(
            (*status, answer["error_code"].as_str()),
            (400, Some("RESOURCE_ALREADY_EXISTS")),
            "{answer}"
        );
    }
}

async fn versions_are_unique_and_without_gaps(both: &[Mlflow]) {
    both[0].post("registered-models/create", json!({"name": "churn"})).await;
    let run = both[0].run().await;
    let source = format!("mlflow-artifacts:/0/{run}/artifacts/m");
    let source = json!({"name": "churn", "source": source, "run_id": run});
    let calls = (0..VERSIONS).map(|n| both[n % 2].post("model-versions/create", source.clone()));
    let mut numbers: Vec<usize> = join_all(calls)
        .await
        .iter()
        .map(|answer| answer["model_version"]["version"].as_str().unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=VERSIONS).collect::<Vec<_>>());
}

async fn no_point_is_lost(both: &[Mlflow]) {
    let run = both[0].run().await;
    let writers = (0..WRITERS).map(|writer| {
        let (server, run) = (both[writer as usize % 2].clone(), run.clone());
        async move {
            for n in 0..POINTS {
                let step = writer * POINTS + n;
                let point =
                    json!({"run_id": run, "key": "m", "value": step, "timestamp": step, "step": step});
                server.post("runs/log-metric", point).await;
            }
        }
    });
    join_all(writers).await;
    for server in both {
        assert_eq!(server.steps(&run, "m").await, (0..WRITERS * POINTS).collect::<Vec<_>>());
        let found = server.get(&format!("runs/get?run_id={run}")).await;
        assert_eq!(
            found["run"]["data"]["metrics"][0]["step"],
            WRITERS * POINTS - 1,
            "the latest is the last step"
        );
    }
}

async fn a_param_is_set_once(both: &[Mlflow]) {
    let run = both[1].run().await;
    let bodies: Vec<_> = (0..8).map(|n| json!({"run_id": run, "key": "p", "value": n.to_string()})).collect();
    let answers =
        join_all(bodies.iter().enumerate().map(|(n, body)| both[n % 2].try_post("runs/log-parameter", body)))
            .await;
    let taken: Vec<usize> = answers
        .iter()
        .enumerate()
        .filter(|(_, answer)| answer.as_ref().unwrap().0 == 200)
        .map(|(n, _)| n)
        .collect();
    assert_eq!(taken.len(), 1, "{answers:?}");
    let found = both[0].get(&format!("runs/get?run_id={run}")).await;
    assert_eq!(found["run"]["data"]["params"][0]["value"], taken[0].to_string());
}

async fn a_database_that_comes_back_is_used_again(postgres: &mut Postgres, both: &[Mlflow]) {
    let run = both[0].run().await;
    postgres.stop();
    let point = json!({"run_id": run, "key": "m", "value": 1, "timestamp": 1, "step": 1});
    for server in both {
        let (status, answer) = server.try_post("runs/log-metric", &point).await.unwrap();
        assert_eq!(
            (status, answer["error_code"].as_str()),
            (503, Some("TEMPORARILY_UNAVAILABLE")),
            "{answer}"
        );
    }
    postgres.run().unwrap();
    for (step, server) in both.iter().enumerate() {
        let point = json!({"run_id": run, "key": "back", "value": 1, "timestamp": 1, "step": step});
        server.post("runs/log-metric", point).await;
    }
    assert_eq!(both[0].steps(&run, "back").await, [0, 1]);
}

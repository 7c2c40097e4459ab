//! What was answered is found again: across restarts, versions, broken files and full queues.

use super::*;
use lemnis_core::FixedClock;
use lemnis_model::Column;

fn row(endpoint: &str, id: &str, at_ms: Millis, features: Vec<(&str, Column)>, output: Option<f64>) -> Row {
    let named = |columns: Vec<(&str, Column)>| {
        Arc::new(
            Frame::new(columns.into_iter().map(|(name, column)| (name.to_owned(), column)).collect())
                .unwrap(),
        )
    };
    let rows = features.first().map_or(0, |(_, column)| column.len());
    Row {
        endpoint: Arc::from(endpoint),
        request_id: id.to_owned(),
        at_ms,
        version: 3,
        arm: ArmName::Champion,
        status: if output.is_some() { Status::Ok } else { Status::Error },
        latency: Duration::from_micros(42),
        features: named(features),
        outputs: output.map(|value| named(vec![("probability", Column::Float(vec![value; rows]))])),
    }
}

fn log(dir: &Path) -> PredictionLog {
    PredictionLog::open(dir, Arc::new(FixedClock::new(1_000))).unwrap()
}

#[tokio::test]
async fn what_was_answered_is_read_back_across_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let first = log(dir.path());
    let features = || {
        vec![
            ("age", Column::Float(vec![30.5, f64::NAN])),
            ("city", Column::Text(vec!["Köln".to_owned(), String::new()])),
            ("n", Column::Int(vec![1, 2])),
        ]
    };
    first.write(row("churn", "a", 10, features(), Some(0.25)));
    let seen = first.read("churn", 0, 100).await.unwrap();
    assert_eq!(
        seen.names(),
        [
            "request_id",
            "row",
            "at_us",
            "model_version",
            "arm",
            "status",
            "latency_us",
            "age",
            "city",
            "n",
            "out_probability"
        ]
    );
    assert_eq!(seen.texts("city").unwrap(), [Some("Köln".to_owned()), None]);
    assert_eq!(seen.column("age").unwrap(), lemnis_table::Column::Float(vec![Some(30.5), None]));
    assert_eq!(seen.column("at_us").unwrap(), lemnis_table::Column::Timestamp(vec![Some(10_000); 2]));
    assert_eq!(seen.floats("row").unwrap(), [0.0, 1.0]);
    drop(first);
    let second = log(dir.path());
    second.write(row("churn", "b", 20, features(), Some(0.5)));
    let ids = second.read("churn", 0, 3).await.unwrap().texts("request_id").unwrap();
    assert_eq!(ids.into_iter().flatten().collect::<Vec<_>>(), ["a", "b", "b"]);
    let newer = second.read("churn", 11, 100).await.unwrap();
    assert_eq!(newer.rows(), 2);
    assert_eq!(second.read("other", 0, 10).await.unwrap().rows(), 0);
    assert_eq!(second.dropped(), 0);
}

#[tokio::test]
async fn versions_with_other_columns_are_merged() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    log.write(row(
        "e",
        "a",
        1,
        vec![("x", Column::Int(vec![1])), ("status", Column::Int(vec![7]))],
        Some(0.1),
    ));
    log.write(row("e", "b", 2, vec![("x", Column::Float(vec![1.5])), ("y", Column::Int(vec![9]))], None));
    log.write(row("e", "c", 3, vec![("x", Column::Text(vec!["t".to_owned()]))], Some(0.2)));
    let seen = log.read("e", 0, 10).await.unwrap();
    assert_eq!(seen.texts("request_id").unwrap().into_iter().flatten().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(seen.texts("x").unwrap().into_iter().flatten().collect::<Vec<_>>(), ["1", "1.5", "t"]);
    assert_eq!(seen.texts("y").unwrap(), [None, Some("9".to_owned()), None]);
    assert_eq!(seen.texts("feature_status").unwrap()[0].as_deref(), Some("7"));
    assert_eq!(seen.texts("status").unwrap()[1].as_deref(), Some("error"));
    assert_eq!(seen.texts("out_probability").unwrap()[1], None);
}

#[tokio::test]
async fn a_full_file_is_closed_and_the_next_one_begun() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    let rows = buffer::FILE_ROWS;
    log.write(row("e", "a", 1, vec![("x", Column::Int(vec![1; rows]))], Some(0.1)));
    log.flush().await.unwrap();
    log.write(row("e", "b", 2, vec![("x", Column::Int(vec![2; 3]))], Some(0.1)));
    log.flush().await.unwrap();
    log.write(row("e", "c", 3, vec![("x", Column::Int(vec![3; 2]))], Some(0.1)));
    let seen = log.read("e", 0, rows + 4).await.unwrap();
    assert_eq!(seen.rows(), rows + 4);
    let files = std::fs::read_dir(dir.path().join("e")).unwrap().count();
    assert_eq!(files, 2);
}

#[tokio::test]
async fn a_broken_file_does_not_hide_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    log.write(row("e", "a", 1, vec![("x", Column::Int(vec![1]))], Some(0.1)));
    log.flush().await.unwrap();
    std::fs::write(dir.path().join("e").join("0000000000000-0-0.parquet"), b"PAR1 broken").unwrap();
    assert_eq!(log.read("e", 0, 10).await.unwrap().rows(), 1);
}

#[test]
fn an_endpoint_name_cannot_leave_the_log() {
    assert_eq!(folder_name("churn-v1.2"), "churn-v1.2");
    assert_eq!(folder_name("../etc"), "%2e.%2fetc");
    assert_eq!(folder_name(".."), "%2e.");
    assert_ne!(folder_name("ä"), folder_name("a"));
}

#[tokio::test]
async fn gaps_in_whole_numbers_do_not_begin_files() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    // Each of three columns has its gap in another request: eight combinations of kinds.
    for request in 0..64_usize {
        let column = |bit: usize| match (request >> bit) & 1 {
            0 => Column::Int(vec![7]),
            _ => Column::Float(vec![f64::NAN]),
        };
        let features = vec![("a", column(0)), ("b", column(1)), ("c", column(2))];
        log.write(row("e", &format!("r{request}"), 1, features, Some(0.1)));
    }
    log.flush().await.unwrap();
    assert_eq!(std::fs::read_dir(dir.path().join("e")).unwrap().count(), 1);
    let seen = log.read("e", 0, 100).await.unwrap();
    let lemnis_table::Column::Float(values) = seen.column("b").unwrap() else { unreachable!() };
    assert_eq!((values[1], values[2], values[63]), (Some(7.0), None, None));
}

#[tokio::test]
async fn a_file_of_whole_numbers_and_one_of_floats_are_read_together() {
    let dir = tempfile::tempdir().unwrap();
    let first = log(dir.path());
    first.write(row("e", "a", 1, vec![("n", Column::Int(vec![1]))], Some(0.1)));
    drop(first);
    let second = log(dir.path());
    second.write(row("e", "b", 2, vec![("n", Column::Float(vec![f64::NAN]))], Some(0.1)));
    let seen = second.read("e", 0, 10).await.unwrap();
    assert_eq!(seen.column("n").unwrap(), lemnis_table::Column::Float(vec![Some(1.0), None]));
}

#[tokio::test]
async fn open_files_are_read_from_memory_and_not_rewritten() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    log.write(row("e", "a", 1, vec![("x", Column::Int(vec![1]))], Some(0.1)));
    log.flush().await.unwrap();
    std::fs::remove_dir_all(dir.path().join("e")).unwrap();
    assert_eq!(log.read("e", 0, 10).await.unwrap().rows(), 1);
    log.flush().await.unwrap();
    assert!(!dir.path().join("e").exists(), "nothing was unwritten");
}

#[tokio::test]
async fn rows_beyond_the_bytes_that_may_wait_are_dropped_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(FixedClock::new(1_000));
    let log = PredictionLog::start(dir.path(), clock, Retention::default(), 10_000).unwrap();
    let wide = |rows: usize| vec![("x", Column::Float(vec![1.0; rows]))];
    log.write(row("e", "too large", 1, wide(5_000), None));
    assert_eq!((log.dropped(), log.dropped_rows()), (1, 5_000));
    // What was written no longer waits: the budget does not shrink.
    for request in 0..20 {
        log.write(row("e", &format!("r{request}"), 1, wide(500), None));
        log.flush().await.unwrap();
    }
    assert_eq!((log.dropped(), log.dropped_rows()), (1, 5_000));
    assert_eq!(log.read("e", 0, 100_000).await.unwrap().rows(), 10_000);
}

#[tokio::test]
async fn rows_that_cannot_be_written_when_a_file_is_closed_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    // A file where the endpoint's folder should be.
    std::fs::write(dir.path().join("e"), "in the way").unwrap();
    log.write(row("e", "a", 1, vec![("x", Column::Int(vec![1; buffer::FILE_ROWS]))], Some(0.1)));
    log.flush().await.unwrap();
    assert_eq!((log.dropped(), log.dropped_rows()), (1, buffer::FILE_ROWS as u64));
}

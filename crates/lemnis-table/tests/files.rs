//! Files in and out: what is written reads back equal, bytes repeat, and what is no table is refused with a reason.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use lemnis_core::{Classify, ErrorKind};
use lemnis_table::{Column, Error, Kind, ReadLimits, Table};
use proptest::prelude::*;

fn read(path: &Path) -> Result<Table, Error> {
    Table::read(path, &ReadLimits::default())
}

fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (directory, path)
}

/// Text that CSV keeps as it is: neither blank at its ends, nor a number, a date or a word for missing.
fn text() -> impl Strategy<Value = String> {
    "[a-z]{1,3}[ ,;\"'\\r\\n\t\u{e9}\u{4e16}a-z]{0,6}[a-z]".prop_map(|text| format!("w{text}"))
}

fn columns() -> impl Strategy<Value = Vec<(String, Column)>> {
    (1usize..30).prop_flat_map(|rows| {
        let day = -719_000i32..2_900_000;
        let moment = -62_000_000_000i64..250_000_000_000;
        (
            prop::collection::vec(prop::option::of(any::<bool>()), rows),
            prop::collection::vec(prop::option::of(any::<i64>()), rows),
            prop::collection::vec(prop::option::of(prop::num::f64::NORMAL | prop::num::f64::ZERO), rows),
            prop::collection::vec(prop::option::of(text()), rows),
            prop::collection::vec(prop::option::of(day), rows),
            prop::collection::vec(prop::option::of(moment.prop_map(|seconds| seconds * 1_000_000)), rows),
        )
            .prop_map(|(bools, ints, floats, texts, days, moments)| {
                vec![
                    ("b".to_owned(), Column::Bool(bools)),
                    ("i".to_owned(), Column::Int(ints)),
                    ("f".to_owned(), Column::Float(floats)),
                    ("t, \"x\"".to_owned(), Column::Text(texts)),
                    ("d".to_owned(), Column::Date(days)),
                    ("m".to_owned(), Column::Timestamp(moments)),
                ]
            })
    })
}

/// A column without any value has no kind to come back with.
fn with_values(mut columns: Vec<(String, Column)>) -> Vec<(String, Column)> {
    columns.retain(|(_, column)| match column {
        Column::Bool(values) => values.iter().any(Option::is_some),
        Column::Int(values) | Column::Timestamp(values) => values.iter().any(Option::is_some),
        Column::Float(values) => values.iter().any(Option::is_some),
        Column::Text(values) => values.iter().any(Option::is_some),
        Column::Date(values) => values.iter().any(Option::is_some),
    });
    columns
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn csv_reads_back_what_was_written(columns in columns().prop_map(with_values)) {
        prop_assume!(!columns.is_empty());
        let table = Table::from_columns(columns).unwrap();
        let (_directory, path) = file("t.csv", b"");
        table.write_csv(&path).unwrap();
        prop_assert_eq!(read(&path).unwrap(), table);
    }

    #[test]
    fn parquet_reads_back_what_was_written(columns in columns()) {
        let table = Table::from_columns(columns).unwrap();
        let (_directory, path) = file("t.parquet", b"");
        table.write_parquet(&path).unwrap();
        prop_assert_eq!(read(&path).unwrap(), table);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a-c1-3,;\"\\r\\n \t.-]{0,80}") {
        let (_directory, path) = file("t.csv", text.as_bytes());
        if let Ok(table) = read(&path) {
            prop_assert!(table.rows() > 0);
        }
    }

    #[test]
    fn a_parquet_file_with_a_wrong_byte_is_read_or_refused(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (_directory, path) = file("t.parquet", b"");
        small().write_parquet(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        std::fs::write(&path, bytes).unwrap();
        if let Err(error) = read(&path) {
            prop_assert_eq!(error.kind(), ErrorKind::Invalid);
        }
    }
}

fn small() -> Table {
    Table::from_columns(vec![
        ("a".to_owned(), Column::Int((0..100).map(|i| (i % 7 > 0).then_some(i)).collect())),
        ("b".to_owned(), Column::Text((0..100).map(|i| Some(format!("v{}", i % 5))).collect())),
    ])
    .unwrap()
}

#[test]
fn equal_tables_make_equal_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (directory.path().join("one.parquet"), directory.path().join("two.parquet"));
    small().write_parquet(&one).unwrap();
    small().write_parquet(&two).unwrap();
    assert_eq!(std::fs::read(one).unwrap(), std::fs::read(two).unwrap());
}

#[test]
fn a_file_is_replaced_whole_and_leaves_nothing_beside_it() {
    let (directory, path) = file("t.csv", b"old");
    small().write_csv(&path).unwrap();
    assert_eq!(read(&path).unwrap(), small());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    let error = small().write_csv(&directory.path().join("no").join("t.csv")).unwrap_err();
    assert!(error.to_string().ends_with("t.csv cannot be written"));
}

#[test]
fn what_is_no_table_is_refused_with_a_reason() {
    let cases: [(&str, &[u8], &str); 8] = [
        ("t.xlsx", b"PK\x03\x04rest", "is a zip archive or an Excel workbook, neither CSV nor Parquet"),
        ("t.csv", b"\x1f\x8b\x08\x00rest", "is compressed with gzip, neither CSV nor Parquet"),
        ("t.csv", b"\xff\xfea\x00,\x00", "is text in UTF-16, neither CSV nor Parquet"),
        ("t.json", b"{}", "is of a type that is not known, neither CSV nor Parquet"),
        ("t.parquet", b"a,b\n1,2\n", "is no readable Parquet file: it does not start as one"),
        ("t.csv", b"", "is empty: it has no header line"),
        ("t.csv", b"a,b\n", "is empty: it has a header line and no rows"),
        ("t.csv", b"a,b\n1\n", "line 2: 1 field where the header has 2"),
    ];
    for (name, bytes, reason) in cases {
        let (_directory, path) = file(name, bytes);
        let error = read(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("{} {reason}", path.display()));
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.hint().is_some(), "{reason}");
    }
    let (directory, _path) = file("t.csv", b"");
    assert!(read(directory.path()).unwrap_err().to_string().contains("is a directory"));
    let error = read(&directory.path().join("none.csv")).unwrap_err();
    assert!(error.to_string().ends_with("none.csv does not exist"));
}

#[test]
fn a_parquet_file_that_ends_early_is_refused() {
    let (_directory, path) = file("t.parquet", b"");
    small().write_parquet(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(read(&path), Err(Error::Parquet { .. })));
}

#[test]
fn a_file_above_the_limit_is_refused_before_it_is_read() {
    let (_directory, path) = file("t.csv", b"");
    // A file with a hole: 2 GB to every reader, nothing on the disk.
    std::fs::File::options().write(true).open(&path).unwrap().set_len(2_000_000_000).unwrap();
    let error = read(&path).unwrap_err();
    assert!(
        error.to_string().ends_with("t.csv is 2.0 GB, more than the 1.1 GB that are read into memory"),
        "{error}"
    );
    let narrow = ReadLimits { max_columns: 1, ..ReadLimits::default() };
    let (_directory, path) = file("t.csv", b"a,b\n1,2\n");
    assert!(Table::read(&path, &narrow).unwrap_err().to_string().ends_with("line 1: 2 columns, more than 1"));
}

/// Kinds of a table read from a text that looks like a real file's beginning.
#[test]
fn real_files_get_the_kinds_that_one_expects() {
    let telco = b"customerID,tenure,TotalCharges,Churn\r\n7590-VHVEG,1,29.85,No\r\n5575-GNVDE,0, ,Yes\r\n";
    let (_directory, path) = file("telco.csv", telco);
    let table = read(&path).unwrap();
    let kinds: Vec<Kind> = table.kinds().into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, [Kind::Text, Kind::Int, Kind::Float, Kind::Text]);
    assert_eq!(table.column("TotalCharges").unwrap(), Column::Float(vec![Some(29.85), None]));
    let (_directory, path) =
        file("temperatures.csv", b"\"Date\",\"Temp\"\r\n\"1981-01-01\",20.7\r\n\"1981-01-02\",17.9\r\n");
    let table = read(&path).unwrap();
    assert_eq!(table.kinds(), [("Date", Kind::Date), ("Temp", Kind::Float)]);
    assert_eq!(table.texts("Date").unwrap()[0].as_deref(), Some("1981-01-01"));
}

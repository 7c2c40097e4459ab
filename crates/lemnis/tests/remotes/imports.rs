//! Imports of versions from a bucket that keeps them, with DVC as the judge: it writes the same files, says the same of
//! them, and brings the same data.

use crate::support::stderr;
use crate::{Bucket, Project, json};

/// What lies in the bucket: a file and a folder, each with a past. Returns the first version of the file.
fn fill(bucket: &Bucket) -> String {
    let first = bucket.put("src/f", "1");
    for (key, text) in [("src/f", "22"), ("src/d/a", "a"), ("src/d/a", "aa"), ("src/d/sub/b", "b")] {
        bucket.put(key, text);
    }
    bucket.put("src/d/gone", "x");
    bucket.python("s3.delete_object(Bucket='bucket', Key='src/d/gone')");
    first
}

fn move_on(bucket: &Bucket) {
    bucket.put("src/f", "333");
    bucket.put("src/d/a", "aaa");
    bucket.put("src/d/new", "n");
    bucket.python("s3.delete_object(Bucket='bucket', Key='src/d/sub/b')");
}

#[test]
fn versions_are_imported_and_recorded_as_dvc_does_it() {
    const TEST: &str = "versions_are_imported_and_recorded_as_dvc_does_it";
    let Some(bucket) = Bucket::start(TEST) else { return };
    fill(&bucket);
    let (ours, theirs) = (bucket.reader(), bucket.reader());
    let endpoint = bucket.endpoint();
    for project in [&ours, &theirs] {
        project.lemnis(&["remote", "add", "r", "s3://bucket/src"]);
        project.lemnis(&["remote", "modify", "r", "endpointurl", &endpoint]);
        project.lemnis(&["remote", "add", "aware", "s3://bucket/src"]);
        project.lemnis(&["remote", "modify", "aware", "endpointurl", &endpoint]);
        project.lemnis(&["remote", "modify", "aware", "version_aware", "true"]);
    }
    let setting = format!("endpointurl={endpoint}");
    let cases: [&[&str]; 11] = [
        &["--version-aware", "s3://bucket/src/f", "file"],
        &["--version-aware", "s3://bucket/src/d", "folder"],
        &["--version-aware", "s3://bucket/src/f", "set", "--fs-config", &setting, "use_ssl=False", "jobs=3"],
        &["s3://bucket/src/d", "aware", "--fs-config", "version_aware=true"],
        &["s3://bucket/src/f", "unaware", "--fs-config", "version_aware=false"],
        &["s3://bucket/src/f", "plain"],
        &["--version-aware", "--no-download", "s3://bucket/src/f", "noted"],
        &["--version-aware", "--no-download", "s3://bucket/src/d", "noted-folder"],
        &["--version-aware", "--no-exec", "s3://bucket/src/f", "named"],
        &["--version-aware", "remote://r/f", "through"],
        &["remote://aware/d", "through-aware"],
    ];
    let mut files = Vec::new();
    for arguments in cases {
        let all: Vec<&str> = std::iter::once("import-url").chain(arguments.iter().copied()).collect();
        ours.lemnis(&all);
        theirs.dvc(&bucket.python, &all);
        let out = arguments.iter().find(|word| ours.dir().join(format!("{word}.dvc")).exists()).unwrap();
        let file = format!("{out}.dvc");
        assert_eq!(ours.read(&file), theirs.read(&file), "{arguments:?}");
        files.push(file);
    }
    assert_eq!((ours.read("file").as_str(), ours.read("folder/a").as_str()), ("22", "aa"));
    assert!(!ours.dir().join("folder/gone").exists() && !ours.dir().join("noted").exists());
    // An update that only notes, then one that brings.
    move_on(&bucket);
    let targets = ["file.dvc", "folder.dvc", "plain.dvc", "noted-folder.dvc"];
    for how in [&["update", "--no-download"][..], &["update"]] {
        let all: Vec<&str> = how.iter().copied().chain(targets).collect();
        ours.lemnis(&all);
        theirs.dvc(&bucket.python, &all);
        for file in targets {
            assert_eq!(ours.read(file), theirs.read(file), "{how:?} {file}");
        }
    }
    assert_eq!((ours.read("file").as_str(), ours.read("folder/new").as_str()), ("333", "n"));
    assert!(!ours.dir().join("folder/sub/b").exists());
}

#[test]
fn an_import_goes_straight_to_a_remote_as_with_dvc() {
    const TEST: &str = "an_import_goes_straight_to_a_remote_as_with_dvc";
    let Some(bucket) = Bucket::start(TEST) else { return };
    fill(&bucket);
    let (ours, theirs) = (bucket.reader(), bucket.reader());
    for project in [&ours, &theirs] {
        project.write("../away/f", "far");
        project.write("../away/d/x", "x");
        project.lemnis(&["remote", "add", "-d", "kept", "../kept"]);
        project.lemnis(&["remote", "add", "other", "../other"]);
        project.lemnis(&["remote", "add", "r", "s3://bucket/src"]);
        project.lemnis(&["remote", "modify", "r", "endpointurl", &bucket.endpoint()]);
    }
    let both = |arguments: &[&str]| {
        ours.lemnis(arguments);
        theirs.dvc(&bucket.python, arguments);
    };
    let same = |file: &str| assert_eq!(ours.read(file), theirs.read(file), "{file}");
    both(&["import-url", "--to-remote", "remote://r/f", "file"]);
    both(&["import-url", "--to-remote", "remote://r/d", "folder"]);
    both(&["import-url", "--to-remote", "-r", "other", "../away/f", "near"]);
    both(&["import-url", "--to-remote", "../away/d"]);
    // a version that lies with us need not be at its source any more
    both(&["remote", "modify", "r", "version_aware", "true"]);
    both(&["import-url", "--to-remote", "remote://r/f", "version"]);
    both(&["remote", "modify", "r", "version_aware", "false"]);
    let files = ["file.dvc", "folder.dvc", "near.dvc", "d.dvc", "version.dvc"];
    files.iter().for_each(|file| same(file));
    same(".gitignore");
    for name in ["file", "folder", "near", "d", ".dvc/cache/files"] {
        assert!(!ours.dir().join(name).exists(), "{name} was brought here");
    }
    ours.lemnis(&["pull", "file", "folder", "d"]);
    assert_eq!((ours.read("file").as_str(), ours.read("folder/sub/b").as_str()), ("22", "b"));
    assert!(!ours.try_lemnis(&["import-url", "-f", "--to-remote", "d"]).status.success(), "of itself");
    assert!(!ours.try_lemnis(&["pull", "near"]).status.success(), "it went to the other remote");
    ours.lemnis(&["pull", "-r", "other", "near"]);
    assert!(!ours.try_lemnis(&["import-url", "--to-remote", "../away/f", "no/such/f"]).status.success());

    move_on(&bucket);
    for project in [&ours, &theirs] {
        project.write("../away/d/x", "xx");
        project.write("../away/d/y", "y");
    }
    both(&["update", "--to-remote", "file.dvc", "folder.dvc", "d.dvc"]);
    for file in ["file.dvc", "folder.dvc", "d.dvc"] {
        // DVC keeps the stage's hash from before, and takes the import for changed ever after
        let body = |text: String| text.split_once('\n').unwrap().1.to_owned();
        assert_eq!(body(ours.read(file)), body(theirs.read(file)), "{file}");
    }
    ours.lemnis(&["pull", "-f", "file", "folder", "d"]);
    let status = ["status", "--no-updates", "--json", "file.dvc", "folder.dvc", "d.dvc"];
    assert_eq!(ours.lemnis(&status).trim(), "{}");
    assert_eq!((ours.read("file").as_str(), ours.read("folder/new").as_str()), ("333", "n"));
    assert_eq!((ours.read("d/x").as_str(), ours.read("d/y").as_str()), ("xx", "y"));
}

#[test]
fn imported_versions_outlive_their_names() {
    const TEST: &str = "imported_versions_outlive_their_names";
    let Some(bucket) = Bucket::start(TEST) else { return };
    let first = fill(&bucket);
    let project = bucket.reader();
    for (url, out) in [("s3://bucket/src/f", "f"), ("s3://bucket/src/d", "d")] {
        project.lemnis(&["import-url", "--version-aware", url, out]);
    }
    project.lemnis(&["import-url", "--version-aware", "--no-download", "s3://bucket/src/d", "noted"]);
    let recorded = ["f.dvc", "d.dvc", "noted.dvc"].map(|name| project.read(name));
    let up_to_date = json(&project.lemnis(&["status", "--json", "f.dvc", "d.dvc"]));
    assert_eq!(up_to_date, serde_json::json!({}));
    move_on(&bucket);
    // Both say what is new; a pull brings what was recorded.
    let said = json(&project.lemnis(&["status", "--json"]));
    assert_eq!(said, json(&project.dvc(&bucket.python, &["status", "--json"])));
    assert_eq!(said["f.dvc"][0]["changed deps"]["s3://bucket/src/f"], "update available");
    assert_eq!(said["d.dvc"][0]["changed deps"]["s3://bucket/src/d"], "modified");
    let silent = json(&project.lemnis(&["status", "--json", "--no-updates", "f.dvc", "d.dvc"]));
    assert_eq!(silent, serde_json::json!({}));
    project.forget(&["f", "d"]);
    project.lemnis(&["pull"]);
    let read = |name: &str| project.read(name);
    assert_eq!(
        (read("f"), read("d/a"), read("d/sub/b"), read("noted/a")),
        ("22".into(), "aa".into(), "b".into(), "aa".into())
    );
    assert!(!project.dir().join("d/new").exists());
    assert_eq!(["f.dvc", "d.dvc", "noted.dvc"].map(|name| project.read(name)), recorded);
    project.forget(&["f", "d"]);
    project.lemnis(&["fetch", "d"]);
    project.lemnis(&["checkout", "d"]);
    assert_eq!(project.read("d/sub/b"), "b");
    // One version of a file, by its name, and back again.
    project.lemnis(&["update", "--rev", &first, "f.dvc"]);
    assert_eq!(project.read("f"), "1");
    assert!(project.read("f.dvc").contains(&format!("version_id: {first}\n")));
    project.write("f", "unsaved");
    assert!(!project.try_lemnis(&["update", "f.dvc"]).status.success(), "unsaved data is not overwritten");
    project.write("f", "1");
    project.lemnis(&["update", "f.dvc"]);
    assert_eq!(project.read("f"), "333");
    // The source may go: the version stays.
    bucket.python("s3.delete_object(Bucket='bucket', Key='src/f')");
    let said = json(&project.lemnis(&["status", "--json", "f.dvc"]));
    assert_eq!(said["f.dvc"][0]["changed deps"]["s3://bucket/src/f"], "deleted");
    project.forget(&["f", "d"]);
    project.lemnis(&["pull", "f.dvc"]);
    assert_eq!(project.read("f"), "333");
    // What a store holds is no concern of a push.
    project.lemnis(&["remote", "add", "-d", "r", &project.home.path().join("r").display().to_string()]);
    project.lemnis(&["push"]);
    let stored = project.home.path().join("r/files");
    assert!(!stored.exists(), "an import of versions was pushed");
}

#[test]
fn a_url_that_names_a_version_brings_that_version() {
    const TEST: &str = "a_url_that_names_a_version_brings_that_version";
    let Some(bucket) = Bucket::start(TEST) else { return };
    let first = fill(&bucket);
    let project = bucket.reader();
    let url = format!("s3://bucket/src/f?versionId={first}");
    project.lemnis(&["import-url", &url, "f"]);
    project.lemnis(&["import-url", "--no-exec", &url, "named"]);
    project.lemnis(&["get-url", &url, "got"]);
    assert_eq!((project.read("f").as_str(), project.read("got").as_str()), ("1", "1"));
    let text = project.read("f.dvc");
    assert!(
        text.contains(&format!("  version_id: {first}\n  hash: md5\n  path: s3://bucket/src/f\n")),
        "{text}"
    );
    project.lemnis(&["pull", "named.dvc"]);
    assert_eq!(project.read("named"), "1");
    // DVC brings the same version, and moves on from it.
    project.lemnis(&["remove", "named.dvc"]);
    project.forget(&["f"]);
    project.dvc(&bucket.python, &["pull", "f.dvc"]);
    assert_eq!(project.read("f"), "1");
    project.dvc(&bucket.python, &["update", "f.dvc"]);
    assert_eq!(project.read("f"), "22");
    assert_eq!(json(&project.lemnis(&["status", "--json"])), serde_json::json!({}));
    // A file of DVC's own, whose URL names one version and its record another.
    let theirs = bucket.reader();
    theirs.dvc(&bucket.python, &["import-url", &url, "f"]);
    let text = theirs.read("f.dvc");
    assert!(
        text.contains(&format!("path: {url}\n")) && !text.contains(&format!("version_id: {first}\n")),
        "{text}"
    );
    theirs.forget(&["f"]);
    theirs.lemnis(&["pull"]);
    assert_eq!(theirs.read("f"), "22");
    bucket.put("src/f", "333");
    theirs.lemnis(&["update", "f.dvc"]);
    assert_eq!(theirs.read("f"), "333");
    assert_eq!(json(&theirs.dvc(&bucket.python, &["status", "--json"])), serde_json::json!({}));
}

#[test]
fn versions_that_cannot_be_had_are_refused() {
    const TEST: &str = "versions_that_cannot_be_had_are_refused";
    let Some(bucket) = Bucket::start(TEST) else { return };
    fill(&bucket);
    bucket.python("s3.create_bucket(Bucket='plain')");
    bucket.python("s3.put_object(Bucket='plain', Key='f', Body=b'1')");
    let project = bucket.reader();
    let refused = |project: &Project, arguments: &[&str], what: &str| {
        let output = project.try_lemnis(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        let said = stderr(&output);
        assert!(said.contains(what), "{arguments:?}: {said}");
    };
    fn aware(url: &str) -> [&str; 4] {
        ["import-url", "--version-aware", url, "x"]
    }
    refused(&project, &aware("s3://plain/f"), "keeps no versions");
    refused(&project, &aware(&format!("{}/bucket/src/f", bucket.endpoint())), "only those of s3");
    refused(&project, &aware("gs://bucket/f"), "only those of s3");
    refused(&project, &["import-url", "s3://bucket/src/f?versionId=nonsense", "x"], "no version 'nonsense'");
    refused(
        &project,
        &["import-url", "s3://bucket/src/f", "x", "--fs-config", "nonsense=1"],
        "no option 'nonsense'",
    );
    refused(
        &project,
        &["import-url", "s3://bucket/src/f", "x", "--fs-config", "use_ssl=maybe"],
        "true or false",
    );
    assert!(!project.dir().join("x.dvc").exists() && !project.dir().join("x").exists());
    project.lemnis(&["import-url", "--version-aware", "s3://bucket/src/d", "d"]);
    let before = project.read("d.dvc");
    refused(&project, &["update", "--rev", "nonsense", "d.dvc"], "no version 'nonsense'");
    assert_eq!(project.read("d.dvc"), before);
    // A version that is gone for good.
    project.lemnis(&["import-url", "--version-aware", "s3://bucket/src/f", "f"]);
    bucket.python(
        "[s3.delete_object(Bucket='bucket', Key=v['Key'], VersionId=v['VersionId'])\n \
         for v in s3.list_object_versions(Bucket='bucket', Prefix='src/f')['Versions']]",
    );
    project.forget(&["f"]);
    refused(&project, &["pull", "f.dvc"], "src/f");
    assert!(!project.dir().join("f").exists());
}

//! Dependencies of stages that lie in a bucket, with DVC as the judge: it writes the same `dvc.lock`, and says the same
//! of what changed there.

use crate::support::stderr;
use crate::{Bucket, Project, json};

const PIPELINE: &str = "\
stages:
  file:
    cmd: date +%N > one
    deps:
    - s3://bucket/src/f
    - local
    outs:
    - one:
        cache: false
  folder:
    cmd: date +%N > two
    deps:
    - remote://r/d
    outs:
    - two:
        cache: false
";

/// `dvc.lock` without what the commands printed.
fn lock(project: &Project) -> String {
    let text = project.read("dvc.lock");
    text.split("    outs:\n")
        .map(|part| part.rsplit_once("size: 10\n").map_or(part, |(_, rest)| rest))
        .collect()
}

#[test]
fn a_stage_follows_what_lies_in_a_bucket() {
    const TEST: &str = "a_stage_follows_what_lies_in_a_bucket";
    let Some(bucket) = Bucket::start(TEST) else { return };
    for (key, text) in [("src/f", "1"), ("src/d/a", "a"), ("src/d/sub/b", "b")] {
        bucket.put(key, text);
    }
    let (ours, theirs) = (bucket.reader(), bucket.reader());
    for project in [&ours, &theirs] {
        project.lemnis(&["remote", "add", "r", "s3://bucket/src"]);
        project.lemnis(&["remote", "modify", "r", "endpointurl", &bucket.endpoint()]);
        project.write("dvc.yaml", PIPELINE);
        project.write("local", "here");
    }
    let status = |what: &str| {
        let (our, their) =
            (ours.lemnis(&["status", "--json"]), theirs.dvc(&bucket.python, &["status", "--json"]));
        assert_eq!(json(&our), json(&their), "{what}");
        json(&our)
    };
    status("never run");
    ours.lemnis(&["repro"]);
    theirs.dvc(&bucket.python, &["repro"]);
    assert_eq!(lock(&ours), lock(&theirs));
    assert!(lock(&ours).contains("etag: "), "{}", lock(&ours));
    assert_eq!(status("run"), json("{}"));
    let made = |name: &str| ours.read(name);
    let (one, two) = (made("one"), made("two"));
    ours.lemnis(&["repro"]);
    assert_eq!((made("one"), made("two")), (one.clone(), two.clone()), "nothing changed there");
    assert_eq!(json(&ours.dvc(&bucket.python, &["status", "--json"])), json("{}"), "DVC reads our lock");

    bucket.put("src/d/new", "n");
    let changed = status("a file came to the folder");
    assert_eq!(changed["folder"][0]["changed deps"]["remote://r/d"], "modified", "{changed}");
    ours.lemnis(&["repro"]);
    theirs.dvc(&bucket.python, &["repro"]);
    assert_eq!(made("one"), one);
    assert_ne!(made("two"), two);
    assert_eq!(lock(&ours), lock(&theirs));

    bucket.put("src/f", "22");
    ours.lemnis(&["commit", "--force", "file"]);
    theirs.dvc(&bucket.python, &["commit", "--force", "file"]);
    assert_eq!(lock(&ours), lock(&theirs));
    assert_eq!(status("recorded as it is"), json("{}"));

    bucket.python("s3.delete_object(Bucket='bucket', Key='src/f')");
    assert_eq!(status("the file is gone")["file"][0]["changed deps"]["s3://bucket/src/f"], "deleted");
    let refused = ours.try_lemnis(&["repro", "file"]);
    assert!(!refused.status.success());
    assert!(stderr(&refused).contains("s3://bucket/src/f"), "{}", stderr(&refused));
}

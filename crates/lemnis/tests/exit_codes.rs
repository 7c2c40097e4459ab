//! DVC's verbs end with DVC's exit codes, our own commands with ours.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod support;

use support::{run, stderr};

#[test]
fn each_kind_of_failure_has_its_code() {
    let home = tempfile::tempdir().unwrap();
    let code = |arguments: &[&str]| run(home.path(), arguments).status.code().unwrap();
    assert_eq!(code(&["status"]), 253, "no data repository");
    assert_eq!(code(&["add", "--nosuchflag", "x"]), 254, "wrong arguments");
    assert_eq!(code(&["nosuch"]), 254);
    assert_eq!(code(&["--help"]), 0);
    assert_eq!(code(&["quickstart", "--nosuchflag"]), 2, "a command of our own");
    assert_eq!(code(&["init"]), 1, "no Git here");
    assert_eq!(code(&["init", "--no-scm"]), 0);
    assert_eq!(code(&["config", "core.nosuch", "1"]), 251, "configuration");
    assert_eq!(code(&["repro", "nope"]), 255, "anything else");
    assert_eq!(code(&["--cd", "nosuchdir", "status"]), 255);
    assert_eq!(code(&["check-ignore", "x"]), 1, "not ignored");
    for verb in [&["status", "nope"][..], &["push"], &["pull", "nope"], &["add", "nope"], &["commit", "nope"]]
    {
        assert_eq!(code(verb), 1, "{verb:?}: DVC's verb ends with 1 after most failures");
    }
    assert_eq!(code(&["unprotect", "nope"]), 255, "but for a path that is not there");
    assert_eq!(code(&["gc", "-w", "-c", "-f"]), 251, "there is no remote");
    let said = stderr(&run(home.path(), &["remote", "modify", "nope", "jobs", "3"]));
    assert!(said.contains("hint:") && said.contains("lemnis remote add nope URL"), "{said}");
}

//! Remotes behind a network, with the real servers: OpenSSH's, and S3 as moto serves it. DVC is the judge: it pulls
//! what Lemnis pushed, and the other way round.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, missing_docs)] // a test that cannot go on ends

mod external;
mod imports;
#[path = "../support/mod.rs"]
mod support;

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use support::{clean, lemnis, python, stderr};

/// A process that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn wait_for(port: u16) {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < Duration::from_secs(120), "no server came up on port {port}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn sh(dir: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", stderr(&output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A project in a home of its own.
struct Project {
    home: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Project {
    fn new(variables: &[(&'static str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("p")).unwrap();
        let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let project = Self { home, variables };
        sh(&project.dir(), "git", &["init", "-q", "."]);
        project
    }

    fn dir(&self) -> PathBuf {
        self.home.path().join("p")
    }

    fn try_lemnis(&self, arguments: &[&str]) -> Output {
        let mut command = lemnis(&self.dir());
        command.env("HOME", self.home.path()).envs(self.variables.iter().cloned()).args(arguments);
        command.output().unwrap()
    }

    fn lemnis(&self, arguments: &[&str]) -> String {
        let output = self.try_lemnis(arguments);
        assert!(output.status.success(), "lemnis {arguments:?}: {}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn dvc(&self, python: &Path, arguments: &[&str]) -> String {
        let mut command = Command::new(python);
        clean(&mut command, self.home.path());
        command.envs(self.variables.iter().cloned()).env("DVC_NO_ANALYTICS", "1");
        command.env("DVC_SITE_CACHE_DIR", self.home.path().join("site"));
        let output = command.args(["-m", "dvc"]).args(arguments).current_dir(self.dir()).output().unwrap();
        assert!(output.status.success(), "dvc {arguments:?}: {}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Leaves what Git would have.
    fn forget(&self, data: &[&str]) {
        for name in data.iter().chain(&[".dvc/cache"]) {
            let path = self.dir().join(name);
            let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
        }
    }
}

fn has_module(python: &Path, module: &str, test: &str) -> bool {
    let status =
        Command::new(python).args(["-c", &format!("import {module}")]).stderr(Stdio::null()).status();
    let there = status.is_ok_and(|status| status.success());
    if !there {
        eprintln!("skipped {test}: its Python has no {module} (`cargo xtask setup` installs it)");
    }
    there
}

/// An SSH server for the user who runs the test, with a folder for data.
struct Ssh {
    _server: Server,
    dir: tempfile::TempDir,
    port: u16,
    user: String,
}

impl Ssh {
    fn start(test: &str) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let Some(sshd) = dirs.map(|dir| dir.join("sshd")).find(|path| path.is_file()) else {
            eprintln!("skipped {test}: there is no sshd (`cargo xtask setup` installs it)");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        for (kind, name) in [("ed25519", "host"), ("ecdsa", "host2"), ("ed25519", "user"), ("rsa", "rsa")] {
            sh(dir.path(), "ssh-keygen", &["-q", "-t", kind, "-N", "", "-f", &at(name)]);
        }
        sh(dir.path(), "ssh-keygen", &["-q", "-t", "ed25519", "-N", "secret", "-f", &at("locked")]);
        let keys: Vec<String> = ["user.pub", "rsa.pub", "locked.pub"]
            .map(|name| std::fs::read_to_string(dir.path().join(name)).unwrap())
            .to_vec();
        std::fs::write(dir.path().join("authorized"), keys.concat()).unwrap();
        std::fs::create_dir(dir.path().join("data")).unwrap();
        let user = sh(dir.path(), "id", &["-un"]);
        if user == "root" {
            // The server's own, which a service would have made.
            std::fs::create_dir_all("/run/sshd").ok();
        }
        let port = free_port();
        let config = format!(
            "HostKey {}\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
             PasswordAuthentication no\nPermitRootLogin yes\nListenAddress 127.0.0.1\nPort {port}\n\
             Subsystem sftp internal-sftp\nMaxStartups 100\n",
            at("host"),
            at("host2"),
            at("authorized")
        );
        std::fs::write(dir.path().join("config"), config).unwrap();
        let server = Command::new(sshd)
            .args(["-D", "-e", "-f", &at("config")])
            .stderr(std::fs::File::create(dir.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let server = Server(server);
        wait_for(port);
        Some(Self { _server: server, dir, port, user })
    }

    fn url(&self, name: &str) -> String {
        let folder = self.dir.path().join("data").join(name);
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, folder.display())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn key(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    /// Makes the host known to the user of `project`, by one of its two keys.
    fn introduce(&self, project: &Project, key: &str) {
        let public = std::fs::read_to_string(self.file(&format!("{key}.pub"))).unwrap();
        let ssh = project.home.path().join(".ssh");
        std::fs::create_dir_all(&ssh).unwrap();
        std::fs::write(ssh.join("known_hosts"), format!("[127.0.0.1]:{} {public}", self.port)).unwrap();
    }

    /// The names of all files below the data folder.
    fn files(&self) -> Vec<String> {
        let listed = sh(&self.file("data"), "find", &[".", "-type", "f"]);
        let mut files: Vec<String> =
            listed.lines().map(|line| line.trim_start_matches("./").to_owned()).collect();
        files.sort();
        files
    }
}

fn with_data(project: &Project, url: &str) {
    project.lemnis(&["init"]);
    project.write("f.txt", "one\n");
    project.write("d/a", "a\n");
    project.write("d/sub/b c", "b\n");
    project.write("d/big", &"0123456789abcdef".repeat(1 << 20));
    project.lemnis(&["add", "f.txt", "d"]);
    project.lemnis(&["remote", "add", "-d", "r", url]);
}

#[test]
fn an_ssh_remote_takes_gives_and_forgets_data() {
    let Some(ssh) = Ssh::start("an_ssh_remote_takes_gives_and_forgets_data") else { return };
    let project = Project::new(&[]);
    with_data(&project, &ssh.url("deep/r"));
    project.lemnis(&["remote", "modify", "r", "keyfile", &ssh.key("user")]);
    ssh.introduce(&project, "host");
    project.lemnis(&["push"]);
    let sent = ssh.files();
    assert_eq!(sent.len(), 5, "{sent:?}");
    assert!(sent.iter().all(|name| name.starts_with("deep/r/files/md5/")), "{sent:?}");
    assert_eq!(project.lemnis(&["status", "-c", "--json"]).trim(), "{}");
    project.forget(&["f.txt", "d"]);
    project.lemnis(&["pull"]);
    assert_eq!(project.read("d/sub/b c"), "b\n");
    assert_eq!(project.read("d/big").len(), 16 << 20);
    // A second push has nothing to send; what nobody uses goes.
    project.write("f.txt", "two\n");
    project.lemnis(&["add", "f.txt"]);
    project.lemnis(&["push"]);
    assert_eq!(ssh.files().len(), 6);
    project.lemnis(&["gc", "-w", "-c", "-f"]);
    assert_eq!(ssh.files().len(), 5);
    // Data that lies on the server.
    std::fs::create_dir_all(ssh.file("data/src/s")).unwrap();
    std::fs::write(ssh.file("data/src/x"), "x").unwrap();
    std::fs::write(ssh.file("data/src/s/y"), "y").unwrap();
    project.lemnis(&["import-url", "remote://r/../../src", "src"]);
    assert_eq!(project.read("src/s/y"), "y");
    project.lemnis(&["get-url", "remote://r/../../src/x", "got"]);
    assert_eq!(project.read("got"), "x");
    std::fs::write(ssh.file("data/src/x"), "newer").unwrap();
    project.lemnis(&["update", "src.dvc"]);
    assert_eq!(project.read("src/x"), "newer");
    project.write("../outside", "far");
    project.lemnis(&["add", "--to-remote", "../outside", "-o", "far"]);
    project.lemnis(&["pull", "far"]);
    assert_eq!(project.read("far"), "far");
    assert!(!ssh.files().iter().any(|name| name.contains(".lemnis-")), "a part of a file stayed");
}

#[test]
fn a_server_must_be_known_and_we_must_be_let_in() {
    let Some(ssh) = Ssh::start("a_server_must_be_known_and_we_must_be_let_in") else { return };
    let project = Project::new(&[]);
    with_data(&project, &ssh.url("r"));
    let refused = |arguments: &[&str], what: &str| {
        let output = project.try_lemnis(arguments);
        assert!(!output.status.success());
        let said = stderr(&output);
        assert!(said.contains(what), "{what}: {said}");
    };
    project.lemnis(&["remote", "modify", "r", "keyfile", &ssh.key("user")]);
    refused(&["push"], "is not in known_hosts");
    ssh.introduce(&project, "user");
    refused(&["push"], "not the one in known_hosts");
    assert!(ssh.files().is_empty());
    // The server has two keys; the known one is asked for.
    for (host, key) in [("host", "user"), ("host2", "rsa")] {
        ssh.introduce(&project, host);
        project.lemnis(&["remote", "modify", "r", "keyfile", &ssh.key(key)]);
        project.lemnis(&["push"]);
    }
    project.lemnis(&["remote", "modify", "r", "keyfile", &ssh.key("locked")]);
    refused(&["status", "-c"], "needs a passphrase");
    project.lemnis(&["remote", "modify", "--local", "r", "passphrase", "secret"]);
    project.lemnis(&["status", "-c"]);
    project.lemnis(&["remote", "modify", "r", "gss_auth", "true"]);
    refused(&["status", "-c"], "gss_auth is not supported");
    project.lemnis(&["remote", "modify", "--unset", "r", "gss_auth"]);
    project.lemnis(&["remote", "modify", "--unset", "r", "keyfile"]);
    refused(&["status", "-c"], "there is no key to try");
    // What OpenSSH's configuration says about an alias.
    let config = format!(
        "Host store\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  IdentityFile {}\n",
        ssh.port,
        ssh.user,
        ssh.key("user")
    );
    std::fs::write(project.home.path().join(".ssh/config"), config).unwrap();
    let folder = ssh.file("data/r");
    project.lemnis(&["remote", "modify", "r", "url", &format!("ssh://store{}", folder.display())]);
    assert_eq!(project.lemnis(&["status", "-c", "--json"]).trim(), "{}");
}

#[test]
fn dvc_and_lemnis_share_an_ssh_remote() {
    const TEST: &str = "dvc_and_lemnis_share_an_ssh_remote";
    let Some(python) = python(TEST).filter(|python| has_module(python, "dvc_ssh", TEST)) else { return };
    let Some(ssh) = Ssh::start(TEST) else { return };
    let project = Project::new(&[]);
    with_data(&project, &ssh.url("r"));
    project.lemnis(&["remote", "modify", "r", "keyfile", &ssh.key("user")]);
    ssh.introduce(&project, "host");
    project.lemnis(&["push"]);
    project.forget(&["f.txt", "d"]);
    project.dvc(&python, &["pull"]);
    assert_eq!(project.read("d/sub/b c"), "b\n");
    project.write("d/new", "new\n");
    project.dvc(&python, &["add", "-q", "d"]);
    project.dvc(&python, &["push"]);
    project.forget(&["f.txt", "d"]);
    project.lemnis(&["pull"]);
    assert_eq!(project.read("d/new"), "new\n");
    // Both record an import alike.
    std::fs::create_dir_all(ssh.file("data/src")).unwrap();
    std::fs::write(ssh.file("data/src/x"), "x").unwrap();
    for url in ["remote://r/../src", "remote://r/../src/x"] {
        project.lemnis(&["import-url", url, "ours"]);
        project.dvc(&python, &["import-url", "-q", url, "theirs"]);
        let ours = project.read("ours.dvc").replace("path: ours", "path: theirs");
        let body = |text: &str| text.split_once('\n').unwrap().1.to_owned();
        assert_eq!(body(&ours), body(&project.read("theirs.dvc")), "{url}");
        for name in ["ours", "theirs"] {
            project.lemnis(&["remove", "--outs", &format!("{name}.dvc")]);
        }
    }
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A bucket that keeps versions.
struct Bucket {
    _server: Server,
    python: PathBuf,
    port: u16,
}

impl Bucket {
    fn start(test: &str) -> Option<Self> {
        let python = python(test).filter(|python| has_module(python, "moto.server, dvc_s3", test))?;
        let port = free_port();
        let server = Command::new(&python)
            .args(["-c", "import sys; from moto.server import main; main(sys.argv[1:])"])
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Server(server);
        wait_for(port);
        let bucket = Self { _server: server, python, port };
        bucket.python("s3.create_bucket(Bucket='bucket')");
        bucket.python(
            "s3.put_bucket_versioning(Bucket='bucket', VersioningConfiguration={'Status': 'Enabled'})",
        );
        Some(bucket)
    }

    fn variables() -> [(&'static str, &'static str); 3] {
        [
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ]
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Runs a line with the bucket's client and returns what it prints.
    fn python(&self, line: &str) -> String {
        let text =
            format!("import boto3\ns3 = boto3.client('s3', endpoint_url='{}')\n{line}\n", self.endpoint());
        let output = Command::new(&self.python).envs(Self::variables()).args(["-c", &text]).output().unwrap();
        assert!(output.status.success(), "{line}: {}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A project that reaches the bucket without a remote.
    fn reader(&self) -> Project {
        let endpoint = self.endpoint();
        let mut variables = Self::variables().to_vec();
        variables.push(("AWS_ENDPOINT_URL", &endpoint));
        let project = Project::new(&variables);
        project.lemnis(&["init"]);
        project
    }

    /// Puts a file and returns the version that this made.
    fn put(&self, key: &str, text: &str) -> String {
        self.python(&format!(
            "print(s3.put_object(Bucket='bucket', Key='{key}', Body=b'{text}')['VersionId'])"
        ))
    }

    fn project(&self, kind: &str) -> Project {
        let project = Project::new(&Self::variables());
        project.lemnis(&["init"]);
        project.write("f.txt", "one\n");
        project.write("d/a", "a\n");
        project.write("d/sub/b", "b\n");
        project.write(
            "dvc.yaml",
            "stages:\n  cp:\n    cmd: cp f.txt out.txt && mkdir -p outd && cp f.txt outd/z\n    deps: [f.txt]\n    outs: [out.txt, outd]\n",
        );
        project.lemnis(&["add", "f.txt", "d"]);
        project.lemnis(&["repro"]);
        project.lemnis(&["remote", "add", "-d", "r", "s3://bucket/pre"]);
        project.lemnis(&["remote", "modify", "r", "endpointurl", &self.endpoint()]);
        project.lemnis(&["remote", "modify", "r", kind, "true"]);
        project
    }
}

const FILES: [&str; 4] = ["f.txt.dvc", "d.dvc", "dvc.lock", ".gitignore"];
const DATA: [&str; 4] = ["f.txt", "d", "out.txt", "outd"];

#[test]
fn versions_are_recorded_as_dvc_records_them_and_outlive_their_names() {
    const TEST: &str = "versions_are_recorded_as_dvc_records_them_and_outlive_their_names";
    let Some(bucket) = Bucket::start(TEST) else { return };
    let project = bucket.project("version_aware");
    let before = FILES.map(|name| project.read(name));
    project.lemnis(&["push"]);
    let ours = FILES.map(|name| project.read(name));
    assert!(
        ours[1].contains("  files:\n  - relpath: a\n    md5: 60b725f10c9c85c70d97880dfe8191b3\n"),
        "{}",
        ours[1]
    );
    assert_eq!(project.lemnis(&["status", "--json"]).trim(), "{}");
    // The judge finds the same versions, so that it writes the same bytes.
    for (name, text) in FILES.iter().zip(&before) {
        project.write(name, text);
    }
    project.dvc(&bucket.python, &["push"]);
    let same_but_versions = |text: &str| {
        let known = |line: &&str| !line.trim_start().starts_with("version_id: ");
        text.lines().filter(known).map(str::to_owned).collect::<Vec<_>>()
    };
    for (name, text) in FILES.iter().zip(&ours) {
        assert_eq!(same_but_versions(&project.read(name)), same_but_versions(text), "{name}");
    }
    assert!(project.dvc(&bucket.python, &["push"]).contains("up to date"));
    // Somebody overwrites and removes what lies there; both still find what was recorded.
    bucket.python("s3.put_object(Bucket='bucket', Key='pre/f.txt', Body=b'foreign')");
    bucket.python("s3.delete_object(Bucket='bucket', Key='pre/d/a')");
    project.forget(&DATA);
    project.lemnis(&["pull"]);
    assert_eq!((project.read("f.txt").as_str(), project.read("d/a").as_str()), ("one\n", "a\n"));
    let text = project.read("d.dvc");
    project.lemnis(&["push"]);
    assert_eq!(project.read("d.dvc"), text, "a version that exists is not given up");
    project.forget(&DATA);
    project.dvc(&bucket.python, &["pull"]);
    assert_eq!(project.lemnis(&["status", "--json"]).trim(), "{}");
    // A change is a new version; what did not change keeps its own.
    let kept = |text: &str| {
        text.lines().skip_while(|line| !line.contains("sub/b")).map(str::to_owned).collect::<Vec<_>>()
    };
    let old = kept(&project.read("d.dvc"));
    project.write("d/a", "changed\n");
    project.lemnis(&["add", "d"]);
    project.lemnis(&["push"]);
    assert_eq!(kept(&project.read("d.dvc")), old);
    project.forget(&DATA);
    project.dvc(&bucket.python, &["pull"]);
    assert_eq!(project.read("d/a"), "changed\n");
    // What needs objects says so.
    for arguments in [&["status", "-c"][..], &["gc", "-w", "-c", "-f"]] {
        let output = project.try_lemnis(arguments);
        assert!(!output.status.success() && stderr(&output).contains("versioned"), "{}", stderr(&output));
    }
    let output = project.try_lemnis(&["push", "--all-commits"]);
    assert!(stderr(&output).contains("not other revisions"), "{}", stderr(&output));
}

#[test]
fn lemnis_pulls_and_continues_what_dvc_pushed() {
    const TEST: &str = "lemnis_pulls_and_continues_what_dvc_pushed";
    let Some(bucket) = Bucket::start(TEST) else { return };
    let project = bucket.project("worktree");
    project.dvc(&bucket.python, &["push"]);
    let theirs = FILES.map(|name| project.read(name));
    project.forget(&DATA);
    project.lemnis(&["pull"]);
    assert_eq!(project.read("d/sub/b"), "b\n");
    assert_eq!(project.lemnis(&["status", "--json"]).trim(), "{}");
    project.lemnis(&["push"]);
    assert_eq!(FILES.map(|name| project.read(name)), theirs);
    // The worktree on the remote moves on, and we with it.
    bucket.python("s3.put_object(Bucket='bucket', Key='pre/d/a', Body=b'moved on')");
    bucket.python("s3.put_object(Bucket='bucket', Key='pre/d/new', Body=b'new')");
    bucket.python("s3.delete_object(Bucket='bucket', Key='pre/d/sub/b')");
    project.write("d/sub/b", "unsaved\n");
    assert!(!project.try_lemnis(&["update", "d.dvc"]).status.success(), "unsaved data is not overwritten");
    project.write("d/sub/b", "b\n");
    project.lemnis(&["update", "d.dvc"]);
    assert_eq!((project.read("d/a").as_str(), project.read("d/new").as_str()), ("moved on", "new"));
    assert!(!project.dir().join("d/sub/b").exists());
    assert_eq!(project.lemnis(&["status", "--json"]).trim(), "{}");
    project.dvc(&bucket.python, &["pull"]);
    assert_eq!(project.dvc(&bucket.python, &["status", "--json"]).trim(), "{}");
}

#[test]
fn a_bucket_without_versions_is_refused() {
    const TEST: &str = "a_bucket_without_versions_is_refused";
    let Some(bucket) = Bucket::start(TEST) else { return };
    bucket.python("s3.create_bucket(Bucket='plain')");
    let project = bucket.project("version_aware");
    project.lemnis(&["remote", "modify", "r", "url", "s3://plain/pre"]);
    let before = project.read("d.dvc");
    let output = project.try_lemnis(&["push"]);
    assert!(!output.status.success(), "{}", stderr(&output));
    assert_eq!(project.read("d.dvc"), before);
    assert!(stderr(&output).contains("keeps no versions"), "{}", stderr(&output));
    for (name, url, option) in [("az", "azure://c/pre", "version_aware"), ("gs", "gs://b/pre", "worktree")] {
        project.lemnis(&["remote", "add", name, url]);
        project.lemnis(&["remote", "modify", name, option, "true"]);
        let output = project.try_lemnis(&["push", "-r", name]);
        let said = stderr(&output);
        assert!(said.contains("versions are kept on s3 only"), "{said}");
        assert!(said.contains(&format!("--unset {name} {option}")), "{said}");
        assert_eq!(output.status.code(), Some(251));
    }
}

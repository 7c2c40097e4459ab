//! A PostgreSQL server of the test's own: a fresh cluster in a folder that goes with the test, reached over a socket in it.
//!
//! The server refuses to run as root; a test that does starts it as `nobody`.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Error;

/// The user `nobody`, whom every Unix has.
const NOBODY: u32 = 65534;
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server. It is stopped where this is dropped.
pub struct Postgres {
    bin: PathBuf,
    dir: TempDir,
    server: Option<Child>,
}

/// Where PostgreSQL's programs are, newest version first.
fn programs() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut places: Vec<PathBuf> = debian.flatten().map(|entry| entry.path().join("bin")).collect();
    places.sort();
    places.reverse();
    places.extend(["/usr/local/bin", "/usr/bin", "/opt/homebrew/bin"].map(PathBuf::from));
    places.into_iter().find(|place| place.join("initdb").exists() && place.join("postgres").exists())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Postgres {
    /// Starts a server with one database `postgres`; `None`, and a line that says so, where PostgreSQL is not installed.
    pub fn start() -> Result<Option<Self>, Error> {
        let Some(bin) = programs() else {
            eprintln!("skipped: PostgreSQL is not installed (cargo xtask setup installs it)");
            return Ok(None);
        };
        let dir = tempfile::Builder::new().prefix("lemnis-pg-").tempdir()?;
        if is_root() {
            std::os::unix::fs::chown(dir.path(), Some(NOBODY), Some(NOBODY))?;
        }
        let mut this = Self { bin, dir, server: None };
        let made = this
            .command("initdb")
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "-D",
            ])
            .arg(this.data())
            .output()?;
        if !made.status.success() {
            return Err(String::from_utf8_lossy(&made.stderr).into_owned().into());
        }
        this.run()?;
        Ok(Some(this))
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    /// Starts the server, again after [`Self::stop`].
    pub fn run(&mut self) -> Result<(), Error> {
        let log = std::fs::File::create(self.dir.path().join("log"))?;
        let server = self
            .command("postgres")
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=100", "-D"])
            .arg(self.data())
            .arg("-k")
            .arg(self.dir.path())
            .stderr(log)
            .stdout(Stdio::null())
            .spawn()?;
        self.server = Some(server);
        let started = Instant::now();
        while self.sql("postgres", "SELECT 1").is_err() {
            if started.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.dir.path().join("log"))?;
                return Err(format!("PostgreSQL did not start: {log}").into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Stops the server at once, as a crash does: what was committed stays.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            if let Ok(id) = i32::try_from(server.id())
                && let Some(id) = rustix::process::Pid::from_raw(id)
            {
                let _ = rustix::process::kill_process(id, rustix::process::Signal::QUIT);
            }
            let _ = server.wait();
        }
    }

    /// Runs `sql` with `psql` and returns what it prints, without heads.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String, Error> {
        let done = self
            .command("psql")
            .args([OsStr::new("-XAtq"), OsStr::new("-v"), OsStr::new("ON_ERROR_STOP=1"), OsStr::new("-h")])
            .arg(self.dir.path())
            .args(["-U", "postgres", "-d", database, "-c", sql])
            .output()?;
        match done.status.success() {
            true => Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned()),
            false => Err(String::from_utf8_lossy(&done.stderr).into_owned().into()),
        }
    }

    /// Makes the database `name` and returns its URL.
    pub fn create(&self, name: &str) -> Result<String, Error> {
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(name))
    }

    /// The URL of the database `name`.
    pub fn url(&self, name: &str) -> String {
        let socket = self.dir.path().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{socket}/{name}")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

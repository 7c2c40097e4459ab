//! What the tests need besides Rust: a browser with its driver, Git, an SSH server, and Python with the original tools.
//!
//! Nothing is done twice: programs that are there stay as they are, and the Python environment is kept while its
//! requirements are the same. What cannot be installed is named, and the tests that need it skip themselves.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};

use crate::workspace::Workspace;

/// A program that tests start, and the Debian package that brings it.
const PROGRAMS: [(&[&str], &str); 6] = [
    (&["git"], "git"),
    (&["chromedriver"], "chromium-driver"),
    (&["chromium", "chromium-browser", "google-chrome"], "chromium"),
    (&["python3"], "python3"),
    (&["sshd", "/usr/sbin/sshd"], "openssh-server"),
    (&["initdb", "pg_ctlcluster"], "postgresql"),
];

/// What the tests find.
pub struct Ready {
    /// The interpreter of the environment with the original tools; none where there is no Python.
    pub python: Option<PathBuf>,
    /// One line for each thing that is missing.
    pub skipped: Vec<String>,
}

/// Installs what is missing and says what it did.
pub fn run(workspace: &Workspace) -> anyhow::Result<Ready> {
    let mut skipped = Vec::new();
    let mut wanted: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(names, _)| !names.iter().any(|name| on_path(name)))
        .map(|(_, package)| *package)
        .collect();
    if !answers("python3", &["-c", "import venv, ensurepip"]) {
        wanted.push("python3-venv");
    }
    if !wanted.is_empty()
        && let Err(error) = install(&wanted)
    {
        skipped.push(format!("tests that need {} ({error:#})", wanted.join(", ")));
    }
    let python = match environment(workspace) {
        Ok(python) => Some(python),
        Err(error) => {
            skipped.push(format!("tests against the original Python tools ({error:#})"));
            None
        }
    };
    for line in &skipped {
        println!("setup: skipping {line}");
    }
    Ok(Ready { python, skipped })
}

/// Debian packages, as root.
fn install(packages: &[&str]) -> anyhow::Result<()> {
    let command = format!("apt-get install {}", packages.join(" "));
    if !on_path("apt-get") {
        bail!("there is no apt-get here; install them by hand");
    }
    if !answers("sh", &["-c", "test \"$(id -u)\" = 0"]) {
        bail!("only root may install them: sudo {command}");
    }
    println!("setup: {command}");
    let apt = |arguments: &[&str]| -> anyhow::Result<()> {
        let status = Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-q", "-o", "Acquire::Retries=3"])
            .args(arguments)
            .stdout(Stdio::null())
            .status()
            .context("starting apt-get")?;
        if !status.success() {
            bail!("apt-get {} failed", arguments.join(" "));
        }
        Ok(())
    };
    apt(&["update"])?;
    apt(&[&["install", "-y", "--no-install-recommends"], packages].concat())
}

/// The Python environment under the target directory, made once for each text of the requirements.
fn environment(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let place = workspace.target.join("python");
    let python = place.join("bin").join("python");
    let made_for = place.join("made-for.txt");
    let sources = workspace.root.join("tests").join("python");
    let read = |name: &str| -> anyhow::Result<String> {
        std::fs::read_to_string(sources.join(name)).with_context(|| format!("reading tests/python/{name}"))
    };
    let version = Command::new("python3").arg("--version").output().context("there is no python3")?;
    let wanted = format!(
        "{}{}{}",
        String::from_utf8_lossy(&version.stdout),
        read("requirements.txt")?,
        read("constraints.txt")?
    );
    if std::fs::read_to_string(&made_for).is_ok_and(|present| present == wanted) && python.is_file() {
        return Ok(python);
    }
    println!(
        "setup: a Python environment with the original tools in {} (some minutes, once)",
        place.display()
    );
    let start = Instant::now();
    step(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place), "python3 -m venv")?;
    let pip =
        ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--retries", "5"];
    let mut install = Command::new(&python);
    install.args(pip).arg("--requirement").arg(sources.join("requirements.txt"));
    install.arg("--constraint").arg(sources.join("constraints.txt"));
    step(&mut install, "pip install")?;
    // Written last: an environment that was interrupted is made anew.
    std::fs::write(&made_for, wanted).context("writing what the environment was made for")?;
    println!("setup: Python is ready after {:.0} s", start.elapsed().as_secs_f64());
    Ok(python)
}

fn step(command: &mut Command, name: &str) -> anyhow::Result<()> {
    // Both are left over from other environments and would lead pip and Python astray.
    let status = command.env_remove("PYTHONHOME").env_remove("PYTHONPATH").status();
    if !status.with_context(|| format!("starting {name}"))?.success() {
        bail!("{name} failed");
    }
    Ok(())
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory: PathBuf| Path::new(&directory).join(program).is_file())
}

fn answers(program: &str, arguments: &[&str]) -> bool {
    let quiet = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

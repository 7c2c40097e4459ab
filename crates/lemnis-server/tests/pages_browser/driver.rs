//! A headless Chromium behind chromedriver, both with throw-away state and ended by their own process ids.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use axum::http::Method;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

/// Whatever goes wrong in a test of pages.
pub type Problem = Box<dyn std::error::Error + Send + Sync>;

/// A browser with one open window.
pub struct Browser {
    /// Its remote control.
    pub client: Client,
    driver: Child,
    shots: Option<PathBuf>,
    _profile: TempDir,
}

impl Browser {
    /// A fresh browser; nothing where none is installed.
    pub async fn start() -> Result<Option<Self>, Problem> {
        if !is_installed("chromium") || !is_installed("chromedriver") {
            return Ok(None);
        }
        let mut driver = Command::new("chromedriver")
            .args(["--port=0", "--log-level=SEVERE"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let Some(port) = port_of(&mut driver) else {
            driver.kill().ok();
            driver.wait().ok();
            return Err("chromedriver did not say its port".into());
        };
        let profile = tempfile::tempdir()?;
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--window-size=1280,900",
        ];
        let mut arguments: Vec<String> = arguments.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let capabilities = capabilities.as_object().cloned().unwrap_or_default();
        let connected = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await;
        match connected {
            Ok(client) => Ok(Some(Self { client, driver, shots: None, _profile: profile })),
            Err(error) => {
                driver.kill().ok();
                driver.wait().ok();
                Err(error.into())
            }
        }
    }

    /// Ends the browser and its driver.
    pub async fn stop(mut self) {
        self.client.close().await.ok();
        self.driver.kill().ok();
        self.driver.wait().ok();
    }

    /// What the console said since the last call, at the level of a warning or above.
    pub async fn complaints(&self) -> Result<Vec<String>, Problem> {
        let entries =
            self.client.issue_cmd(Vendor { path: "se/log", body: json!({ "type": "browser" }) }).await?;
        let is_bad = |entry: &&Value| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING"));
        Ok(entries
            .as_array()
            .into_iter()
            .flatten()
            .filter(is_bad)
            .map(|entry| entry["message"].to_string())
            .collect())
    }

    /// Pretends to be a screen of this size with this colour scheme.
    pub async fn look(&self, width: u32, height: u32, scheme: &str) -> Result<(), Problem> {
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        for (cmd, params) in
            [("Emulation.setDeviceMetricsOverride", screen), ("Emulation.setEmulatedMedia", media)]
        {
            let body = json!({ "cmd": cmd, "params": params });
            self.client.issue_cmd(Vendor { path: "goog/cdp/execute", body }).await?;
        }
        Ok(())
    }

    /// Keeps a picture of the page where a folder for them was named.
    pub async fn shoot(&self, name: &str) -> Result<(), Problem> {
        if let Some(folder) = &self.shots {
            std::fs::write(folder.join(format!("{name}.png")), self.client.screenshot().await?)?;
        }
        Ok(())
    }
}

fn is_installed(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The port that the driver chose, as it says on its standard output.
fn port_of(driver: &mut Child) -> Option<u16> {
    let output = BufReader::new(driver.stdout.take()?);
    output.lines().map_while(Result::ok).find_map(|line| {
        let (_, rest) = line.split_once("started successfully on port ")?;
        rest.trim_end_matches('.').parse().ok()
    })
}

/// A command that chromedriver has and the standard does not.
#[derive(Debug)]
struct Vendor {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Vendor {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, ParseError> {
        base_url.join(&format!("session/{}/{}", session_id.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

//! A connection to an SSH server: who it is, checked against `known_hosts`, and who we are.
//!
//! A server whose key is not known, or is another than the known one, is refused before any secret goes to it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{self, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key};

use super::config::{HostConfig, expand_home};
use super::known_hosts::{KnownHost, Verdict};
use crate::remotes::{CloudEnvironment, Options, truth};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(30);
/// What OpenSSH tries when nothing else is said.
const IDENTITIES: [&str; 3] = ["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"];
/// A quiet connection is asked whether it still lives.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Where to go and how to get in. It holds secrets: it has no `Debug`.
pub(super) struct Address {
    /// As it was typed.
    alias: String,
    host: String,
    port: u16,
    user: String,
    config: HostConfig,
    known: KnownHost,
    keys: Vec<PathBuf>,
    agent: Option<PathBuf>,
    password: Option<String>,
    passphrase: Option<String>,
    /// The keys were named for this remote, so that a broken one is an error.
    named: bool,
}

impl Address {
    /// What the URL, the remote's options and OpenSSH's configuration say, in this order of strength from the
    /// options down.
    pub(super) fn of(
        url: &url::Url,
        options: &Options,
        environment: &CloudEnvironment,
    ) -> Result<Self, String> {
        if truth(options, "gss_auth") == Some(true) {
            return Err("gss_auth is not supported: use a key or a password".into());
        }
        let variable = |name: &str| environment.variables.get(name).filter(|text| !text.is_empty()).cloned();
        let home = variable("HOME").map(PathBuf::from).unwrap_or_default();
        let alias = url.host_str().filter(|host| !host.is_empty()).ok_or("the URL names no host")?;
        let alias = alias.trim_start_matches('[').trim_end_matches(']').to_owned();
        let config = HostConfig::read(&alias, &home);
        if config.proxy_jump.as_deref().is_some_and(|jump| jump != "none") && config.proxy_command.is_none() {
            return Err(format!(
                "ProxyJump of the host '{alias}' is not supported: write it as `ProxyCommand ssh -W %h:%p JUMPHOST`"
            ));
        }
        let option = |key: &str| options.get(key).filter(|text| !text.is_empty()).cloned();
        let host = config.host_name.as_deref().unwrap_or("%h").replace("%h", &alias).replace("%%", "%");
        let port = match option("port") {
            Some(text) => Some(text.parse().map_err(|_| format!("the port '{text}' is no port"))?),
            None => url.port(),
        };
        let port = port.or(config.port).unwrap_or(22);
        let in_url = Some(url.username()).filter(|user| !user.is_empty());
        let user = option("user")
            .or_else(|| in_url.map(crate::remotes::percent_decoded))
            .or_else(|| config.user.clone())
            .or_else(|| variable("USER"))
            .or_else(|| variable("LOGNAME"))
            .ok_or("no user is set: add one to the URL, or set the remote's option user")?;
        let expand = |text: &str| {
            let text = text.replace("%h", &host).replace("%r", &user).replace("%d", &home.to_string_lossy());
            expand_home(&text, &home)
        };
        let files = |files: &Option<Vec<String>>, standard: &[&str]| -> Vec<PathBuf> {
            match files {
                Some(files) => files.iter().filter(|file| *file != "none").map(|file| expand(file)).collect(),
                None => standard.iter().map(|file| expand(file)).collect(),
            }
        };
        let mut known_files = files(&config.known_hosts, &["~/.ssh/known_hosts", "~/.ssh/known_hosts2"]);
        known_files.extend(files(
            &config.global_known_hosts,
            &["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"],
        ));
        let known = match &config.host_key_alias {
            Some(name) => KnownHost::read(&known_files, name, 22),
            None => KnownHost::read(&known_files, &host, port),
        };
        let keyfile = option("keyfile");
        let named = keyfile.is_some();
        let keys = match &keyfile {
            Some(file) => vec![expand(file)],
            None if config.identity_files.is_empty() => IDENTITIES.iter().map(|file| expand(file)).collect(),
            None => config.identity_files.iter().map(|file| expand(file)).collect(),
        };
        let agent = match config.identity_agent.as_deref() {
            Some("none") => None,
            Some("SSH_AUTH_SOCK") | None => variable("SSH_AUTH_SOCK").map(PathBuf::from),
            Some(path) => Some(expand(path)),
        };
        let agent = agent.filter(|_| {
            !named && truth(options, "allow_agent") != Some(false) && config.identities_only != Some(true)
        });
        let secret = |name: &str| -> Result<Option<String>, String> {
            let given = option(name);
            if given.is_some() || truth(options, &format!("ask_{name}")) != Some(true) {
                return Ok(given);
            }
            let ask = environment.ask_secret.ok_or_else(|| format!("the {name} cannot be asked for here"))?;
            let answer = ask(&format!("{name} for {user}@{host}:{port}: "));
            answer.map(Some).map_err(|error| format!("the {name} cannot be asked for: {error}"))
        };
        let password = secret("password")?.or_else(|| url.password().map(crate::remotes::percent_decoded));
        let passphrase = secret("passphrase")?;
        Ok(Self { alias, host, port, user, config, known, keys, agent, password, passphrase, named })
    }

    /// How people know the server.
    pub(super) fn shown(&self) -> String {
        format!("{}@{}:{}", self.user, self.host, self.port)
    }

    /// Connects and logs in.
    pub(super) async fn connect(&self) -> Result<Handle<Checker>, String> {
        let refused = Arc::new(Mutex::new(None));
        let checker = Checker {
            known: self.known.clone(),
            strict: self.config.strict.clone(),
            place: format!("{}:{}", self.host, self.port),
            remedy: self.remedy(),
            refused: Arc::clone(&refused),
        };
        let mut config = client::Config {
            keepalive_interval: Some(KEEPALIVE),
            window_size: 16 << 20,
            nodelay: true,
            ..client::Config::default()
        };
        let mut algorithms = config.preferred.key.to_vec();
        algorithms.sort_by_key(|algorithm| !self.known.prefers(algorithm));
        config.preferred.key = algorithms.into();
        let config = Arc::new(config);
        let connecting = async {
            match &self.config.proxy_command {
                Some(command) if command != "none" => {
                    client::connect_stream(config, self.proxy(command)?, checker).await.map_err(Failure::Ssh)
                }
                _ => client::connect(config, (self.host.as_str(), self.port), checker)
                    .await
                    .map_err(Failure::Ssh),
            }
        };
        let connected = tokio::time::timeout(CONNECT, connecting)
            .await
            .map_err(|_| format!("{} did not answer within {} s", self.shown(), CONNECT.as_secs()))?;
        let mut handle = connected.map_err(|failure| {
            let why = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
            why.unwrap_or_else(|| match failure {
                Failure::Text(text) => text,
                Failure::Ssh(error) => format!("{} cannot be reached: {error}", self.shown()),
            })
        })?;
        self.log_in(&mut handle).await?;
        Ok(handle)
    }

    fn remedy(&self) -> String {
        let user = &self.user;
        match (self.alias == self.host, self.port) {
            (true, 22) => format!("ssh {user}@{}", self.host),
            (true, port) => format!("ssh -p {port} {user}@{}", self.host),
            (false, _) => format!("ssh {}", self.alias),
        }
    }

    /// A program whose input and output are the connection; it ends with it.
    fn proxy(
        &self,
        command: &str,
    ) -> Result<tokio::io::Join<tokio::process::ChildStdout, tokio::process::ChildStdin>, Failure> {
        let command = command
            .replace("%h", &self.host)
            .replace("%p", &self.port.to_string())
            .replace("%r", &self.user)
            .replace("%n", &self.alias)
            .replace("%%", "%");
        let failed = |error: std::io::Error| Failure::Text(format!("ProxyCommand '{command}': {error}"));
        let mut child = tokio::process::Command::new("sh")
            .args(["-c", &format!("exec {command}")])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let gone = || Failure::Text("ProxyCommand has no input or output".into());
        let input = child.stdin.take().ok_or_else(gone)?;
        let output = child.stdout.take().ok_or_else(gone)?;
        tokio::spawn(async move { child.wait().await });
        Ok(tokio::io::join(output, input))
    }

    async fn log_in(&self, handle: &mut Handle<Checker>) -> Result<(), String> {
        let broken = |error: russh::Error| format!("logging in to {} failed: {error}", self.shown());
        let hash = handle.best_supported_rsa_hash().await.map_err(broken)?.flatten();
        let mut tried = Vec::new();
        if let Some(path) = &self.agent
            && self.by_agent(handle, path, hash).await
        {
            return Ok(());
        }
        for path in &self.keys {
            if !self.named && !path.is_file() {
                continue;
            }
            match load_secret_key(path, self.passphrase.as_deref()) {
                Ok(key) => {
                    let hash = hash.filter(|_| key.algorithm().is_rsa());
                    let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
                    tried.push(format!("the key {}", path.display()));
                    let done = handle.authenticate_publickey(&self.user, key).await.map_err(broken)?;
                    if done.success() {
                        return Ok(());
                    }
                }
                Err(error) if self.named => return Err(unusable(path, &error)),
                Err(error) => tried.push(unusable(path, &error)),
            }
        }
        if let Some(password) = &self.password {
            tried.push("the password".into());
            if self.by_questions(handle, password).await.map_err(broken)? {
                return Ok(());
            }
            let done = handle.authenticate_password(&self.user, password).await.map_err(broken)?;
            if done.success() {
                return Ok(());
            }
        }
        let tried = match tried.is_empty() {
            true => "there is no key to try".to_owned(),
            false => format!("tried {}", tried.join(", ")),
        };
        Err(format!(
            "{} does not let us in: {tried}; set the remote's option keyfile, password or ask_password",
            self.shown()
        ))
    }

    /// An agent that does not answer is as good as none.
    async fn by_agent(
        &self,
        handle: &mut Handle<Checker>,
        socket: &Path,
        hash: Option<russh::keys::HashAlg>,
    ) -> bool {
        let Ok(mut agent) = AgentClient::connect_uds(socket).await else { return false };
        for identity in agent.request_identities().await.unwrap_or_default() {
            let AgentIdentity::PublicKey { key, .. } = identity else { continue };
            let hash = hash.filter(|_| key.algorithm().is_rsa());
            let done = handle.authenticate_publickey_with(&self.user, key, hash, &mut agent).await;
            if done.is_ok_and(|done| done.success()) {
                return true;
            }
        }
        false
    }

    /// Answers what the server asks with the password, as a person would who is asked for it.
    async fn by_questions(&self, handle: &mut Handle<Checker>, password: &str) -> Result<bool, russh::Error> {
        let mut answer = handle.authenticate_keyboard_interactive_start(&self.user, None).await?;
        // A server that goes on asking is not answered for ever.
        for _ in 0..4 {
            match answer {
                KeyboardInteractiveAuthResponse::Success => return Ok(true),
                KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
                KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                    let answers = prompts.iter().map(|_| password.to_owned()).collect();
                    answer = handle.authenticate_keyboard_interactive_respond(answers).await?;
                }
            }
        }
        Ok(false)
    }
}

enum Failure {
    Text(String),
    Ssh(russh::Error),
}

fn unusable(path: &Path, error: &russh::keys::Error) -> String {
    match error {
        russh::keys::Error::KeyIsEncrypted => {
            format!("the key {} needs a passphrase (option passphrase or ask_passphrase)", path.display())
        }
        error => format!("the key {} cannot be read: {error}", path.display()),
    }
}

/// Judges the server's key.
pub(super) struct Checker {
    known: KnownHost,
    strict: Option<String>,
    place: String,
    remedy: String,
    refused: Arc<Mutex<Option<String>>>,
}

impl client::Handler for Checker {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else { return Ok(false) };
        let lax = matches!(self.strict.as_deref(), Some("no" | "off"));
        let (place, remedy) = (&self.place, &self.remedy);
        let fingerprint = key.fingerprint(russh::keys::HashAlg::Sha256);
        let message = match self.known.judge(key) {
            Verdict::Known => return Ok(true),
            Verdict::Unknown if lax => return Ok(true),
            Verdict::Unknown => format!(
                "the host key of {place} ({fingerprint}) is not in known_hosts: log in once to check and keep it: {remedy}"
            ),
            Verdict::Changed => format!(
                "the host key of {place} is {fingerprint}, not the one in known_hosts: someone may stand between; \
                 if the server has a new key, take the old one out with ssh-keygen -R and log in once: {remedy}"
            ),
            Verdict::Revoked => {
                format!("the host key of {place} ({fingerprint}) is marked as revoked in known_hosts")
            }
        };
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
        Ok(false)
    }
}

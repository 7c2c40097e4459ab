//! Opens the store behind a URL with DVC's remote options: S3, Google Cloud Storage, Azure Blob, HTTP(S), WebDAV,
//! SSH.
//!
//! Credentials come from the options first, then from the environment that the caller passes, then from AWS's
//! own files. TLS is rustls on ring for all of them.

mod aws_files;
mod direct;
mod ssh;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use lemnis_tracking::direct::DirectTransfers;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, resolve_bucket_region};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::signer::Signer;
use object_store::{ClientOptions, ObjectStore};
use url::Url;

use crate::{Error, Result};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// The options of a remote by DVC's names.
type Options = BTreeMap<String, String>;

/// Where the credentials of the clouds come from.
#[derive(Clone, Debug, Default)]
pub struct CloudEnvironment {
    /// The process's environment.
    pub variables: BTreeMap<String, String>,
    /// Asks a person for a secret, with the text that is given; `None` where nobody can be asked.
    pub ask_secret: Option<AskSecret>,
}

/// Shows a text and returns what is typed, unseen.
pub type AskSecret = fn(&str) -> std::io::Result<String>;

/// An opened store.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The path in it, without slashes at its ends.
    pub(crate) prefix: String,
    /// Its signed URLs, where it has some.
    pub(crate) direct: Option<Arc<dyn DirectTransfers>>,
}

/// The store of `url` and the path in it, without slashes at its ends. `options` are those of a DVC remote.
/// Must be called inside a Tokio runtime's context, but not from async code.
pub fn open_remote(
    url: &str,
    options: &Options,
    environment: &CloudEnvironment,
) -> Result<(Arc<dyn ObjectStore>, String)> {
    open_signing(url, options, environment).map(|opened| (opened.store, opened.prefix))
}

/// As [`open_remote`], with what signs URLs of the store.
pub(crate) fn open_signing(url: &str, options: &Options, environment: &CloudEnvironment) -> Result<Opened> {
    let wrong = |message: String| Error::Remote { url: shown(url), message };
    let parsed = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
    let bucket = || {
        let host = parsed.host_str().filter(|host| !host.is_empty());
        host.map(str::to_owned).ok_or_else(|| wrong("the URL names no bucket".into()))
    };
    let path = percent_decoded(parsed.path().trim_matches('/'));
    let build = |error: object_store::Error| wrong(error.to_string());
    let client = client(options)?;
    let plain = |store: Arc<dyn ObjectStore>, prefix: String| Opened { store, prefix, direct: None };
    Ok(match parsed.scheme() {
        "s3" => {
            let builder = s3(&bucket()?, options, environment, client);
            let store = Arc::new(builder.clone().build().map_err(build)?);
            let direct = direct::S3::new(store.clone(), &builder, path.clone(), url)?;
            Opened { store, prefix: path, direct: Some(Arc::new(direct)) }
        }
        "gs" | "gcs" => {
            let store = google(&bucket()?, options, environment, client).build().map_err(build)?;
            signing(store, path)
        }
        "azure" | "az" | "abfs" | "abfss" => {
            // abfss://container@account.dfs.core.windows.net/path
            let container =
                if parsed.username().is_empty() { bucket()? } else { parsed.username().to_owned() };
            signing(azure(&container, options, environment, client).build().map_err(build)?, path)
        }
        "http" | "https" | "webdav" | "webdavs" => {
            plain(Arc::new(http(&parsed, options)?.build().map_err(build)?), String::new())
        }
        "ssh" => {
            let runtime = tokio::runtime::Handle::try_current().map_err(|error| wrong(error.to_string()))?;
            plain(runtime.block_on(ssh::open(&parsed, options, environment)).map_err(wrong)?, path)
        }
        scheme @ ("hdfs" | "webhdfs" | "gdrive" | "oss") => {
            return Err(wrong(format!("remotes over {scheme} are not supported")));
        }
        scheme => return Err(wrong(format!("'{scheme}' is no kind of remote"))),
    })
}

fn signing(store: impl ObjectStore + Signer, prefix: String) -> Opened {
    let store = Arc::new(store);
    let direct = direct::Signed { store: store.clone(), prefix: prefix.clone() };
    Opened { store, prefix, direct: Some(Arc::new(direct)) }
}

/// The URL without a password.
fn shown(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut parsed) if parsed.password().is_some() => {
            let _ = parsed.set_password(Some("***"));
            parsed.to_string()
        }
        _ => url.to_owned(),
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn truth(options: &Options, key: &str) -> Option<bool> {
    match options.get(key)?.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Large objects take as long as they take; who reads them watches for a stall.
fn client(options: &Options) -> Result<ClientOptions> {
    let seconds = options.get("connect_timeout").and_then(|text| text.parse().ok());
    let mut client = ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(seconds.map_or(CONNECT_TIMEOUT, Duration::from_secs_f64))
        .with_allow_http(true);
    match options.get("ssl_verify").map(String::as_str) {
        None => {}
        Some(_) if truth(options, "ssl_verify").is_some() => {
            client = client.with_allow_invalid_certificates(truth(options, "ssl_verify") == Some(false));
        }
        Some(file) => {
            let wrong = |message: String| Error::Remote { url: file.to_owned(), message };
            let bytes = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
            let bundle = object_store::Certificate::from_pem_bundle(&bytes);
            for certificate in bundle.map_err(|error| wrong(error.to_string()))? {
                client = client.with_root_certificate(certificate);
            }
        }
    }
    Ok(client)
}

fn s3(
    bucket: &str,
    options: &Options,
    environment: &CloudEnvironment,
    client: ClientOptions,
) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::new().with_bucket_name(bucket);
    for (name, value) in environment.variables.iter().filter(|(name, _)| name.starts_with("AWS_")) {
        if let Ok(key) = AmazonS3ConfigKey::from_str(&name.to_ascii_lowercase()) {
            builder = builder.with_config(key, value);
        }
    }
    for (key, value) in aws_files::profile(options, environment) {
        builder = builder.with_config(key, value);
    }
    let keys = [
        ("access_key_id", AmazonS3ConfigKey::AccessKeyId),
        ("secret_access_key", AmazonS3ConfigKey::SecretAccessKey),
        ("session_token", AmazonS3ConfigKey::Token),
        ("region", AmazonS3ConfigKey::Region),
    ];
    for (option, key) in keys {
        if let Some(value) = options.get(option) {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(endpoint) = options.get("endpointurl") {
        let plain = truth(options, "use_ssl") == Some(false);
        let endpoint = match endpoint.strip_prefix("https://").filter(|_| plain) {
            Some(rest) => format!("http://{rest}"),
            None => endpoint.clone(),
        };
        builder = builder.with_endpoint(endpoint.trim_end_matches('/'));
    }
    if truth(options, "allow_anonymous_login") == Some(true) {
        builder = builder.with_skip_signature(true);
    }
    if let Some(kms) = options.get("sse_kms_key_id") {
        builder = builder.with_sse_kms_encryption(kms);
    }
    let known = |key| builder.get_config_value(&key).is_some();
    if !known(AmazonS3ConfigKey::Region) && !known(AmazonS3ConfigKey::Endpoint) {
        let asked = tokio::runtime::Handle::try_current()
            .ok()
            .and_then(|runtime| runtime.block_on(resolve_bucket_region(bucket, &client)).ok());
        builder = builder.with_region(asked.unwrap_or_else(|| "us-east-1".to_owned()));
    }
    builder.with_client_options(client).with_allow_http(true)
}

fn google(
    bucket: &str,
    options: &Options,
    environment: &CloudEnvironment,
    client: ClientOptions,
) -> GoogleCloudStorageBuilder {
    let mut builder = GoogleCloudStorageBuilder::new().with_bucket_name(bucket);
    for (name, value) in environment.variables.iter().filter(|(name, _)| name.starts_with("GOOGLE_")) {
        if let Ok(key) = GoogleConfigKey::from_str(&name.to_ascii_lowercase()) {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(path) = options.get("credentialpath") {
        builder = builder.with_application_credentials(path);
    }
    if let Some(endpoint) = options.get("endpointurl") {
        builder = builder.with_base_url(endpoint);
    }
    if truth(options, "allow_anonymous_login") == Some(true) {
        builder = builder.with_skip_signature(true);
    }
    builder.with_client_options(client)
}

fn azure(
    container: &str,
    options: &Options,
    environment: &CloudEnvironment,
    client: ClientOptions,
) -> MicrosoftAzureBuilder {
    let mut builder = MicrosoftAzureBuilder::new().with_container_name(container);
    for (name, value) in environment.variables.iter().filter(|(name, _)| name.starts_with("AZURE_")) {
        if let Ok(key) = AzureConfigKey::from_str(&name.to_ascii_lowercase()) {
            builder = builder.with_config(key, value);
        }
    }
    let connection = options
        .get("connection_string")
        .or_else(|| environment.variables.get("AZURE_STORAGE_CONNECTION_STRING"));
    for (name, value) in
        connection.into_iter().flat_map(|text| text.split(';')).filter_map(|p| p.split_once('='))
    {
        builder = match name.trim() {
            "AccountName" => builder.with_account(value),
            "AccountKey" => builder.with_access_key(value),
            "BlobEndpoint" => builder.with_endpoint(value.trim_end_matches('/').to_owned()),
            "SharedAccessSignature" => builder.with_config(AzureConfigKey::SasKey, value),
            _ => builder,
        };
    }
    let keys = [
        ("account_name", AzureConfigKey::AccountName),
        ("account_key", AzureConfigKey::AccessKey),
        ("sas_token", AzureConfigKey::SasKey),
        ("tenant_id", AzureConfigKey::AuthorityId),
        ("client_id", AzureConfigKey::ClientId),
        ("client_secret", AzureConfigKey::ClientSecret),
    ];
    for (option, key) in keys {
        if let Some(value) = options.get(option) {
            builder = builder.with_config(key, value);
        }
    }
    if truth(options, "allow_anonymous_login") == Some(true) {
        builder = builder.with_skip_signature(true);
    }
    builder.with_client_options(client).with_allow_http(true)
}

fn http(url: &Url, options: &Options) -> Result<HttpBuilder> {
    let wrong = |message: String| Error::Remote { url: shown(url.as_str()), message };
    let scheme = match url.scheme() {
        "webdav" => "http",
        "webdavs" => "https",
        scheme => scheme,
    };
    let plain =
        url.as_str().split_once("://").map(|(_, rest)| format!("{scheme}://{rest}")).unwrap_or_default();
    let mut base = Url::parse(&plain).map_err(|error| wrong(error.to_string()))?;
    let option = |key: &str| options.get(key).cloned();
    let user = Some(base.username().to_owned()).filter(|user| !user.is_empty()).or_else(|| option("user"));
    let password = base.password().map(str::to_owned).or_else(|| option("password"));
    if let Some(user) = &user {
        let _ = base.set_username(user);
        let _ = base.set_password(password.as_deref());
    }
    let mut headers = http::HeaderMap::new();
    let token = options.get("token").map(|token| ("Authorization".to_owned(), format!("Bearer {token}")));
    let custom = options.get("custom_auth_header").cloned().zip(password.filter(|_| user.is_none()));
    for (name, value) in token.into_iter().chain(custom) {
        let name = http::HeaderName::from_str(&name).map_err(|error| wrong(error.to_string()))?;
        let mut value = http::HeaderValue::from_str(&value).map_err(|error| wrong(error.to_string()))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(HttpBuilder::new().with_url(base).with_client_options(client(options)?.with_default_headers(headers)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(url: &str, options: &[(&str, &str)]) -> Result<(Arc<dyn ObjectStore>, String)> {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        open_remote(url, &options, &CloudEnvironment::default())
    }

    #[test]
    fn every_kind_of_remote_opens_with_its_path() {
        let s3 = [("region", "eu-west-1"), ("access_key_id", "a"), ("secret_access_key", "b")];
        let (store, path) = open("s3://bucket/some/%C3%A9/", &s3).expect("opens");
        assert_eq!((store.to_string().as_str(), path.as_str()), ("AmazonS3(bucket)", "some/é"));
        let anonymous = [("allow_anonymous_login", "true")];
        assert_eq!(open("gs://bucket/x", &anonymous).expect("opens").1, "x");
        let azure = [("account_name", "acc"), ("account_key", "a2V5")];
        assert_eq!(open("azure://container/x", &azure).expect("opens").1, "x");
        assert_eq!(open("https://host/data", &[]).expect("opens").1, "");
    }

    #[test]
    fn an_unknown_kind_is_refused_and_a_password_is_not_shown() {
        let error = open("hdfs://me:secret@host/x", &[]).map(drop).expect_err("fails").to_string();
        assert!(error.contains("over hdfs") && !error.contains("secret"), "{error}");
    }
}

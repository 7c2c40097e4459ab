//! Sends webhooks' deliveries over HTTP, signed, and only to where they may go.
//!
//! An address that a name leads to is checked when the connection is made, so that no name can be changed in between.
//! Addresses of this machine and of private networks are refused unless [`WebhookSettings::private_networks`] allows
//! them. Redirects are not followed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use lemnis_core::Millis;
use lemnis_tracking::webhook::{Answer, Delivery, WebhookSender};
use lemnis_tracking::{Error, Result};

use crate::Pending;

/// How long a receiver has to answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of its answer that are read.
const MAX_ANSWER: usize = 64 << 10;

/// Why nothing is sent for a webhook whose secret no key opens: unsigned, it could not be told from a forged one.
const UNREADABLE: &str = "the webhook's secret was encrypted with a key that this server does not have: give it that \
                          key, or set the secret again";

/// Where deliveries may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Addresses of this machine and of private networks, and plain `http`, too.
    pub private_networks: bool,
}

/// Sends deliveries.
pub struct HttpWebhookSender {
    settings: WebhookSettings,
    client: Client<HttpsConnector<HttpConnector<PublicNames>>, Full<Bytes>>,
}

impl HttpWebhookSender {
    /// A sender; fails where the machine's root certificates cannot be read.
    pub fn new(settings: WebhookSettings) -> std::io::Result<Self> {
        let mut http = HttpConnector::new_with_resolver(PublicNames { settings });
        http.enforce_http(false);
        http.set_connect_timeout(Some(TIMEOUT));
        let https = HttpsConnectorBuilder::new()
            .with_native_roots()?
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Ok(Self { settings, client: Client::builder(TokioExecutor::new()).build(https) })
    }

    async fn post(&self, delivery: &Delivery, now: Millis) -> Result<Answer, String> {
        self.check_url(&delivery.webhook.url).map_err(|error| error.to_string())?;
        let timestamp = (now / 1000).to_string();
        let mut request = http::Request::post(&delivery.webhook.url)
            .header("content-type", "application/json")
            .header("user-agent", concat!("lemnis/", env!("CARGO_PKG_VERSION")))
            .header("x-mlflow-delivery-id", &delivery.delivery_id)
            .header("x-mlflow-timestamp", &timestamp);
        if let Some(secret) = &delivery.webhook.secret {
            let secret = secret.expose().ok_or(UNREADABLE)?;
            let signature = signature(secret, &delivery.delivery_id, &timestamp, &delivery.body);
            request = request.header("x-mlflow-signature", signature);
        }
        let request = request.body(Full::from(delivery.body.clone())).map_err(|error| error.to_string())?;
        let answer = self.client.request(request).await.map_err(|error| chain(&error))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await.ok();
        let body = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned());
        Ok(Answer { status: Some(status), body, error: None })
    }
}

#[async_trait]
impl WebhookSender for HttpWebhookSender {
    fn check_url(&self, text: &str) -> Result<()> {
        if text.trim().is_empty() {
            return Err(Error::invalid(format!("Webhook URL cannot be empty or just whitespace: '{text}'")));
        }
        let schemes: &[&str] = if self.settings.private_networks { &["https", "http"] } else { &["https"] };
        let wrong_scheme = |scheme: &str| {
            Error::invalid(format!(
                "Invalid webhook URL scheme: '{scheme}'. Allowed schemes are: {}.",
                schemes.join(", ")
            ))
        };
        let url = match url::Url::parse(text) {
            Ok(url) => url,
            Err(url::ParseError::RelativeUrlWithoutBase) => return Err(wrong_scheme("")),
            Err(error) => return Err(Error::invalid(format!("Invalid webhook URL '{text}': {error}"))),
        };
        if !schemes.contains(&url.scheme()) {
            return Err(wrong_scheme(url.scheme()));
        }
        let address = match url.host() {
            None => return Err(Error::invalid(format!("Webhook URL must include a hostname: '{text}'"))),
            Some(url::Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(url::Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(url::Host::Domain(name)) => {
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                (name == "localhost" || name.ends_with(".localhost"))
                    .then_some(IpAddr::V4(Ipv4Addr::LOCALHOST))
            }
        };
        match address {
            Some(address) if !self.settings.private_networks && !is_public(address) => Err(Error::invalid(
                format!("Webhook URL must not resolve to a non-public IP address: {address}"),
            )),
            _ => Ok(()),
        }
    }

    async fn send(&self, delivery: &Delivery, now: Millis) -> Answer {
        match tokio::time::timeout(TIMEOUT, self.post(delivery, now)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Answer { error: Some(error), ..Answer::default() },
            Err(_) => Answer { error: Some("the receiver does not answer".to_owned()), ..Answer::default() },
        }
    }
}

/// `v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64, as MLflow signs.
fn signature(secret: &str, id: &str, timestamp: &str, body: &str) -> String {
    let Ok(mut mac) = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes()))
}

/// The error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Looks names up and hands on only addresses that may be reached.
#[derive(Clone, Copy)]
struct PublicNames {
    settings: WebhookSettings,
}

impl tower::Service<Name> for PublicNames {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pending<'static, std::io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let settings = self.settings;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !settings.private_networks
                && let Some(refused) = found.iter().find(|address| !is_public(address.ip()))
            {
                return Err(std::io::Error::other(format!("{} is not a public IP address", refused.ip())));
            }
            Ok(found.into_iter())
        })
    }
}

/// Whether an address is one of the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => is_public_v4(inner),
            None => {
                let first = address.segments()[0];
                let documentation = first == 0x2001 && address.segments()[1] == 0x0db8;
                let special = first == 0x2001 && address.segments()[1] < 0x0200;
                // Global unicast is 2000::/3; the rest is private, local, multicast or unassigned.
                (first & 0xe000) == 0x2000 && !documentation && !special
            }
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19)))
}

/// The address of version 4 inside one of version 6: mapped, 6to4 or NAT64.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let parts = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match parts {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(of(high, low)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

/// A sender behind its port.
pub fn webhook_sender(settings: WebhookSettings) -> std::io::Result<Arc<dyn WebhookSender>> {
    Ok(Arc::new(HttpWebhookSender::new(settings)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_may_be_reached() {
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "172.16.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "::ffff:127.0.0.1",
            "2002:7f00:1::",
            "64:ff9b::a00:1",
            "2001:db8::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn a_signature_is_the_one_that_mlflow_makes() {
        // python: hmac.new(b"secret", b"id.1700000000.{}", "sha256"), base64
        let found = signature("secret", "id", "1700000000", "{}");
        assert_eq!(found, "v1,GBemBzTgbKoVEGKycqyY3615LbdJbhFLE1oQk+zZ+lo=");
    }

    #[tokio::test]
    async fn a_url_is_checked_before_it_is_kept() {
        let public = HttpWebhookSender::new(WebhookSettings::default()).unwrap();
        let said = |url: &str| public.check_url(url).unwrap_err().to_string();
        assert!(said("  ").contains("empty or just whitespace"));
        assert!(said("ftp://example.com").contains("Invalid webhook URL scheme: 'ftp'"));
        assert!(said("example.com/x").contains("Invalid webhook URL"));
        assert!(said("https://[broken").contains("Invalid webhook URL"));
        for url in [
            "https://127.0.0.1/x",
            "https://[::1]/",
            "https://localhost/",
            "https://a.localhost./",
            "https://0x7f.1/",
            "https://2130706433/",
        ] {
            assert!(said(url).contains("non-public"), "{url}");
        }
        assert!(said("http://example.com/").contains("scheme"));
        assert!(public.check_url("https://example.com/hook").is_ok());
        let private = HttpWebhookSender::new(WebhookSettings { private_networks: true }).unwrap();
        assert!(private.check_url("http://127.0.0.1:5000/").is_ok());
    }
}

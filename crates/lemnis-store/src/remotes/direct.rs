//! Signed URLs into the artifacts' object store.
//!
//! Every cloud signs one download and one upload. Uploads in parts are for S3: only there has each part a URL of its own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use lemnis_tracking::direct::{Access, DirectTransfers, PartedUpload};
use lemnis_tracking::{Error as Refusal, Result as Answer};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsCredential};
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::path::Path;
use object_store::signer::Signer;
use rusty_s3::actions::{GetObject, PutObject, UploadPart};
use rusty_s3::{Bucket, Credentials, S3Action as _, UrlStyle};
use url::Url;

use crate::{Error, Result};

/// How long the parts of an upload may take. A URL fits one part of one upload.
const PARTS_VALID: Duration = Duration::from_secs(12 * 3600);

/// A store whose own client signs, below `prefix`.
pub(super) struct Signed<S> {
    pub(super) store: Arc<S>,
    pub(super) prefix: String,
}

/// An S3 bucket below `prefix`.
pub(super) struct S3 {
    store: Arc<AmazonS3>,
    bucket: Bucket,
    prefix: String,
}

impl S3 {
    /// The bucket that `builder` describes and `store` speaks to; `url` is for errors.
    pub(super) fn new(
        store: Arc<AmazonS3>,
        builder: &AmazonS3Builder,
        prefix: String,
        url: &str,
    ) -> Result<Self> {
        let wrong = |message: String| Error::Remote { url: super::shown(url), message };
        let option = |key| builder.get_config_value(&key);
        let name = option(AmazonS3ConfigKey::Bucket).unwrap_or_default();
        let region = option(AmazonS3ConfigKey::Region).unwrap_or_else(|| "us-east-1".to_owned());
        let hosted =
            option(AmazonS3ConfigKey::VirtualHostedStyleRequest).is_some_and(|value| value == "true");
        let endpoint = option(AmazonS3ConfigKey::Endpoint)
            .unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        // the endpoint of a bucket with a host of its own already holds the bucket
        let endpoint = if hosted { endpoint.replacen(&format!("//{name}."), "//", 1) } else { endpoint };
        let endpoint = Url::parse(&endpoint).map_err(|error| wrong(format!("the endpoint: {error}")))?;
        let style = if hosted { UrlStyle::VirtualHost } else { UrlStyle::Path };
        let bucket = Bucket::new(endpoint, style, name, region).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { store, bucket, prefix })
    }

    async fn credentials(&self) -> Answer<Credentials> {
        let found: Arc<AwsCredential> = self.store.credentials().get_credential().await.map_err(failed)?;
        Ok(match &found.token {
            Some(token) => Credentials::new_with_token(&found.key_id, &found.secret_key, token),
            None => Credentials::new(&found.key_id, &found.secret_key),
        })
    }
}

#[async_trait]
impl DirectTransfers for S3 {
    async fn signed_url(&self, access: Access, path: &str, valid: Duration) -> Answer<String> {
        let credentials = self.credentials().await?;
        let object = below(&self.prefix, path);
        Ok(match access {
            Access::Write => PutObject::new(&self.bucket, Some(&credentials), &object).sign(valid),
            Access::Read => {
                let mut action = GetObject::new(&self.bucket, Some(&credentials), &object);
                // a browser saves the file instead of showing what may be hostile HTML
                action.query_mut().insert("response-content-disposition", "attachment");
                action.sign(valid)
            }
        }
        .into())
    }

    fn takes_parts(&self) -> bool {
        true
    }

    async fn begin_upload(&self, path: &str, parts: u32) -> Answer<PartedUpload> {
        let object = below(&self.prefix, path);
        let credentials = self.credentials().await?;
        let id = self.store.create_multipart(&Path::from(object.as_str())).await.map_err(failed)?;
        let numbers = 1..=u16::try_from(parts).map_err(|_| Refusal::invalid("too many parts"))?;
        let sign = |number| {
            UploadPart::new(&self.bucket, Some(&credentials), &object, number, &id).sign(PARTS_VALID).into()
        };
        Ok(PartedUpload { part_urls: numbers.map(sign).collect(), id })
    }

    async fn complete_upload(&self, path: &str, id: &str, tags: Vec<String>) -> Answer<()> {
        let parts = tags.into_iter().map(|content_id| PartId { content_id }).collect();
        let path = Path::from(below(&self.prefix, path));
        self.store.complete_multipart(&path, &id.to_owned(), parts).await.map_err(failed)?;
        Ok(())
    }

    async fn abort_upload(&self, path: &str, id: &str) -> Answer<()> {
        let path = Path::from(below(&self.prefix, path));
        self.store.abort_multipart(&path, &id.to_owned()).await.map_err(failed)
    }
}

#[async_trait]
impl<S: Signer> DirectTransfers for Signed<S> {
    async fn signed_url(&self, access: Access, path: &str, valid: Duration) -> Answer<String> {
        let method = match access {
            Access::Read => Method::GET,
            Access::Write => Method::PUT,
        };
        let path = Path::from(below(&self.prefix, path));
        Ok(self.store.signed_url(method, &path, valid).await.map_err(failed)?.into())
    }

    fn takes_parts(&self) -> bool {
        false
    }

    async fn begin_upload(&self, _: &str, _: u32) -> Answer<PartedUpload> {
        Err(no_parts())
    }

    async fn complete_upload(&self, _: &str, _: &str, _: Vec<String>) -> Answer<()> {
        Err(no_parts())
    }

    async fn abort_upload(&self, _: &str, _: &str) -> Answer<()> {
        Err(no_parts())
    }
}

fn no_parts() -> Refusal {
    Refusal::invalid("this object store takes no uploads in parts")
}

fn below(prefix: &str, path: &str) -> String {
    if prefix.is_empty() { path.to_owned() } else { format!("{prefix}/{path}") }
}

fn failed(error: object_store::Error) -> Refusal {
    match error {
        object_store::Error::NotFound { path, .. } => Refusal::missing(format!("No such upload of '{path}'")),
        error => Refusal::store(Error::Objects { source: error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(options: &[(AmazonS3ConfigKey, &str)]) -> S3 {
        let mut builder = AmazonS3Builder::new().with_bucket_name("models").with_region("eu-west-1");
        builder =
            builder.with_access_key_id("someone").with_secret_access_key("secret").with_allow_http(true);
        for (key, value) in options {
            builder = builder.with_config(*key, *value);
        }
        let store = Arc::new(builder.clone().build().expect("builds"));
        S3::new(store, &builder, "a/b".to_owned(), "s3://models/a/b").expect("opens")
    }

    #[tokio::test]
    async fn a_signed_url_is_of_the_bucket_wherever_it_lies() {
        use AmazonS3ConfigKey::{Endpoint, VirtualHostedStyleRequest};
        let cases: [(&[_], &str); 4] = [
            (&[], "https://s3.eu-west-1.amazonaws.com/models/a/b/x%20y?"),
            (&[(Endpoint, "http://minio:9000")], "http://minio:9000/models/a/b/x%20y?"),
            (&[(VirtualHostedStyleRequest, "true")], "https://models.s3.eu-west-1.amazonaws.com/a/b/x%20y?"),
            (
                &[(VirtualHostedStyleRequest, "true"), (Endpoint, "https://models.objects.example")],
                "https://models.objects.example/a/b/x%20y?",
            ),
        ];
        for (options, expected) in cases {
            let url = bucket(options).signed_url(Access::Read, "x y", Duration::from_secs(60)).await;
            let url = url.expect("signs");
            assert!(url.starts_with(expected), "{url}");
            assert!(url.contains("X-Amz-Expires=60") && !url.contains("secret"), "{url}");
        }
    }
}

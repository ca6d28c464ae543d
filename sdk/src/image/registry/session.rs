//! Questions to one registry, with a token or a login where it wants one.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::document::sha256;
use super::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use crate::image::token::{Challenge, wants_basic};
use crate::image::{Credentials, ImageError, ImageReference, is_loopback};
use crate::node_api::client::root_cause;

/// Registries accept manifests up to this size.
pub(super) const MAX_MANIFEST: usize = 4 * 1024 * 1024;
const MAX_TOKEN: usize = 64 * 1024;

/// A header that no trace of the HTTP client shows.
fn sensitive(value: &str) -> Result<HeaderValue, ImageError> {
    let mut header =
        HeaderValue::from_str(value).map_err(|_| ImageError::Http("no header holds the login".to_owned()))?;
    header.set_sensitive(true);
    Ok(header)
}

pub(super) fn loopback_registry(reference: &ImageReference) -> bool {
    url::Url::parse(&format!("https://{}/", reference.api_host()))
        .ok()
        .and_then(|url| url.host().map(|host| is_loopback(&host)))
        .unwrap_or(false)
}

pub(super) struct Session<'a> {
    pub(super) reference: &'a ImageReference,
    pub(super) http: &'a Client,
    pub(super) may_ask: fn(&url::Url) -> bool,
    pub(super) login: Option<&'a Credentials>,
    pub(super) authorization: Option<Zeroizing<String>>,
}

impl Session<'_> {
    /// Body and media type of a manifest by tag or digest; a digest is verified.
    pub(super) async fn manifest(&mut self, wanted: &str) -> Result<(Vec<u8>, Option<String>), ImageError> {
        let response = self.ask(Method::GET, "manifests", wanted).await?;
        self.admitted(response.status())?;
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let announced = header("docker-content-digest");
        let media_type = header(CONTENT_TYPE.as_str());
        let body = self.body(response, MAX_MANIFEST).await?;
        let found = format!("sha256:{}", hex::encode(sha256(&body)));
        let due = [Some(wanted), announced.as_deref()]
            .into_iter()
            .flatten()
            .find(|due| due.starts_with("sha256:") && *due != found);
        if let Some(due) = due {
            return Err(ImageError::DigestMismatch {
                registry: self.registry(),
                expected: due.trim_start_matches("sha256:").to_owned(),
                found: found.trim_start_matches("sha256:").to_owned(),
            });
        }
        Ok((body, media_type))
    }

    /// The answer to a question about one of the `manifests` or `blobs`, with a token or the login where the registry wants one.
    pub(super) async fn ask(&mut self, method: Method, kind: &str, wanted: &str) -> Result<Response, ImageError> {
        let scheme = if loopback_registry(self.reference) { "http" } else { "https" };
        let url = format!("{scheme}://{}/v2/{}/{kind}/{wanted}", self.reference.api_host(), self.reference.repository);
        let response = self.try_to(method.clone(), &url).await?;
        if response.status() != StatusCode::UNAUTHORIZED || self.authorization.is_some() {
            return Ok(response);
        }
        self.authorization = Some(self.authorize(&response).await?);
        self.try_to(method, &url).await
    }

    pub(super) fn admitted(&self, status: StatusCode) -> Result<(), ImageError> {
        match status {
            StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND => Err(ImageError::NotFound { registry: self.registry(), wanted: self.wanted() }),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.private()),
            other => Err(self.refused(other, None)),
        }
    }

    async fn try_to(&self, method: Method, url: &str) -> Result<Response, ImageError> {
        let attempt = || async {
            let kinds = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].join(", ");
            let mut request = self.http.request(method.clone(), url).header(ACCEPT, kinds);
            if let Some(authorization) = &self.authorization {
                request = request.header(AUTHORIZATION, sensitive(authorization)?);
            }
            self.send(request).await
        };
        attempt
            .retry(
                ExponentialBuilder::default()
                    .with_min_delay(Duration::from_millis(200))
                    .with_max_times(2)
                    .with_jitter(),
            )
            .when(|error| match error {
                ImageError::Unreachable { .. } => true,
                // One that wants quiet has it.
                ImageError::Refused { status, .. } => *status >= 500,
                _ => false,
            })
            .await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, ImageError> {
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            return Err(self.refused(status, after));
        }
        Ok(response)
    }

    /// What the registry wants to see: a token from where it says, or the login itself.
    async fn authorize(&self, refusal: &Response) -> Result<Zeroizing<String>, ImageError> {
        #[derive(Deserialize)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
        }
        let asked = || refusal.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let Some(challenge) = asked().find_map(Challenge::parse) else {
            let basic = self.login.filter(|_| asked().any(wants_basic)).map(Credentials::basic);
            return basic.ok_or_else(|| self.private());
        };
        let realm = challenge.url();
        if !(self.may_ask)(&realm) {
            return Err(ImageError::Forbidden {
                registry: self.registry(),
                wanted: self.wanted(),
                host: realm.host_str().unwrap_or_default().to_owned(),
            });
        }
        let mut request = self.http.get(realm);
        if let Some(login) = self.login {
            request = request.header(AUTHORIZATION, sensitive(&login.basic())?);
        }
        let response = self.send(request).await?;
        if !response.status().is_success() {
            return Err(self.private());
        }
        let body = self.body(response, MAX_TOKEN).await?;
        serde_json::from_slice::<Answer>(&body)
            .ok()
            .and_then(|answer| answer.token.or(answer.access_token))
            .map(|token| Zeroizing::new(format!("Bearer {token}")))
            .ok_or_else(|| self.not_an_image("the token service gave no token"))
    }

    pub(super) async fn body(&self, mut response: Response, limit: usize) -> Result<Vec<u8>, ImageError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.unreachable(&e))? {
            if body.len() + chunk.len() > limit {
                return Err(self.not_an_image(&format!("it is larger than {limit} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn registry(&self) -> String {
        self.reference.registry.clone()
    }

    pub(super) fn wanted(&self) -> String {
        let separator = if self.reference.digest.is_some() { '@' } else { ':' };
        format!("{}{separator}{}", self.reference.repository, self.reference.wanted())
    }

    fn unreachable(&self, error: &reqwest::Error) -> ImageError {
        ImageError::Unreachable {
            registry: self.registry(),
            reason: if error.is_timeout() { "it did not answer in time".to_owned() } else { root_cause(error) },
            reference: Box::new(self.reference.clone()),
        }
    }

    fn private(&self) -> ImageError {
        let (registry, wanted) = (self.registry(), self.wanted());
        match self.login {
            Some(login) => ImageError::Denied { registry, wanted, username: login.username().to_owned() },
            None => ImageError::Private { registry, wanted },
        }
    }

    fn refused(&self, status: StatusCode, retry_after_s: Option<u64>) -> ImageError {
        let (registry, wanted) = (self.registry(), self.wanted());
        ImageError::Refused { registry, wanted, status: status.as_u16(), retry_after_s }
    }

    pub(super) fn not_an_image(&self, reason: &str) -> ImageError {
        ImageError::NotAnImage { registry: self.registry(), wanted: self.wanted(), reason: reason.to_owned() }
    }
}

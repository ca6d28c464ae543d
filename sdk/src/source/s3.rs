//! Objects of a store that speaks S3: `s3://BUCKET/KEY`, with whatever else reaching it takes.
//!
//! A request is signed in its address (SigV4, as for links that are handed on): credentials never leave this process, and what
//! is signed serves for one object and an hour.

use std::str::FromStr;
use std::time::Duration;

pub use rusty_s3::Credentials;
use rusty_s3::{Bucket, S3Action as _, UrlStyle};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::node_api::secrets::Secrets;

/// For how long a signed request holds.
const HOLDS: Duration = Duration::from_secs(3_600);
/// Where a bucket is if nothing is said.
const DEFAULT_REGION: &str = "us-east-1";
/// Longest key of an object, bytes.
pub const MAX_KEY_BYTES: usize = 1024;
/// Longest address of a prefix: the keys below it have room for a lease and a path.
const MAX_PREFIX_BYTES: usize = 256;

/// How a store is reached. What is not said is left out of the canonical form.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Access {
    /// `https://` address of the store; AWS' of the region where it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Its region; `us-east-1` where it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Whether the bucket stands in the path instead of in the host's name; where it is none, yes with an `endpoint`, else no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_style: Option<bool>,
    /// Name of the manifest's secret with the access key's identifier; none for objects that everybody may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key: Option<String>,
    /// Name of the secret with the access key itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key: Option<String>,
    /// Name of the secret with the token of a session, where the access key is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<String>,
}

/// An object of a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct S3Object {
    /// Its bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
}

/// A place in a store below which objects are written: `s3://BUCKET[/PREFIX]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct S3Prefix {
    /// Its bucket.
    pub bucket: String,
    /// What the keys below it begin with; empty, or with `/` at its end.
    pub prefix: String,
}

impl S3Prefix {
    /// The object of this name below it.
    #[must_use]
    pub fn object(&self, name: &str) -> S3Object {
        S3Object { bucket: self.bucket.clone(), key: format!("{}{name}", self.prefix) }
    }
}

impl FromStr for S3Prefix {
    type Err = S3Error;

    fn from_str(text: &str) -> Result<Self, S3Error> {
        let text = text.trim_end_matches('/');
        if text.len() > MAX_PREFIX_BYTES {
            return Err(wrong(format!("it is longer than {MAX_PREFIX_BYTES} bytes")));
        }
        let inside: S3Object = format!("{text}/x").parse().map_err(|S3Error(told)| {
            wrong(
                told.replace("s3://BUCKET/KEY", "s3://BUCKET/PREFIX")
                    .replace("key is not one of an object", "prefix is none"),
            )
        })?;
        let prefix = inside.key.strip_suffix('x').unwrap_or_default();
        if prefix.starts_with('/') || prefix.contains("//") {
            return Err(wrong("its prefix has an empty part"));
        }
        Ok(Self { bucket: inside.bucket, prefix: prefix.to_owned() })
    }
}

/// What is wrong with an object's address, or with how its store is reached. No secret's value is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct S3Error(String);

fn wrong(text: impl Into<String>) -> S3Error {
    S3Error(text.into())
}

impl FromStr for S3Object {
    type Err = S3Error;

    fn from_str(text: &str) -> Result<Self, S3Error> {
        let rest = text.strip_prefix("s3://").ok_or_else(|| wrong("write s3://BUCKET/KEY"))?;
        let (bucket, key) = rest.split_once('/').ok_or_else(|| wrong("write s3://BUCKET/KEY"))?;
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
        let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let bucket_good = (3..=63).contains(&bucket.len())
            && bucket.chars().all(good)
            && bucket.starts_with(ends)
            && bucket.ends_with(ends)
            && !bucket.contains("..");
        if !bucket_good {
            return Err(wrong("its bucket is not a name of 3 to 63 of a-z, 0-9, `.` and `-`"));
        }
        // A part of dots would be resolved on the way to the store.
        let dots = key.split('/').any(|part| matches!(part, "." | ".."));
        if key.is_empty() || key.len() > MAX_KEY_BYTES || key.chars().any(char::is_control) || dots {
            return Err(wrong("its key is not one of an object"));
        }
        Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

impl S3Access {
    /// The secrets that it takes, by name.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        [&self.access_key, &self.secret_key, &self.session_token].into_iter().flatten().map(String::as_str)
    }

    /// The store's address.
    ///
    /// # Errors
    /// [`S3Error`] where `endpoint` or `region` is none.
    pub fn endpoint(&self) -> Result<Url, S3Error> {
        let region = self.region()?;
        let text = self.endpoint.clone().unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let url = Url::parse(&text).map_err(|error| wrong(format!("its endpoint is no address: {error}")))?;
        let bare =
            url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        if matches!(url.scheme(), "https" | "http") && url.has_host() && bare {
            Ok(url)
        } else {
            Err(wrong("its endpoint is not an https:// address without credentials"))
        }
    }

    fn region(&self) -> Result<&str, S3Error> {
        let region = self.region.as_deref().unwrap_or(DEFAULT_REGION);
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if region.is_empty() || region.len() > 64 || !region.chars().all(good) {
            return Err(wrong("its region is not a name of letters, digits and `-`"));
        }
        Ok(region)
    }

    /// The credentials, out of the secrets that are named; none for objects that everybody may read.
    ///
    /// # Errors
    /// [`S3Error`] where a secret is not there or is no text.
    pub fn credentials(&self, secrets: &Secrets) -> Result<Option<Credentials>, S3Error> {
        let value = |name: &String| {
            let value = secrets.get(name).ok_or_else(|| wrong(format!("secret {name} is not there")))?;
            let text = std::str::from_utf8(value).map_err(|_| wrong(format!("secret {name} is no text")))?;
            Ok::<_, S3Error>(text.trim().to_owned())
        };
        match (&self.access_key, &self.secret_key, &self.session_token) {
            (Some(key), Some(secret), None) => Ok(Some(Credentials::new(value(key)?, value(secret)?))),
            (Some(key), Some(secret), Some(token)) => {
                Ok(Some(Credentials::new_with_token(value(key)?, value(secret)?, value(token)?)))
            }
            (None, None, None) => Ok(None),
            _ => Err(wrong("it names only a part of the credentials: give access_key and secret_key")),
        }
    }

    fn bucket(&self, bucket: &str) -> Result<Bucket, S3Error> {
        let by_path = self.path_style.unwrap_or(self.endpoint.is_some());
        let style = if by_path { UrlStyle::Path } else { UrlStyle::VirtualHost };
        Bucket::new(self.endpoint()?, style, bucket.to_owned(), self.region()?.to_owned())
            .map_err(|error| wrong(format!("its bucket cannot be reached at its endpoint: {error}")))
    }

    /// The address from which the object is read within the next hour, signed where there are credentials. With `checksum` the
    /// store is asked for the object's, by the header [`CHECKSUM_MODE`], which then has to be sent.
    ///
    /// # Errors
    /// [`S3Error`].
    pub fn object_url(
        &self,
        object: &S3Object,
        credentials: Option<&Credentials>,
        checksum: bool,
    ) -> Result<Url, S3Error> {
        let bucket = self.bucket(&object.bucket)?;
        let mut get = bucket.get_object(credentials, &object.key);
        if checksum {
            get.headers_mut().insert(CHECKSUM_MODE.0, CHECKSUM_MODE.1);
        }
        Ok(get.sign(HOLDS))
    }

    /// The address to which the object is written, by `PUT`, within the next hour.
    ///
    /// # Errors
    /// [`S3Error`].
    pub fn put_url(&self, object: &S3Object, credentials: Option<&Credentials>) -> Result<Url, S3Error> {
        Ok(self.bucket(&object.bucket)?.put_object(credentials, &object.key).sign(HOLDS))
    }

    /// The address by which the object is removed, by `DELETE`, within the next hour.
    ///
    /// # Errors
    /// [`S3Error`].
    pub fn delete_url(&self, object: &S3Object, credentials: Option<&Credentials>) -> Result<Url, S3Error> {
        Ok(self.bucket(&object.bucket)?.delete_object(credentials, &object.key).sign(HOLDS))
    }
}

/// The header by which a store is asked for an object's checksum.
pub const CHECKSUM_MODE: (&str, &str) = ("x-amz-checksum-mode", "ENABLED");

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn secrets() -> Secrets {
        [("ID", "AKIAIOSFODNN7EXAMPLE\n"), ("KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), ("SESSION", "token")]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Zeroizing::new(value.as_bytes().to_vec())))
            .collect()
    }

    fn access() -> S3Access {
        S3Access { access_key: Some("ID".to_owned()), secret_key: Some("KEY".to_owned()), ..S3Access::default() }
    }

    #[test]
    fn an_object_is_found_in_its_region_at_its_endpoint_and_by_either_style() {
        let object: S3Object = "s3://my-bucket/a dir/b+c.bin".parse().unwrap();
        let plain = S3Access::default();
        let at = |access: &S3Access| access.object_url(&object, None, false).unwrap().to_string();
        assert_eq!(at(&plain), "https://my-bucket.s3.us-east-1.amazonaws.com/a%20dir/b%2Bc.bin");
        let here = S3Access { endpoint: Some("https://store.example:9000".to_owned()), ..S3Access::default() };
        assert_eq!(at(&here), "https://store.example:9000/my-bucket/a%20dir/b%2Bc.bin");
        let by_host = S3Access { path_style: Some(false), ..here };
        assert_eq!(at(&by_host), "https://my-bucket.store.example:9000/a%20dir/b%2Bc.bin");
        let elsewhere = S3Access { region: Some("eu-west-3".to_owned()), path_style: Some(true), ..plain };
        assert_eq!(at(&elsewhere), "https://s3.eu-west-3.amazonaws.com/my-bucket/a%20dir/b%2Bc.bin");
    }

    #[test]
    fn a_signed_address_holds_the_keys_identifier_and_never_the_key() {
        let object: S3Object = "s3://my-bucket/a".parse().unwrap();
        let session = S3Access { session_token: Some("SESSION".to_owned()), ..access() };
        for (access, token) in [(access(), false), (session, true)] {
            let credentials = access.credentials(&secrets()).unwrap();
            let url = access.object_url(&object, credentials.as_ref(), true).unwrap().to_string();
            assert!(
                url.contains("X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F") && url.contains("X-Amz-Expires=3600"),
                "{url}"
            );
            assert!(url.contains("X-Amz-SignedHeaders=host%3Bx-amz-checksum-mode"), "{url}");
            assert_eq!(url.contains("X-Amz-Security-Token=token"), token, "{url}");
            assert!(!url.contains("wJalr") && !format!("{credentials:?}").contains("wJalr"), "{url}");
        }
    }

    #[test]
    fn a_prefix_is_a_bucket_or_a_place_in_it_and_nothing_else() {
        let prefix = |text: &str| text.parse::<S3Prefix>();
        for (text, key) in [("s3://my-bucket", "x"), ("s3://my-bucket/", "x"), ("s3://my-bucket/a dir/b/", "a dir/b/x")]
        {
            assert_eq!(prefix(text).unwrap().object("x").key, key, "{text}");
        }
        let long = format!("s3://my-bucket/{}", "p".repeat(300));
        for text in [
            "s3://",
            "s3://A/b",
            "https://my-bucket/b",
            "s3://my-bucket/../b",
            "s3://my-bucket/a//b",
            "s3://my-bucket//b",
            &long,
        ] {
            assert!(prefix(text).is_err(), "{text}");
        }
        assert!(prefix("b").unwrap_err().to_string().contains("s3://BUCKET/PREFIX"));
    }

    #[test]
    fn what_is_wrong_with_an_object_or_its_store_is_said() {
        for text in [
            "s3://",
            "s3://bucket",
            "s3://bucket/",
            "s3://Bucket/x",
            "s3://a/x",
            "s3://b..d/x",
            "s3://-ab/x",
            "s3://bucket/../x",
            "s3://bucket/a/./b",
            "s3://bucket/a\nb",
            "s3://user@bucket/x",
            "https://bucket/x",
        ] {
            assert!(text.parse::<S3Object>().is_err(), "{text:?}");
        }
        for endpoint in ["store", "ftp://store.example", "https://me:pw@store.example", "https://store.example/?a=b"] {
            let access = S3Access { endpoint: Some(endpoint.to_owned()), ..S3Access::default() };
            assert!(access.endpoint().is_err(), "{endpoint}");
        }
        assert!(S3Access { region: Some("a/b".to_owned()), ..S3Access::default() }.endpoint().is_err());
        let half = S3Access { secret_key: None, ..access() };
        assert!(half.credentials(&secrets()).unwrap_err().to_string().contains("only a part"));
        assert!(access().credentials(&Secrets::new()).unwrap_err().to_string().contains("secret ID is not there"));
    }
}

//! `registry_auth`: the login with which the buyer's client pins a private image and the winning node pulls it.

use super::check::{Check, variable};
use super::read::{Fields, Reader, join};
use super::sections::{required, string};
use super::types::{Manifest, SecretSource};
use super::yaml::Value;
use crate::image::ImageReference;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A login at the registry of the job's own image. It is used for that registry only, also where services have images there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryAuth {
    /// The user, 1 to 255 characters without a colon. Public, as the rest of the manifest is.
    pub username: String,
    /// Where the password or token comes from.
    pub password: RegistryPassword,
}

/// The password of a [`RegistryAuth`]: named, never written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryPassword {
    /// The environment variable on the buyer's machine. Its value goes to the winning node sealed, with the secrets and under this
    /// name, and never into a container.
    pub secret: String,
}

impl Manifest {
    /// Everything that is sealed to the winning node, by name: the secrets, and the password of [`RegistryAuth`].
    pub fn sealed_sources(&self) -> BTreeMap<String, SecretSource> {
        let password = self.registry_auth.as_ref().map(|auth| (auth.password.secret.clone(), SecretSource::Env));
        self.secrets.iter().map(|(name, secret)| (name.clone(), secret.from)).chain(password).collect()
    }

    /// The login for an image: only where the image is in the registry of the job's own one, which is the one it is for.
    pub fn login_for(&self, image: &ImageReference) -> Option<&RegistryAuth> {
        let own = self.image_reference().ok()?;
        self.registry_auth.as_ref().filter(|_| own.registry.eq_ignore_ascii_case(&image.registry))
    }
}

pub(super) fn read(reader: &mut Reader, fields: Fields<'_>) -> Option<RegistryAuth> {
    let path = "registry_auth";
    let auth = reader.fields(path, fields.get(path)?, &["username", "password"])?;
    let username = string(reader, auth, path, "username", "write the user's name, such as ci");
    let advice = "write { secret: NAME } with the name of a variable of your shell that holds it";
    let node = required(reader, auth, path, "password", advice)?;
    let key = join(path, "password");
    if let Value::Scalar { .. } = node.value {
        reader.report(
            &key,
            node.at,
            "is a single value",
            "a password must not stand in the manifest; write { secret: NAME }",
        );
        return None;
    }
    let password = reader.fields(&key, node, &["secret"])?;
    let secret = string(reader, password, &key, "secret", "write the name of a variable, such as REGISTRY_TOKEN");
    Some(RegistryAuth { username: username?, password: RegistryPassword { secret: secret? } })
}

pub(super) fn check(check: &mut Check, manifest: &Manifest) {
    let Some(RegistryAuth { username, password: RegistryPassword { secret } }) = &manifest.registry_auth else {
        return;
    };
    if username.is_empty() || username.len() > 255 || username.contains(|c: char| c == ':' || c.is_control()) {
        let advice = "write 1 to 255 characters without a colon, as no registry takes others";
        check.fail("registry_auth.username", "is not a user's name", advice);
    }
    let key = "registry_auth.password.secret";
    variable(check, key, secret);
    if manifest.secrets.contains_key(secret) || manifest.env.contains_key(secret) {
        let advice = "the container is not given the registry's password; use another variable for what it is to have";
        check.fail(key, "is in secrets or env, too", advice);
    }
    // One message holds them all.
    if manifest.secrets.len() == 16 {
        check.fail("registry_auth", "is one secret too many", "at most 15 secrets are allowed beside it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(more: &str) -> Result<Manifest, String> {
        let yaml = format!(
            "version: 1\nname: j\nimage: r.example/b@sha256:{}\nprice: {{ max: 1 }}\nduration: {{ max: 1h }}\n{more}\n",
            "ab".repeat(32)
        );
        Manifest::from_yaml(&yaml, "job.yaml").map_err(|errors| errors.to_string())
    }

    #[test]
    fn report_25_a_login_names_its_password_and_an_old_manifest_keeps_its_hash() {
        let with =
            manifest("registry_auth: { username: ci, password: { secret: TOKEN } }\nsecrets: { A: { from: env } }")
                .unwrap();
        let canonical = String::from_utf8(with.canonical().unwrap()).unwrap();
        assert!(
            canonical.contains(r#""registry_auth":{"password":{"secret":"TOKEN"},"username":"ci"}"#),
            "{canonical}"
        );
        assert_eq!(Manifest::from_canonical(canonical.as_bytes()).unwrap(), with);
        assert_eq!(with.sealed_sources().into_keys().collect::<Vec<_>>(), ["A", "TOKEN"]);
        let without = String::from_utf8(manifest("").unwrap().canonical().unwrap()).unwrap();
        assert!(!without.contains("registry_auth"), "{without}");
    }

    #[test]
    fn report_25_a_login_is_for_the_registry_of_the_job_s_own_image_and_no_other() {
        let with = manifest("registry_auth: { username: ci, password: { secret: TOKEN } }").unwrap();
        assert!(with.login_for(&"r.example/other:1".parse().unwrap()).is_some());
        for elsewhere in ["r.example:444/b:1", "evil.example/b:1", "b:1"] {
            assert!(with.login_for(&elsewhere.parse().unwrap()).is_none(), "{elsewhere}");
        }
    }

    #[test]
    fn report_25_what_is_wrong_with_a_login_is_said() {
        for (auth, told) in [
            ("{ username: ci, password: hunter2 }", "must not stand in the manifest"),
            ("{ username: ci }", "registry_auth.password"),
            ("{ username: \"a:b\", password: { secret: T } }", "without a colon"),
            ("{ username: ci, password: { secret: \"a b\" } }", "is not the name of a variable"),
            ("{ username: ci, password: { secret: T } }\nsecrets: { T: { from: env } }", "is in secrets or env, too"),
            ("{ username: ci, password: { secret: T }, server: x }", "registry_auth.server"),
        ] {
            let error = manifest(&format!("registry_auth: {auth}")).unwrap_err();
            assert!(error.contains(told) && !error.contains("hunter2"), "{auth}: {error}");
        }
    }
}

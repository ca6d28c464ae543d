//! The node's certificate: made once, self-signed, known by its fingerprint in the provider record.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::public_certificate::{ByName, PublicCertificate};
use crate::state_dir::{StateDir, StateDirError, write_atomically};

/// The name in the certificate. Nobody checks it: clients pin the whole certificate.
const NAME: &str = "gridlease-node";

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] StateDirError),
    /// A file could not be read as what it should be.
    #[error("cannot use {}: {reason}; restore it, or remove both cert.pem and key.pem and register the new certificate's fingerprint", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Only one half of the pair is there.
    #[error("{} is missing while its other half is there; restore it, or remove both cert.pem and key.pem and register the new certificate's fingerprint", path.display())]
    Half {
        /// The missing file.
        path: PathBuf,
    },
    /// No certificate could be made.
    #[error("no certificate could be made: {0}")]
    Generate(#[from] rcgen::Error),
    /// The TLS library refused the pair.
    #[error("the certificate and its key do not fit together: {0}")]
    Config(#[from] rustls::Error),
}

/// The node's certificate and key.
#[derive(Debug)]
pub struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    public: Option<Arc<PublicCertificate>>,
}

impl Identity {
    /// Reads the pair from the state directory, making it on first use. The key is readable by the node's user only.
    ///
    /// # Errors
    /// [`TlsError`]; a pair that is there but unusable is never replaced, because its fingerprint is on chain.
    pub fn load_or_create(state: &StateDir) -> Result<Self, TlsError> {
        let (cert_path, key_path) = (state.certificate(), state.private_key());
        match (cert_path.exists(), key_path.exists()) {
            (true, true) => {}
            (true, false) => return Err(TlsError::Half { path: key_path }),
            // The certificate is written last, so a key alone is what a crash in between leaves.
            (false, _) => {
                let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()])?;
                write_atomically(&key_path, made.signing_key.serialize_pem().as_bytes(), 0o600)?;
                write_atomically(&cert_path, made.cert.pem().as_bytes(), 0o644)?;
            }
        }
        let unusable =
            |path: PathBuf| move |e: rustls::pki_types::pem::Error| TlsError::Unusable { path, reason: e.to_string() };
        let certificate = CertificateDer::from_pem_file(&cert_path).map_err(unusable(cert_path))?;
        let key = PrivateKeyDer::from_pem_file(&key_path).map_err(unusable(key_path))?;
        Ok(Self { certificate, key, public: None })
    }

    /// The same, with another certificate at the names of public ports.
    #[must_use]
    pub fn with_public(mut self, public: Option<Arc<PublicCertificate>>) -> Self {
        self.public = public;
        self
    }

    /// What is shown at the names of public ports, where the node has such.
    #[must_use]
    pub fn public(&self) -> Option<&Arc<PublicCertificate>> {
        self.public.as_ref()
    }

    /// SHA-256 of the certificate: what the provider record has to hold.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        gridlease_sdk::node_api::tls::fingerprint(&self.certificate)
    }

    /// A TLS configuration that shows this certificate, and its own to who asks for a public port's name.
    ///
    /// # Errors
    /// [`TlsError::Config`].
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let (chain, key) = (vec![self.certificate.clone()], self.key.clone_key());
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = builder.with_no_client_auth();
        let mut config = match &self.public {
            None => builder.with_single_cert(chain, key)?,
            Some(public) => {
                let own = Arc::new(CertifiedKey::from_der(chain, key, &provider)?);
                builder.with_cert_resolver(Arc::new(ByName { own, public: Arc::clone(public) }))
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_certificate_is_made_once_and_its_key_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let first = Identity::load_or_create(&state).unwrap();
        let again = Identity::load_or_create(&state).unwrap();
        assert_eq!(first.fingerprint(), again.fingerprint());
        let mode = std::fs::metadata(state.private_key()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        first.server_config().unwrap();
    }

    #[test]
    fn a_damaged_or_half_lost_pair_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        Identity::load_or_create(&state).unwrap();
        std::fs::write(state.certificate(), "junk").unwrap();
        let error = Identity::load_or_create(&state).unwrap_err();
        assert!(matches!(error, TlsError::Unusable { .. }), "{error}");
        assert_eq!(std::fs::read(state.certificate()).unwrap(), b"junk");
        std::fs::remove_file(state.private_key()).unwrap();
        let error = Identity::load_or_create(&state).unwrap_err();
        assert!(matches!(error, TlsError::Half { .. }) && error.to_string().contains("key.pem"), "{error}");
    }
}

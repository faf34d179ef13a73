//! TLS server side: loads and checks certificate files, and reloads them when they change. An invalid file never
//! replaces a valid certificate. Uses no sockets, creates no certificates, and contacts no certificate authority. The
//! client side, for connections to the operator's own servers, is in `client`.

mod client;
mod loopback_client;
mod validity;

pub use client::{blocking_client_config, client_config};
pub use loopback_client::LoopbackConnection;
pub use rustls::ServerConfig;

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::crypto::{CryptoProvider, ring as primitives};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

pub use crate::config::TlsFiles as Files;
use crate::domain::time::Timestamp;
use validity::Validity;

/// Maximum size of a certificate or key file, in bytes (1 MiB). A certificate chain is a few kilobytes long.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Modification times of the certificate and key files.
type ModificationTimes = [Option<SystemTime>; 2];

/// The certificate that clients see, reloaded when its files change.
pub struct CertificateResolver {
    files: Files,
    config: Arc<ServerConfig>,
    current: Arc<CurrentCertificate>,
    seen_times: Mutex<ModificationTimes>,
}

impl CertificateResolver {
    /// Loads and checks the certificate and key files.
    ///
    /// # Errors
    /// Returns a sentence that names the file and what to do, when a file is unreadable, invalid, or expired.
    pub fn open(files: Files, now: Timestamp) -> Result<Self, String> {
        let modified = files.modification_times();
        let read = files.read()?;
        read.check_expiry(&files, now)?;
        let current = Arc::new(CurrentCertificate(RwLock::new(read.certified_key)));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        // Clients that offer only another protocol fail in the handshake, not after it.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            files,
            config: Arc::new(config),
            current,
            seen_times: Mutex::new(modified),
        })
    }

    /// Returns the configuration for new connections. Each handshake uses the certificate that is current at that
    /// moment.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// Reloads the files if they have changed, or unconditionally with `force`. Returns the expiry of the loaded
    /// certificate, or `None` if nothing was loaded.
    ///
    /// # Errors
    /// Same as [`CertificateResolver::open`]. The previous certificate stays in use, and unless `force` is set, the
    /// same files are not tried again until they change.
    pub fn refresh(&self, force: bool, now: Timestamp) -> Result<Option<Timestamp>, String> {
        // The times are read before the files, so that a change during the reading is noticed the next time.
        let modified = self.files.modification_times();
        {
            let mut seen_stamps = self
                .seen_times
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if *seen_stamps == modified && !force {
                return Ok(None);
            }
            *seen_stamps = modified;
        }
        let read = self.files.read()?;
        read.check_expiry(&self.files, now)?;
        let until = read.validity.until;
        let mut current = self.current.0.write();
        *current
            .as_deref_mut()
            .unwrap_or_else(|poisoned| poisoned.get_mut()) = read.certified_key;
        Ok(Some(until))
    }
}

struct CurrentCertificate(RwLock<Arc<CertifiedKey>>);

impl std::fmt::Debug for CurrentCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Current")
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(current.clone())
    }
}

/// The contents of the two files.
struct LoadedFiles {
    certified_key: Arc<CertifiedKey>,
    validity: Validity,
}

impl LoadedFiles {
    fn check_expiry(&self, files: &Files, now: Timestamp) -> Result<(), String> {
        let (certificate_path, until) = (files.certificate.display(), self.validity.until);
        if until < now {
            return Err(format!(
                "the certificate in {certificate_path} expired at {until}; renew it (certbot renew), or check this machine's clock, which says {now}"
            ));
        }
        Ok(())
    }
}

impl Files {
    /// Returns the certificate's expiry.
    ///
    /// # Errors
    /// Returns a sentence that names the file and what to do, when the files cannot be used.
    pub fn until(&self) -> Result<Timestamp, String> {
        Ok(self.read()?.validity.until)
    }

    fn modification_times(&self) -> ModificationTimes {
        let stamp = |path: &Path| fs::metadata(path).and_then(|about| about.modified()).ok();
        [stamp(&self.certificate), stamp(&self.key)]
    }

    fn read(&self) -> Result<LoadedFiles, String> {
        let (chain_path, key_path) = (self.certificate.display(), self.key.display());
        let pem = read_file(&self.certificate)?;
        let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| format!("{chain_path} is damaged: {error:?}"))?;
        let Some(first) = chain.first() else {
            return Err(format!(
                "there is no PEM certificate in {chain_path}; QUIRE_TLS_CERT takes the chain (certbot's fullchain.pem)"
            ));
        };
        let unreadable = || format!("the first certificate in {chain_path} is damaged");
        let validity = Validity::parse(first).ok_or_else(unreadable)?;
        let pem = read_file(&self.key)?;
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
            format!(
                "there is no PEM private key in {key_path}; QUIRE_TLS_KEY takes an unencrypted one, such as certbot's privkey.pem or what `openssl pkey` prints"
            )
        })?;
        let certified = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => format!(
                "the key in {key_path} does not match the first certificate in {chain_path}; use two files that were created together, with the server's own certificate first"
            ),
            error => format!("the key in {key_path} cannot be used with {chain_path}: {error}"),
        })?;
        Ok(LoadedFiles {
            certified_key: Arc::new(certified),
            validity,
        })
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let display_path = path.display();
    let read_error = |error| {
        format!(
            "cannot read {display_path}: {error}; the file must exist and be readable by the user that quire runs as"
        )
    };
    let mut bytes = Vec::new();
    let mut file = File::open(path)
        .map_err(read_error)?
        .take(MAX_FILE_BYTES + 1);
    file.read_to_end(&mut bytes).map_err(read_error)?;
    match bytes.len() as u64 > MAX_FILE_BYTES {
        true => Err(format!(
            "{display_path} is larger than 1 MiB, so it cannot be a certificate or key"
        )),
        false => Ok(bytes),
    }
}

// The provider is specified explicitly, because nothing sets the process default.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(primitives::default_provider())
}

#[cfg(test)]
mod tests;

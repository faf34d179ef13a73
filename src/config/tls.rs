//! Settings of the TLS certificate. The files themselves are checked when they are opened, not here.

use std::path::PathBuf;

use super::check::Checker;

/// Paths of a certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain as PEM, starting with our own certificate.
    pub certificate: PathBuf,
    /// Unencrypted private key as PEM.
    pub key: PathBuf,
}

/// Reads the two settings, which must be set together or not at all.
pub(super) fn files(checker: &mut Checker) -> Option<TlsFiles> {
    let (certificate, key) = (
        checker.configured("QUIRE_TLS_CERT"),
        checker.configured("QUIRE_TLS_KEY"),
    );
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(TlsFiles {
            certificate: certificate.into(),
            key: key.into(),
        }),
        (None, None) => None,
        (Some(_), None) => {
            checker.error(
                "QUIRE_TLS_CERT",
                "also set QUIRE_TLS_KEY to the path of its key",
            );
            None
        }
        (None, Some(_)) => {
            checker.error(
                "QUIRE_TLS_KEY",
                "also set QUIRE_TLS_CERT to the path of its certificate",
            );
            None
        }
    }
}

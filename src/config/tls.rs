//! Where the certificate is that the ports show. What is in the files is looked at when they are opened, not here.

use std::path::PathBuf;

use super::check::Checker;

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain as PEM, our own certificate first.
    pub certificate: PathBuf,
    /// The key as PEM, not encrypted.
    pub key: PathBuf,
}

/// What the settings say: both files or none.
pub(super) fn files(checker: &mut Checker) -> Option<TlsFiles> {
    let (certificate, key) = (
        checker.given("QUIRE_TLS_CERT"),
        checker.given("QUIRE_TLS_KEY"),
    );
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(TlsFiles {
            certificate: certificate.into(),
            key: key.into(),
        }),
        (None, None) => None,
        (Some(_), None) => {
            checker.fault(
                "QUIRE_TLS_CERT",
                "set QUIRE_TLS_KEY to the file of its key, too",
            );
            None
        }
        (None, Some(_)) => {
            checker.fault(
                "QUIRE_TLS_KEY",
                "set QUIRE_TLS_CERT to the file of its certificate, too",
            );
            None
        }
    }
}

//! TLS settings: the server's certificate, and the authorities that certificates of other machines are verified
//! against. The server's certificate files are checked only when they are opened.

use std::path::PathBuf;

use super::check::Checker;

/// Paths of a certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain in PEM format, starting with the server's own certificate.
    pub certificate: PathBuf,
    /// Unencrypted private key in PEM format.
    pub key: PathBuf,
}

/// Reads the settings for the server's certificate and its key, which must be set together or not at all.
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

/// Returns the content of the file with certificate authorities, if one is set.
pub(super) fn authorities(
    checker: &mut Checker,
    read: &dyn Fn(&str) -> Result<String, String>,
) -> Option<String> {
    let path = checker.configured("QUIRE_CA_FILE")?;
    match read(&path) {
        Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => return Some(text),
        Ok(_) => checker.error("QUIRE_CA_FILE", "there is no PEM certificate in the file"),
        Err(why) => checker.error("QUIRE_CA_FILE", &why),
    }
    None
}

//! TLS client side for connections to the operator's database and Redis server. The server's certificate is always
//! verified.

use std::sync::Arc;

use rustls::crypto::ring as primitives;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// Creates the settings of TLS connections. If `authorities` is given, only the certificate authorities in this PEM
/// text are trusted; otherwise, the built-in ones are.
///
/// # Errors
/// Returns an error if the text does not contain a valid certificate.
pub fn client_config(authorities: Option<&str>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    match authorities {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|error| error.to_string())?;
                roots.add(certificate).map_err(|error| error.to_string())?;
            }
        }
    }
    let provider = Arc::new(primitives::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Creates the same settings for the blocking HTTP client. Ignores parts of the text that are not certificates, because
/// the text was checked when it was configured.
pub fn blocking_client_config(authorities: Option<&str>) -> TlsConfig {
    let Some(authorities) = authorities else {
        return TlsConfig::default();
    };
    let certificates = parse_pem(authorities.as_bytes()).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let roots = RootCerts::from(certificates);
    TlsConfig::builder().root_certs(roots).build()
}

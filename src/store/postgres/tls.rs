//! TLS for connections to the server. The server's certificate is always verified.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use rustls::crypto::ring as primitives;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::stream::UnboundStream;

/// A TLS connection.
pub(super) type EncryptedStream<S> = UnboundStream<TlsStream<S>>;

/// Creates TLS connections.
#[derive(Clone)]
pub(super) struct Encryption(TlsConnector);

impl Encryption {
    /// Trusts the certificate authorities in this PEM text instead of the built-in ones.
    ///
    /// # Errors
    /// Returns an error if the text does not contain a valid certificate.
    pub(super) fn new(authorities: Option<&str>) -> Result<Self, String> {
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
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

/// TLS for a single host.
pub(super) struct HostEncryption {
    connector: TlsConnector,
    /// `None` for a Unix socket, which needs no encryption.
    host: Option<ServerName<'static>>,
}

impl<S> MakeTlsConnect<S> for Encryption
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = EncryptedStream<S>;
    type TlsConnect = HostEncryption;
    type Error = Infallible;

    fn make_tls_connect(&mut self, host: &str) -> Result<HostEncryption, Self::Error> {
        Ok(HostEncryption {
            connector: self.0.clone(),
            host: ServerName::try_from(host.to_owned()).ok(),
        })
    }
}

impl<S> TlsConnect<S> for HostEncryption
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = EncryptedStream<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<EncryptedStream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let host = self.host.ok_or(io::ErrorKind::InvalidInput)?;
            let stream = self.connector.connect(host, stream).await?;
            Ok(UnboundStream(stream))
        })
    }
}

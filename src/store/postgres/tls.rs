//! TLS for connections to the server. The server's certificate is always verified.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::stream::UnboundStream;
use crate::tls::client_config;

/// The TLS stream of a connection to a database server.
pub(super) type EncryptedStream<S> = UnboundStream<TlsStream<S>>;

/// Creates the TLS configuration of each host.
#[derive(Clone)]
pub(super) struct Encryption(TlsConnector);

impl Encryption {
    /// Creates the configuration. Certificate authorities in `authorities` (PEM text) replace the built-in ones.
    ///
    /// # Errors
    /// Returns an error if the text does not contain a valid certificate.
    pub(super) fn new(authorities: Option<&str>) -> Result<Self, String> {
        let config = client_config(authorities)?;
        Ok(Self(TlsConnector::from(config)))
    }
}

/// TLS for connections to a single host.
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

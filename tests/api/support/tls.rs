//! TLS for the scripted provider: its certificate, and the server side of connections.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A connection with or without TLS.
pub trait Connection: Read + Write + Send {
    /// Sets the timeout of all further reads.
    fn set_timeout(&self, length: Duration) -> std::io::Result<()>;
}

impl Connection for TcpStream {
    fn set_timeout(&self, length: Duration) -> std::io::Result<()> {
        self.set_read_timeout(Some(length))
    }
}

impl Connection for StreamOwned<ServerConnection, TcpStream> {
    fn set_timeout(&self, length: Duration) -> std::io::Result<()> {
        self.sock.set_read_timeout(Some(length))
    }
}

/// A self-signed certificate for this machine.
pub struct Certificate {
    /// The certificate that a client must trust.
    pub pem: String,
    config: Arc<ServerConfig>,
}

impl Certificate {
    pub fn new() -> Self {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.cert.der().clone()], key)
            .unwrap();
        Self {
            pem: certificate.cert.pem(),
            config: Arc::new(config),
        }
    }

    /// Wraps an accepted socket in the server side of TLS. The handshake takes place on the first read.
    pub fn accept(&self, socket: TcpStream) -> Box<dyn Connection> {
        let connection = ServerConnection::new(self.config.clone()).unwrap();
        Box::new(StreamOwned::new(connection, socket))
    }
}

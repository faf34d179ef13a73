//! Opens connections to providers: resolves the name, checks the addresses with the address guard, connects (through a
//! proxy if the environment defines one), and sets up TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::Uri;
use hyper::http::uri::Scheme;
use rustls::crypto::ring as primitives;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use ureq::{Proxy, ProxyProtocol};

use super::LlmSettings;
use super::address_guard::AddressGuard;
use super::name_resolver::NameResolver;
use super::provider_socket::ByteStream;
use super::proxy_tunnel;
use super::transport_error::TransportError;
use crate::domain::network::AddressScope;

/// Timeout for resolving a host name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens connections to providers, but only to the addresses that they may use.
pub(super) struct Connector {
    resolver: NameResolver,
    guard: AddressGuard,
    /// PEM text of certificate authorities that replace the built-in ones.
    authorities: Option<String>,
    connect: Duration,
    /// Created on first use, because the root certificates take memory that a program with only demo models does not
    /// need.
    tls: OnceLock<TlsConnector>,
    proxy: OnceLock<Option<Proxy>>,
}

impl Connector {
    pub fn new(settings: &LlmSettings) -> Self {
        Self {
            resolver: NameResolver::default(),
            guard: AddressGuard::new(&settings.allowed_networks),
            authorities: settings.authorities.clone(),
            connect: settings.connect,
            tls: OnceLock::new(),
            proxy: OnceLock::new(),
        }
    }

    /// Opens a connection to the server of a URL.
    ///
    /// # Errors
    ///
    /// Returns an error if the name cannot be resolved, the guard rejects an address, the server or the proxy refuses
    /// the connection or does not answer in time, or the certificate is not accepted.
    pub async fn connect(
        &self,
        uri: &Uri,
        reach: AddressScope,
    ) -> Result<Box<dyn ByteStream>, TransportError> {
        if let Some(proxy) = self.proxy(uri, reach) {
            return self.connect_via_proxy(proxy, uri).await;
        }
        let addresses = self.resolve(uri).await?;
        self.guard.check(reach, &addresses)?;
        let opening = async {
            let socket = open_socket(&addresses, self.connect).await?;
            self.secure_stream(uri, Box::new(socket)).await
        };
        timeout(self.connect, opening)
            .await
            .unwrap_or(Err(TransportError::ConnectTimeout))
    }

    async fn connect_via_proxy(
        &self,
        proxy: &Proxy,
        uri: &Uri,
    ) -> Result<Box<dyn ByteStream>, TransportError> {
        let addresses = self.resolve(proxy.uri()).await?;
        let opening = async {
            let socket = open_socket(&addresses, self.connect).await?;
            let mut stream = self.secure_stream(proxy.uri(), Box::new(socket)).await?;
            proxy_tunnel::open(&mut stream, proxy, uri).await?;
            self.secure_stream(uri, stream).await
        };
        timeout(self.connect, opening)
            .await
            .unwrap_or(Err(TransportError::ConnectTimeout))
    }

    async fn resolve(&self, uri: &Uri) -> Result<Vec<SocketAddr>, TransportError> {
        let limit = RESOLVE_TIMEOUT.min(self.connect);
        let addresses = timeout(limit, self.resolver.resolve(uri)).await;
        let addresses = addresses.map_err(|_| TransportError::ConnectTimeout)??;
        match addresses.is_empty() {
            true => Err(TransportError::UnknownName),
            false => Ok(addresses),
        }
    }

    /// Returns the proxy for a URL. If addresses must be checked, there is none, because a proxy resolves names itself
    /// and would thus bypass the guard.
    fn proxy(&self, uri: &Uri, reach: AddressScope) -> Option<&Proxy> {
        if reach == AddressScope::Public {
            return None;
        }
        let proxy = self.proxy.get_or_init(Proxy::try_from_env).as_ref()?;
        let is_tunnel = matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https);
        (is_tunnel && !proxy.is_no_proxy(uri)).then_some(proxy)
    }

    /// Adds TLS to a stream if the URL requires it.
    async fn secure_stream(
        &self,
        uri: &Uri,
        stream: Box<dyn ByteStream>,
    ) -> Result<Box<dyn ByteStream>, TransportError> {
        if uri.scheme() != Some(&Scheme::HTTPS) {
            return Ok(stream);
        }
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TransportError::Insecure)?;
        let tls = match self.tls.get() {
            Some(tls) => tls,
            None => {
                let connector = tls_connector(self.authorities.as_deref())?;
                self.tls.get_or_init(|| connector)
            }
        };
        match tls.connect(name, stream).await {
            Ok(secured) => Ok(Box::new(secured)),
            // rustls returns this kind of error for a certificate that it does not accept.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(TransportError::Insecure)
            }
            Err(error) => Err(TransportError::Io(error)),
        }
    }
}

/// Tries the addresses in order. Each gets half of the remaining time, and the last one gets all of it.
async fn open_socket(
    addresses: &[SocketAddr],
    mut left: Duration,
) -> Result<TcpStream, TransportError> {
    let mut last = TransportError::UnknownName;
    for (number, address) in addresses.iter().enumerate() {
        let is_last = number + 1 == addresses.len();
        let share = if is_last { left } else { left / 2 };
        left -= share;
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => {
                socket.set_nodelay(true)?;
                return Ok(socket);
            }
            Ok(Err(error)) => last = TransportError::Io(error),
            Err(_) => last = TransportError::ConnectTimeout,
        }
    }
    Err(last)
}

fn tls_connector(authorities: Option<&str>) -> Result<TlsConnector, TransportError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(pem) => {
            let certificates =
                CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok);
            roots.add_parsable_certificates(certificates);
        }
        None => roots
            .roots
            .extend_from_slice(webpki_roots::TLS_SERVER_ROOTS),
    }
    let provider = Arc::new(primitives::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| TransportError::Insecure)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn connector() -> Connector {
        Connector::new(&LlmSettings::default())
    }

    #[tokio::test]
    async fn the_guard_is_asked_before_a_connection_is_opened() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let uri: Uri = format!("http://{address}/v1").parse().unwrap();
        let connector = connector();
        let _ = connector.proxy.set(None);
        let result = connector.connect(&uri, AddressScope::Public).await;
        assert!(matches!(result, Err(TransportError::NotPublic)));
        assert!(
            connector
                .connect(&uri, AddressScope::AnyAddress)
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn a_proxy_tunnels_only_what_may_reach_any_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            let tunnel_response = b"HTTP/1.1 200 Connection established\r\n\r\nthrough";
            socket.write_all(tunnel_response).await.unwrap();
            String::from_utf8(head).unwrap()
        };
        let connector = connector();
        let known_proxy = Proxy::new(&format!("http://{address}")).unwrap();
        let _ = connector.proxy.set(Some(known_proxy));
        // The proxy resolves the name.
        let uri: Uri = "http://model.invalid:81/v1".parse().unwrap();
        let connecting = connector.connect(&uri, AddressScope::AnyAddress);
        let (head, stream) = tokio::join!(proxy, connecting);
        assert!(head.starts_with("CONNECT model.invalid:81 HTTP/1.1\r\n"));
        let mut first = [0; 7];
        let mut stream = stream.unwrap_or_else(|error| panic!("{error:?}"));
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"through");
        assert!(connector.proxy(&uri, AddressScope::Public).is_none());
    }

    #[tokio::test]
    async fn the_next_address_is_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open_address = listener.local_addr().unwrap();
        let closed_address = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let limit = Duration::from_secs(600);
        assert!(
            open_socket(&[closed_address, open_address], limit)
                .await
                .is_ok()
        );
        let result = open_socket(&[closed_address], limit).await;
        assert!(matches!(result, Err(TransportError::Io(error))
            if error.kind() == io::ErrorKind::ConnectionRefused));
    }
}

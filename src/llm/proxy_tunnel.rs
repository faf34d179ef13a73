//! Opens a tunnel through an HTTP proxy, with a CONNECT request (RFC 9110, section 9.3.6).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use ureq::Proxy;

use super::USER_AGENT;
use super::name_resolver::port_of;
use super::provider_socket::ByteStream;
use super::transport_error::TransportError;

/// Maximum size of the proxy's response, in bytes.
const MAX_RESPONSE: usize = 8 * 1024;

/// Asks the proxy at the other end of a stream for a tunnel to a URL's server.
///
/// # Errors
///
/// Returns an error if the proxy refuses, its response is malformed, or the connection breaks.
pub(super) async fn open(
    stream: &mut Box<dyn ByteStream>,
    proxy: &Proxy,
    uri: &Uri,
) -> Result<(), TransportError> {
    let credentials = match (proxy.username(), proxy.password()) {
        (None, None) => None,
        (name, password) => Some((name.unwrap_or_default(), password.unwrap_or_default())),
    };
    let request = request(uri, credentials);
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut response = Vec::new();
    // The response is read byte by byte, because anything after its head already belongs to the tunnel. This happens
    // only once per connection.
    while !response.ends_with(b"\r\n\r\n") {
        if response.len() >= MAX_RESPONSE {
            return Err(TransportError::ProxyRefused);
        }
        let byte = stream.read_u8().await;
        response.push(byte.map_err(|_| TransportError::ProxyRefused)?);
    }
    match is_open(&response) {
        true => Ok(()),
        false => Err(TransportError::ProxyRefused),
    }
}

fn request(uri: &Uri, credentials: Option<(&str, &str)>) -> String {
    let target = format!("{}:{}", uri.host().unwrap_or_default(), port_of(uri));
    let authorization = credentials.map_or_else(String::new, |(name, password)| {
        let encoded = BASE64_STANDARD.encode(format!("{name}:{password}"));
        format!("Proxy-Authorization: Basic {encoded}\r\n")
    });
    format!(
        "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nUser-Agent: {USER_AGENT}\r\n\
         Proxy-Connection: Keep-Alive\r\n{authorization}\r\n"
    )
}

/// Returns whether a proxy's response has a success status.
fn is_open(response: &[u8]) -> bool {
    let line = response.split(|byte| *byte == b'\r').next();
    let mut words = line.unwrap_or_default().split(|byte| *byte == b' ');
    let version = words.next().unwrap_or_default();
    // Any 2xx status means success (RFC 9110, section 9.3.6).
    let is_success = |status: &[u8]| matches!(status, [b'2', b'0'..=b'9', b'0'..=b'9']);
    version.starts_with(b"HTTP/1.") && words.next().is_some_and(is_success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_names_host_port_and_credentials() {
        let uri: Uri = "https://api.example/v1/models".parse().unwrap();
        let text = request(&uri, Some(("ada", "p:w")));
        let first = text.lines().next();
        assert_eq!(first, Some("CONNECT api.example:443 HTTP/1.1"));
        assert!(text.contains("\r\nHost: api.example:443\r\n"));
        assert!(text.contains("\r\nProxy-Authorization: Basic YWRhOnA6dw==\r\n"));
        assert!(text.ends_with("\r\n\r\n"));
        assert!(!request(&uri, None).contains("Authorization"));
    }

    #[test]
    fn only_a_success_opens_the_tunnel() {
        for (response, expected) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n", true),
            ("HTTP/1.0 200\r\n\r\n", true),
            ("HTTP/1.1 204 No Content\r\n\r\n", true),
            ("HTTP/1.1 2000 x\r\n\r\n", false),
            ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", false),
            ("200 OK\r\n\r\n", false),
            ("\r\n\r\n", false),
        ] {
            assert_eq!(is_open(response.as_bytes()), expected, "{response}");
        }
    }
}

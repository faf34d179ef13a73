//! Queries the health of the server on this machine, as a container's health check does every few seconds. Opens and
//! writes no files, and gives up if the server sends nothing for five seconds.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::config::Config;
use crate::tls::LoopbackConnection;

/// Timeout for connecting, and between two chunks of the response.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of bytes read from a response.
const MAX_RESPONSE_BYTES: u64 = 64 << 10;

/// A server's response, or the reason why no Quire server responded.
pub type HealthResult = Result<HealthProbe, String>;

/// The health of a Quire server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthProbe {
    /// `ok`, `warning`, or `error`.
    pub status: String,
    /// The reason for the status; empty if it is `ok`.
    pub message: String,
    /// Version of the server.
    pub version: String,
}

impl HealthProbe {
    /// Whether the server accepts requests.
    pub fn accepts_requests(&self) -> bool {
        self.status != "error"
    }
}

/// Queries the health of the server that these settings describe.
///
/// # Errors
/// Returns the reason if the port is 0 or no Quire server responds.
pub fn probe(config: &Config) -> HealthResult {
    if config.port == 0 {
        return Err("PORT is 0, so the server's address is unknown; set PORT".to_owned());
    }
    let port = config.ui_port.unwrap_or(config.port);
    probe_at(
        SocketAddr::new(reachable_address(config.host), port),
        config.tls.is_some(),
    )
}

/// Returns the address to connect to: the unspecified address is replaced with the loopback address.
pub(super) fn reachable_address(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

pub(super) fn probe_at(address: SocketAddr, uses_tls: bool) -> HealthResult {
    let connection_error = |error: std::io::Error| format!("no answer from {address}: {error}");
    let socket = TcpStream::connect_timeout(&address, TIMEOUT).map_err(connection_error)?;
    socket
        .set_read_timeout(Some(TIMEOUT))
        .map_err(connection_error)?;
    socket
        .set_write_timeout(Some(TIMEOUT))
        .map_err(connection_error)?;
    let bytes = match uses_tls {
        true => LoopbackConnection::new(socket, address.ip())
            .and_then(|socket| read_response(socket, address)),
        false => read_response(socket, address),
    };
    parse_response(&String::from_utf8_lossy(&bytes.map_err(connection_error)?))
        .ok_or_else(|| format!("the program that responds at {address} is not Quire"))
}

fn read_response(mut socket: impl Read + Write, address: SocketAddr) -> io::Result<Vec<u8>> {
    let request = format!("GET /health HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    socket.take(MAX_RESPONSE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse_response(text: &str) -> Option<HealthProbe> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.").then_some(())?;
    let value: Value = serde_json::from_str(body).ok()?;
    let field = |name: &str| value[name].as_str().map(str::to_owned);
    // Other programs may also have a `/health` endpoint with a status.
    value["database"]["engine"].as_str()?;
    Some(HealthProbe {
        status: field("status")?,
        message: field("message").unwrap_or_default(),
        version: field("version")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_responses_are_parsed() {
        let quire =
            r#"{"status":"error","version":"1","database":{"engine":"SQLite 3"},"message":"m"}"#;
        let answer = parse_response(&format!("HTTP/1.1 503 x\r\na: b\r\n\r\n{quire}"));
        let answer = answer.expect("a Quire's");
        assert_eq!(
            (answer.message.as_str(), answer.accepts_requests()),
            ("m", false)
        );
        for response in [
            "",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n{\"status\":\"ok\",\"version\":\"2\"}",
            "SSH-2.0-x\r\n\r\n{}",
        ] {
            assert_eq!(parse_response(response), None, "{response}");
        }
    }

    #[test]
    fn an_unreachable_server_is_reported() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        let error = probe_at(address, false).expect_err("nobody");
        assert!(error.contains("no answer from 127.0.0.1"), "{error}");
    }
}

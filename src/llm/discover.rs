//! Finds model servers on this machine at their default ports. A plain connection is opened first: if nothing listens
//! on a port, nothing else is tried, and the client with its TLS roots is never created.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::Provider;
use super::provider::known_base_url;
use crate::domain::network::AddressScope;

/// Well-known model servers to look for, in order.
const LOCAL_SERVERS: &[&str] = &["ollama", "lmstudio", "llamacpp", "vllm"];
/// Timeout for connecting. It can be short, because a local port responds at once or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(250);

/// Returns the model servers that listen on their default ports. `own` is Quire's own port, which is skipped, because
/// it is also the default port of llama.cpp. Blocks.
pub fn find_local(own: u16) -> Vec<Provider> {
    let is_listening = |port: u16| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        port != own && TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).is_ok()
    };
    LOCAL_SERVERS
        .iter()
        .filter(|id| {
            known_base_url(id)
                .and_then(port_of)
                .is_some_and(is_listening)
        })
        .map(|id| Provider {
            id: (*id).to_owned(),
            reach: AddressScope::AnyAddress,
            ..Provider::default()
        })
        .collect()
}

fn port_of(url: &str) -> Option<u16> {
    let (_, rest) = url.rsplit_once(':')?;
    rest.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_local_server_has_a_default_port() {
        let ports: Vec<u16> = LOCAL_SERVERS
            .iter()
            .filter_map(|id| known_base_url(id).and_then(port_of))
            .collect();
        assert_eq!(ports, [11434, 1234, 8080, 8000]);
    }
}

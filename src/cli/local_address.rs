//! Finds the address of the server on this machine, from the settings or from the lock of the data folder.

use std::net::{Ipv4Addr, SocketAddr};

use crate::app::folder;
use crate::config::Config;

/// Returns the public address in the settings. If there is none, returns the address of the server that uses the data
/// folder or, if no server is running, the address on which it would listen.
pub(super) fn public_url(config: &Config) -> String {
    let configured = || {
        let port = config.ui_port.unwrap_or(config.port);
        url(scheme(config), SocketAddr::new(config.host, port))
    };
    let server_address = || running_server(config).unwrap_or_else(configured);
    config.public_url.clone().unwrap_or_else(server_address)
}

/// Returns the address of the server that uses the data folder, or `None` if no server is running.
pub(super) fn running_server(config: &Config) -> Option<String> {
    let is_held = folder::is_held(&config.data_dir);
    is_held.then(|| folder::server_address(&config.data_dir))?
}

/// Returns the URL scheme of the listeners.
pub(super) fn scheme(config: &Config) -> &'static str {
    match config.tls {
        Some(_) => "https",
        None => "http",
    }
}

/// Returns the URL of a socket address. The unspecified address is replaced with the loopback address, because browsers
/// cannot open it.
pub(super) fn url(scheme: &str, address: SocketAddr) -> String {
    match address.ip() {
        ip if ip.is_unspecified() => {
            format!("{scheme}://{}:{}", Ipv4Addr::LOCALHOST, address.port())
        }
        _ => format!("{scheme}://{address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_can_be_opened_in_a_browser() {
        for (address, expected) in [
            ("127.0.0.1:80", "http://127.0.0.1:80"),
            ("0.0.0.0:81", "http://127.0.0.1:81"),
            ("[::]:82", "http://127.0.0.1:82"),
            ("[::1]:83", "http://[::1]:83"),
            ("192.0.2.1:84", "http://192.0.2.1:84"),
        ] {
            assert_eq!(url("http", address.parse().expect(address)), expected);
        }
    }
}

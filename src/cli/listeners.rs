//! Opens the ports of `quire serve`, or uses sockets that another process has opened.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;

use tokio::net::TcpListener;

use super::{CommandFailure, failed, scheme, url};
use crate::config::Config;
use crate::http::Listener;
use crate::tls::CertificateResolver;

/// Opens the server's listeners: uses the inherited sockets, and binds the remaining ports. Also returns the lines to
/// print.
pub(super) async fn bind_listeners(
    config: &Config,
    tls: Option<Arc<CertificateResolver>>,
    inherited: Vec<Option<StdListener>>,
) -> Result<(Vec<Listener>, Vec<String>), CommandFailure> {
    let mut inherited = inherited.into_iter();
    let (listener, address) = bind(config.host, config.port, inherited.next().flatten()).await?;
    let index = config.ui_port.is_some();
    let scheme = scheme(config);
    let mut lines = vec![format!("Quire is listening on {scheme}://{address}")];
    if address.ip().is_unspecified() {
        lines.push(format!(
            "This address stands for every network interface; on this machine, open {}",
            url(scheme, address)
        ));
    }
    let mut listeners = vec![Listener {
        listener,
        index,
        tls: tls.clone(),
    }];
    if let Some(port) = config.ui_port {
        let (listener, address) = bind(config.host, port, inherited.next().flatten()).await?;
        listeners.push(Listener {
            listener,
            index: false,
            tls,
        });
        lines.push(format!("The web interface is at {}", url(scheme, address)));
    }
    Ok((listeners, lines))
}

async fn bind(
    host: IpAddr,
    port: u16,
    open: Option<StdListener>,
) -> Result<(TcpListener, SocketAddr), CommandFailure> {
    let requested_address = SocketAddr::new(host, port);
    let bound = async {
        let listener = match open {
            Some(socket) => {
                socket.set_nonblocking(true)?;
                TcpListener::from_std(socket)?
            }
            None => TcpListener::bind(requested_address).await?,
        };
        let address = listener.local_addr()?;
        Ok::<_, std::io::Error>((listener, address))
    };
    bound
        .await
        .or_else(|error| failed(bind_error(requested_address, &error)))
}

/// Returns the error message for a port that cannot be used, with advice.
fn bind_error(requested: SocketAddr, error: &std::io::Error) -> String {
    let port = requested.port();
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "cannot listen on {requested}: port {port} is in use by another program\n\
             choose another one with --port, such as --port {}; --port 0 picks a free one",
            port.checked_add(1).unwrap_or(8080)
        ),
        ErrorKind::PermissionDenied => format!(
            "cannot listen on {requested}: ports below 1024 require privileges\n\
             choose a higher one with --port, or put a proxy in front: quire help hosts"
        ),
        ErrorKind::AddrNotAvailable => format!(
            "cannot listen on {requested}: this machine does not have the address {}\n\
             choose another one with --host; 0.0.0.0 means every network interface",
            requested.ip()
        ),
        _ => format!("cannot listen on {requested}: {error}"),
    }
}

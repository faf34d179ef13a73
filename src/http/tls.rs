//! The TLS handshake of a connection, with a time limit. Clients that send plain HTTP get an error response.
//! `crate::tls` chooses the certificate.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::connection::{FIRST_REQUEST_GRACE, ServerCommand, Socket};
use super::connection_slots::ConnectionPermit;
use super::error::ApiError;
use super::raw_reply;
use crate::app::{Error, Kind};
use crate::tls::ServerConfig;

/// Maximum time from accepting a connection to the end of its handshake. A shorter header timeout takes precedence.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Type of the TLS record that starts every handshake.
const HANDSHAKE_RECORD: u8 = 0x16;
/// Maximum number of bytes that are read of a plain HTTP request before the error response is sent. Most requests are
/// shorter.
const MAX_PLAIN_BYTES: usize = 16 << 10;

/// Performs the TLS handshake. Returns `None` if the connection must be closed, because the handshake failed or took
/// too long, the client did not use TLS, the server is stopping, or another connection needs the slot.
pub(super) async fn handshake(
    permit: &ConnectionPermit,
    socket: TcpStream,
    config: Arc<ServerConfig>,
    commands: &mut watch::Receiver<ServerCommand>,
) -> Option<Socket> {
    let limit = HANDSHAKE_TIMEOUT.min(permit.shared.app.config.limits.header_timeout);
    // During shutdown, a handshake in progress gets time to finish, so that the first request gets a response.
    let stopped = async {
        let _ = commands
            .wait_for(|command| *command != ServerCommand::Serve)
            .await;
        sleep(FIRST_REQUEST_GRACE).await;
    };
    tokio::select! {
        () = stopped => None,
        () = permit.eviction_requested() => None,
        opened = timeout(limit, open(socket, config)) => opened.ok().flatten(),
    }
}

/// Accepts a TLS connection. Returns `None` if the connection must be closed.
async fn open(socket: TcpStream, config: Arc<ServerConfig>) -> Option<Socket> {
    let mut first = [0];
    match socket.peek(&mut first).await {
        Ok(1) if first[0] == HANDSHAKE_RECORD => {
            // On failure, rustls has already sent an alert to the client.
            let stream = TlsAcceptor::from(config).accept(socket).await.ok()?;
            Some(Socket::Tls(Box::new(stream)))
        }
        Ok(1) => {
            refuse_plain_http(&socket);
            None
        }
        _ => None,
    }
}

fn refuse_plain_http(socket: &TcpStream) {
    // The request is read first: closing a socket with unread bytes resets the connection, and the client would lose
    // the response.
    let mut discarded = vec![0; MAX_PLAIN_BYTES];
    let _ = socket.try_read(&mut discarded);
    let error = Error::new(
        Kind::BadRequest,
        "this port uses HTTPS, but the request is plain HTTP",
    );
    let error = ApiError::from(error.resolve("use https:// in the address"));
    raw_reply::refuse(socket, &error.closing_connection());
}

//! The handshake of a connection that is sealed by ourselves: bounded in time, and with a sentence for those who
//! speak plain HTTP to the port. Which certificate is shown is `crate::tls`'s.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::connection::{FIRST_WORD, ServerCommand, Socket};
use super::connection_slots::ConnectionPermit;
use super::error::ApiError;
use super::raw_reply;
use crate::app::{Error, Kind};
use crate::tls::ServerConfig;

/// From the connection to the end of the handshake, where headers may take longer than that.
const PATIENCE: Duration = Duration::from_secs(10);
/// How each handshake begins.
const HANDSHAKE: u8 = 0x16;
/// Bytes of a plain request that are taken before it is answered: it came in one piece, most likely.
const MOST_PLAIN_BYTES: usize = 16 << 10;

/// Opens TLS on a connection. `None` if the connection is to be closed: the peer was silent or sent no TLS, the
/// server is stopping, or another connection needs the slot.
pub(super) async fn handshake(
    permit: &ConnectionPermit,
    socket: TcpStream,
    config: Arc<ServerConfig>,
    commands: &mut watch::Receiver<ServerCommand>,
) -> Option<Socket> {
    let patience = PATIENCE.min(permit.shared.app.config.limits.header_timeout);
    // Whoever is about to ask is answered once, and then told that this was all.
    let stopped = async {
        let _ = commands.wait_for(|it| *it != ServerCommand::Serve).await;
        sleep(FIRST_WORD).await;
    };
    tokio::select! {
        () = stopped => None,
        () = permit.wanted() => None,
        opened = timeout(patience, open(socket, config)) => opened.ok().flatten(),
    }
}

/// `None` where nothing more is to be said.
async fn open(socket: TcpStream, config: Arc<ServerConfig>) -> Option<Socket> {
    let mut first = [0];
    match socket.peek(&mut first).await {
        Ok(1) if first[0] == HANDSHAKE => {
            // A failure is the client's, which has been told in an alert.
            let stream = TlsAcceptor::from(config).accept(socket).await.ok()?;
            Some(Socket::Tls(Box::new(stream)))
        }
        Ok(1) => {
            refuse(&socket);
            None
        }
        _ => None,
    }
}

fn refuse(socket: &TcpStream) {
    // Taken first: closing over bytes that nobody has read would take the answer with it.
    let mut taken = vec![0; MOST_PLAIN_BYTES];
    let _ = socket.try_read(&mut taken);
    let error = Error::new(Kind::BadRequest, "this port speaks https, and http came");
    let error = ApiError::from(error.resolve("ask again with https:// in the address"));
    raw_reply::refuse(socket, &error.closing());
}

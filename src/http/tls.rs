//! The handshake of a connection that is sealed by ourselves: bounded in time, and with a sentence for those who
//! speak plain HTTP to the port. Which certificate is shown is `crate::tls`'s.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::connection::Socket;
use super::server::EntryPoint;
use super::slots::ConnectionPermit;
use super::{ApiError, FIRST_WORD, ServerCommand, last_word};
use crate::app::{Error, Kind};
use crate::tls::ServerConfig;

/// From the connection to the end of the handshake, where headers may take longer than that.
const PATIENCE: Duration = Duration::from_secs(10);
/// How each handshake begins.
const HANDSHAKE: u8 = 0x16;
/// Bytes of a plain request that are taken before it is answered: it came in one piece, most likely.
const MOST_PLAIN_BYTES: usize = 16 << 10;

/// Serves one connection to its end. A peer that is silent, or does not get on with us, keeps its place until the
/// handshake's time is over, and no longer.
pub(super) async fn connection(
    place: ConnectionPermit,
    socket: TcpStream,
    config: Arc<ServerConfig>,
    entry: EntryPoint,
    mut order: watch::Receiver<ServerCommand>,
) {
    let patience = PATIENCE.min(place.server.app.config.limits.header_timeout);
    // Whoever is about to ask is answered once, and then told that this was all.
    let stopped = async {
        let _ = order.wait_for(|order| *order != ServerCommand::Serve).await;
        sleep(FIRST_WORD).await;
    };
    let opened = tokio::select! {
        () = stopped => None,
        () = place.wanted() => None,
        opened = timeout(patience, open(socket, config)) => opened.ok().flatten(),
    };
    if let Some(socket) = opened {
        super::connection(place, socket, entry, order).await;
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
    let _ = socket.try_write(last_word(&error.closing()).as_bytes());
}

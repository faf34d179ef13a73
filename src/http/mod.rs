//! Turns requests into app calls. The only folder that names hyper. This file is the life of the server:
//! accept, bound, serve, drain.

mod assets;
pub mod body;
mod connection;
pub mod cx;
pub mod error;
pub mod handlers;
mod head;
mod headers;
mod host;
mod hours;
mod json;
mod limit;
pub mod manual;
mod packed;
mod range;
pub mod reply;
mod router;
pub mod routes;
mod server;
#[cfg(test)]
mod sizes;
mod slots;
pub mod sse;
mod stats;
mod tls;
pub mod who;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::app::{App, Error, Kind};
use crate::log;
use crate::tls::CertificateResolver;
use connection::{ActivitySocket, Overdue, Socket, Timeouts};
pub use cx::RequestContext;
pub use error::ApiError;
pub use hyper::{StatusCode, header};
pub use reply::Reply;
use server::{EntryPoint, PendingResponse, Server};
use slots::{ConnectionPermit, ConnectionSlots};
pub use who::{Admin, LinkToken};

/// A way in: a bound listener, and what `/` is behind it.
pub struct Listener {
    /// Bound already: the caller knows its port, and a port that is taken is the caller's to report.
    pub listener: TcpListener,
    /// Whether `/` is the JSON index here, because another door serves the pages.
    pub index: bool,
    /// What TLS is spoken with; `None` is plain HTTP.
    pub tls: Option<Arc<CertificateResolver>>,
}

/// How long a connection on which nothing has been asked waits for its first request when the server stops.
const FIRST_WORD: Duration = Duration::from_millis(500);

/// What a connection is told, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerCommand {
    Serve,
    Finish,
    Drop,
}

/// Serves until `shutdown` is ready, then lets running requests finish, as long as the settings allow.
pub async fn serve(app: Arc<App>, doors: Vec<Listener>, shutdown: impl Future<Output = ()>) {
    let limits = app.config.limits;
    let server = Arc::new(Server::new(app));
    let slots = ConnectionSlots::new(limits.max_connections);
    let (orders, order) = watch::channel(ServerCommand::Serve);
    let tasks = doors
        .into_iter()
        .map(|door| tokio::spawn(accept(server.clone(), door, slots.clone(), order.clone())))
        .chain([tokio::spawn(watch(server.clone()))])
        .chain([tokio::spawn(remember(server.clone()))])
        .chain([tokio::spawn(watch_accounts(server.clone()))])
        .collect::<Vec<_>>();

    shutdown.await;
    server.stopping.store(true, Relaxed);
    server.app.stopping();
    for task in tasks {
        task.abort();
        // Waited for, so that its listener is closed before we go on.
        let _ = task.await;
    }
    let _ = orders.send(ServerCommand::Finish);
    if timeout(limits.shutdown_timeout, slots.all_left())
        .await
        .is_err()
    {
        let _ = orders.send(ServerCommand::Drop);
        let open = server.stats.open.load(Relaxed);
        log::warn("connections cut off at shutdown", &[("open", &open)]);
        let _ = timeout(Duration::from_secs(1), slots.all_left()).await;
    }
}

async fn watch(server: Arc<Server>) {
    handlers::health::watch(&server).await;
}

async fn watch_accounts(server: Arc<Server>) {
    server.app.watch_accounts().await;
}

async fn remember(server: Arc<Server>) {
    hours::keep(&server).await;
}

/// Takes connections for as long as it is not aborted.
async fn accept(
    server: Arc<Server>,
    door: Listener,
    slots: Arc<ConnectionSlots>,
    order: watch::Receiver<ServerCommand>,
) {
    let mut pause = Duration::ZERO;
    loop {
        let (socket, peer) = match door.listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_the_client_s(&error) => continue,
            Err(error) => {
                // Out of file handles, most likely: connections that end give some back.
                pause = (pause * 2).clamp(Duration::from_millis(10), Duration::from_secs(1));
                log::warn("cannot accept a connection", &[("why", &error)]);
                sleep(pause).await;
                continue;
            }
        };
        pause = Duration::ZERO;
        let peer = peer.ip().to_canonical();
        let Some(place) = slots.admit(&server, peer).await else {
            server.stats.turned_away.fetch_add(1, Relaxed);
            // Behind a handshake that there is no room for, nobody would understand it.
            if door.tls.is_none() {
                turn_away(&socket);
            }
            continue;
        };
        // Answers are written whole; waiting for more to send would only add a delay.
        let _ = socket.set_nodelay(true);
        // Owned by `serve`, which waits until every slot is back.
        let entry = EntryPoint {
            peer,
            index: door.index,
            https: door.tls.is_some(),
        };
        match &door.tls {
            None => {
                let socket = Socket::Plain(socket);
                tokio::spawn(connection(place, socket, entry, order.clone()))
            }
            Some(shown) => {
                let config = shown.config();
                tokio::spawn(tls::connection(place, socket, config, entry, order.clone()))
            }
        };
    }
}

fn is_the_client_s(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Serves one connection to its end.
async fn connection(
    place: ConnectionPermit,
    socket: Socket,
    entry: EntryPoint,
    mut order: watch::Receiver<ServerCommand>,
) {
    let limits = &place.server.app.config.limits;
    let patience = Timeouts {
        headers: limits.header_timeout,
        idle: limits.idle_timeout,
    };
    let pulse = place.pulse.clone();
    let (server, answering) = (place.server.clone(), pulse.clone());
    let service = service_fn(move |request| {
        let busy = answering.busy();
        let answering = match answering.refusal(&request) {
            Some(refusal) => server.refuse(request.headers(), refusal, entry),
            None => server.answer(request, entry),
        };
        let app = server.app.clone();
        async move {
            let mut reply = match answering {
                PendingResponse::Done(reply) => reply,
                PendingResponse::Coming(reply) => reply.await,
            };
            if app.is_leaving() {
                reply = reply.header(header::CONNECTION, "close");
            }
            Ok::<_, Infallible>(reply.into_response(busy))
        }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // The pulse does this, see `connection`.
        .header_read_timeout(None)
        // Larger heads are refused before; this holds a whole one and what comes with it.
        .max_buf_size(2 * head::MAX_HEAD)
        .serve_connection(ActivitySocket::new(socket, pulse.clone()), service);

    let tick = patience.headers.min(patience.idle) / 2;
    let mut alarm = pin!(sleep(tick));
    let mut is_last = false;
    let overdue = loop {
        tokio::select! {
            // In this order: most wake-ups are the connection's.
            biased;
            // A failure is the client's: it left, or sent no HTTP, and has been told.
            _ = &mut connection => return,
            _ = &mut alarm => match pulse.overdue(patience) {
                _ if is_last && pulse.is_fresh() => return,
                Some(overdue) => break overdue,
                None => {
                    let next = alarm.deadline() + tick;
                    alarm.as_mut().reset(next);
                }
            },
            // Another connection needs the place. One on which a request has just come stays.
            () = place.wanted() => if pulse.idle().is_some() {
                return;
            },
            Ok(()) = order.changed() => match *order.borrow_and_update() {
                ServerCommand::Serve => {}
                // The answer to its first request will end it.
                ServerCommand::Finish if pulse.is_fresh() => {
                    is_last = true;
                    alarm.set(sleep(FIRST_WORD));
                }
                ServerCommand::Finish => std::pin::Pin::new(&mut connection).graceful_shutdown(),
                ServerCommand::Drop => return,
            },
        }
    };
    if overdue == Overdue::Headers {
        let mut socket = connection.into_parts().io.into_socket();
        let error = ApiError::slow("the headers");
        let _ = socket.write_now(last_word(&error).as_bytes());
    }
}

fn turn_away(socket: &TcpStream) {
    let mut error = Error::new(Kind::Unavailable, "too many connections are open");
    error.retry_after = Some(Duration::from_secs(1));
    say(socket, &ApiError::from(error).closing());
}

/// Written at once or not at all.
fn say(socket: &TcpStream, error: &ApiError) {
    let _ = socket.try_write(last_word(error).as_bytes());
}

/// An answer where hyper is not there to give it.
fn last_word(error: &ApiError) -> String {
    let body = error.body("").to_string();
    let mut text = format!(
        "HTTP/1.1 {}\r\ncontent-length: {}\r\n",
        error.status(),
        body.len()
    );
    let mut reply = error.reply("");
    headers::CommonHeaders::default().add(&mut reply, "");
    for (name, value) in reply.headers() {
        text.push_str(&format!(
            "{name}: {}\r\n",
            value.to_str().unwrap_or_default()
        ));
    }
    format!("{text}\r\n{body}")
}

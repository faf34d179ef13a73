//! The server's lifecycle: accept connections within the limits, serve them, and drain them at shutdown.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hyper::header::CONNECTION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::connection::{
    ActivitySocket, ExpiredTimeout, FIRST_REQUEST_GRACE, ServerCommand, Socket, Timeouts,
};
use super::connection_slots::{ConnectionPermit, ConnectionSlots};
use super::dispatch::{Dispatcher, EntryPoint, PendingResponse};
use super::error::ApiError;
use super::shared::SharedState;
use super::{handlers, head, raw_reply, tls};
use crate::app::App;
use crate::log;
use crate::tls::CertificateResolver;

/// A bound socket and how its connections are served.
pub struct Listener {
    /// The bound socket. The caller binds it, so that it can report that a port is in use.
    pub listener: TcpListener,
    /// Whether `/` returns the JSON index on this listener, because another listener serves the web pages.
    pub index: bool,
    /// The certificates for TLS; `None` for plain HTTP.
    pub tls: Option<Arc<CertificateResolver>>,
}

/// The state that the tasks that accept connections share.
struct Server {
    shared: Arc<SharedState>,
    dispatcher: Arc<Dispatcher>,
    slots: Arc<ConnectionSlots>,
    commands: watch::Receiver<ServerCommand>,
}

/// Serves until `shutdown` completes, and then drains: running requests may continue until the shutdown timeout
/// expires.
pub async fn serve(app: Arc<App>, listeners: Vec<Listener>, shutdown: impl Future<Output = ()>) {
    let limits = app.config.limits;
    let (command, commands) = watch::channel(ServerCommand::Serve);
    let shared = Arc::new(SharedState::new(app));
    let server = Arc::new(Server {
        dispatcher: Arc::new(Dispatcher::new(shared.clone())),
        slots: ConnectionSlots::new(limits.max_connections),
        shared,
        commands,
    });
    let tasks = listeners
        .into_iter()
        .map(|listener| tokio::spawn(server.clone().accept(listener)))
        .chain([tokio::spawn(probe_database(server.shared.clone()))])
        .chain([tokio::spawn(record_minute_stats(server.shared.clone()))])
        .chain([tokio::spawn(watch_accounts(server.shared.clone()))])
        .chain([tokio::spawn(embed_passages(server.shared.clone()))])
        .collect::<Vec<_>>();

    shutdown.await;
    server.shared.stopping.store(true, Relaxed);
    server.shared.app.stopping();
    for task in tasks {
        task.abort();
        // The aborted task closes its listener before it ends.
        let _ = task.await;
    }
    let _ = command.send(ServerCommand::Drain);
    let slots = &server.slots;
    // A replica needs time to receive the last changes, even if a client's stream takes all the time there is.
    let drain_timeout = match server.shared.app.config.replica {
        Some(_) => limits.shutdown_timeout * 3 / 4,
        None => limits.shutdown_timeout,
    };
    if timeout(drain_timeout, slots.all_closed()).await.is_err() {
        let _ = command.send(ServerCommand::Abort);
        let open_count = server.shared.stats.open_connections.load(Relaxed);
        log::warn("connections cut off at shutdown", &[("open", &open_count)]);
        let _ = timeout(Duration::from_secs(1), slots.all_closed()).await;
    }
}

async fn probe_database(shared: Arc<SharedState>) {
    handlers::health::watch(&shared).await;
}

async fn watch_accounts(shared: Arc<SharedState>) {
    shared.app.watch_accounts().await;
}

async fn embed_passages(shared: Arc<SharedState>) {
    shared.app.meaning_search().embed_passages().await;
}

async fn record_minute_stats(shared: Arc<SharedState>) {
    shared.minute_stats.run(&shared.app, &shared.stats).await;
}

impl Server {
    /// Accepts connections until aborted.
    async fn accept(self: Arc<Self>, listener: Listener) {
        let mut pause = Duration::ZERO;
        loop {
            let (socket, peer) = match listener.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) if is_client_error(&error) => continue,
                Err(error) => {
                    // The process has probably run out of file descriptors, so wait until connections close.
                    pause = (pause * 2).clamp(Duration::from_millis(10), Duration::from_secs(1));
                    log::warn("cannot accept a connection", &[("why", &error)]);
                    sleep(pause).await;
                    continue;
                }
            };
            pause = Duration::ZERO;
            let peer = peer.ip().to_canonical();
            let Some(permit) = self.slots.admit(&self.shared, peer).await else {
                self.shared.stats.rejected.fetch_add(1, Relaxed);
                // Before the handshake, a TLS client cannot read a response, so only plain HTTP clients get one.
                if listener.tls.is_none() {
                    raw_reply::reject_overload(&socket);
                }
                continue;
            };
            // Responses are written in one piece, so Nagle's algorithm would only delay them.
            let _ = socket.set_nodelay(true);
            let entry = EntryPoint {
                peer,
                index: listener.index,
                https: listener.tls.is_some(),
            };
            let (dispatcher, mut commands) = (self.dispatcher.clone(), self.commands.clone());
            // These tasks cannot outlive `serve`, which waits until every slot is released.
            match &listener.tls {
                None => {
                    let socket = Socket::Plain(socket);
                    tokio::spawn(serve_connection(
                        dispatcher, permit, socket, entry, commands,
                    ))
                }
                Some(resolver) => {
                    let config = resolver.config();
                    tokio::spawn(async move {
                        let tls_stream =
                            tls::handshake(&permit, socket, config, &mut commands).await;
                        if let Some(socket) = tls_stream {
                            serve_connection(dispatcher, permit, socket, entry, commands).await;
                        }
                    })
                }
            };
        }
    }
}

fn is_client_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Serves a connection until it is closed.
async fn serve_connection(
    dispatcher: Arc<Dispatcher>,
    permit: ConnectionPermit,
    socket: Socket,
    entry: EntryPoint,
    mut commands: watch::Receiver<ServerCommand>,
) {
    let limits = &permit.shared.app.config.limits;
    let timeouts = Timeouts {
        headers: limits.header_timeout,
        idle: limits.idle_timeout,
    };
    let activity = permit.activity.clone();
    let shared_activity = activity.clone();
    let service = service_fn(move |request| {
        let guard = shared_activity.begin_response();
        let pending = match shared_activity.refusal(&request) {
            Some(refusal) => dispatcher.refuse(request.headers(), refusal, entry),
            None => dispatcher.respond(request, entry),
        };
        let app = dispatcher.shared.app.clone();
        async move {
            let mut reply = match pending {
                PendingResponse::Ready(reply) => reply,
                PendingResponse::Future(reply) => reply.await,
            };
            if app.is_leaving() {
                reply = reply.header(CONNECTION, "close");
            }
            Ok::<_, Infallible>(reply.into_response(guard))
        }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // `ConnectionActivity` enforces this timeout instead of hyper.
        .header_read_timeout(None)
        // hyper never sees larger heads, because the socket refuses them. The buffer has room for a whole head and for
        // the bytes received with it.
        .max_buf_size(2 * head::MAX_HEAD_BYTES)
        .serve_connection(ActivitySocket::new(socket, activity.clone()), service);

    let tick = timeouts.headers.min(timeouts.idle) / 2;
    let mut timer = pin!(sleep(tick));
    let mut is_last = false;
    let expired = loop {
        tokio::select! {
            // The connection is polled first, because it causes most wake-ups.
            biased;
            // An error here is the client's fault: it disconnected, or it sent invalid HTTP and has already received an
            // error response.
            _ = &mut connection => return,
            _ = &mut timer => match activity.overdue_phase(timeouts) {
                _ if is_last && activity.is_fresh() => return,
                Some(expired) => break expired,
                None => {
                    let next = timer.deadline() + tick;
                    timer.as_mut().reset(next);
                }
            },
            // Another connection needs this slot. If a request has arrived in the meantime, the connection keeps it.
            () = permit.eviction_requested() => if activity.idle_time().is_some() {
                return;
            },
            Ok(()) = commands.changed() => match *commands.borrow_and_update() {
                ServerCommand::Serve => {}
                // The connection stays open for its first request, and is closed after the response to it.
                ServerCommand::Drain if activity.is_fresh() => {
                    is_last = true;
                    timer.set(sleep(FIRST_REQUEST_GRACE));
                }
                ServerCommand::Drain => std::pin::Pin::new(&mut connection).graceful_shutdown(),
                ServerCommand::Abort => return,
            },
        }
    };
    if expired == ExpiredTimeout::Headers {
        let mut socket = connection.into_parts().io.into_socket();
        let error = ApiError::request_timeout("the headers");
        let _ = socket.try_write_final(raw_reply::error_text(&error).as_bytes());
    }
}

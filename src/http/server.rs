//! The server's life: accept connections, bound them, serve them, drain them.

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

use super::connection::{ActivitySocket, FIRST_WORD, Overdue, ServerCommand, Socket, Timeouts};
use super::connection_slots::{ConnectionPermit, ConnectionSlots};
use super::dispatch::{Dispatcher, EntryPoint, PendingResponse};
use super::error::ApiError;
use super::shared::SharedState;
use super::{handlers, head, raw_reply, tls};
use crate::app::App;
use crate::log;
use crate::tls::CertificateResolver;

/// A bound socket that the server accepts connections from.
pub struct Listener {
    /// Bound by the caller, who knows its port and reports one that is taken.
    pub listener: TcpListener,
    /// Whether `/` is the JSON index here, because another listener serves the pages.
    pub index: bool,
    /// The certificates for TLS; `None` is plain HTTP.
    pub tls: Option<Arc<CertificateResolver>>,
}

/// Accepts connections and serves them.
struct Server {
    shared: Arc<SharedState>,
    dispatcher: Arc<Dispatcher>,
    slots: Arc<ConnectionSlots>,
    commands: watch::Receiver<ServerCommand>,
}

/// Serves until `shutdown` is ready, then lets running requests finish, as long as the settings allow.
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
        .chain([tokio::spawn(keep_minutes(server.shared.clone()))])
        .chain([tokio::spawn(watch_accounts(server.shared.clone()))])
        .collect::<Vec<_>>();

    shutdown.await;
    server.shared.stopping.store(true, Relaxed);
    server.shared.app.stopping();
    for task in tasks {
        task.abort();
        // Waited for, so that its listener is closed before we go on.
        let _ = task.await;
    }
    let _ = command.send(ServerCommand::Finish);
    let slots = &server.slots;
    if timeout(limits.shutdown_timeout, slots.all_left())
        .await
        .is_err()
    {
        let _ = command.send(ServerCommand::Drop);
        let open = server.shared.stats.open.load(Relaxed);
        log::warn("connections cut off at shutdown", &[("open", &open)]);
        let _ = timeout(Duration::from_secs(1), slots.all_left()).await;
    }
}

async fn probe_database(shared: Arc<SharedState>) {
    handlers::health::watch(&shared).await;
}

async fn watch_accounts(shared: Arc<SharedState>) {
    shared.app.watch_accounts().await;
}

async fn keep_minutes(shared: Arc<SharedState>) {
    shared.minute_stats.keep(&shared.app, &shared.stats).await;
}

impl Server {
    /// Accepts connections until it is aborted.
    async fn accept(self: Arc<Self>, listener: Listener) {
        let mut pause = Duration::ZERO;
        loop {
            let (socket, peer) = match listener.listener.accept().await {
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
            let Some(permit) = self.slots.admit(&self.shared, peer).await else {
                self.shared.stats.turned_away.fetch_add(1, Relaxed);
                // Behind a handshake that there is no room for, nobody would understand it.
                if listener.tls.is_none() {
                    raw_reply::turn_away(&socket);
                }
                continue;
            };
            // Answers are written whole; waiting for more to send would only add a delay.
            let _ = socket.set_nodelay(true);
            let entry = EntryPoint {
                peer,
                index: listener.index,
                https: listener.tls.is_some(),
            };
            let (dispatcher, mut commands) = (self.dispatcher.clone(), self.commands.clone());
            // Owned by `serve`, which waits until every slot is back.
            match &listener.tls {
                None => {
                    let socket = Socket::Plain(socket);
                    tokio::spawn(connection(dispatcher, permit, socket, entry, commands))
                }
                Some(resolver) => {
                    let config = resolver.config();
                    tokio::spawn(async move {
                        let opened = tls::handshake(&permit, socket, config, &mut commands).await;
                        if let Some(socket) = opened {
                            connection(dispatcher, permit, socket, entry, commands).await;
                        }
                    })
                }
            };
        }
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
    dispatcher: Arc<Dispatcher>,
    permit: ConnectionPermit,
    socket: Socket,
    entry: EntryPoint,
    mut commands: watch::Receiver<ServerCommand>,
) {
    let limits = &permit.shared.app.config.limits;
    let patience = Timeouts {
        headers: limits.header_timeout,
        idle: limits.idle_timeout,
    };
    let pulse = permit.pulse.clone();
    let answering = pulse.clone();
    let service = service_fn(move |request| {
        let busy = answering.busy();
        let answering = match answering.refusal(&request) {
            Some(refusal) => dispatcher.refuse(request.headers(), refusal, entry),
            None => dispatcher.answer(request, entry),
        };
        let app = dispatcher.shared.app.clone();
        async move {
            let mut reply = match answering {
                PendingResponse::Done(reply) => reply,
                PendingResponse::Coming(reply) => reply.await,
            };
            if app.is_leaving() {
                reply = reply.header(CONNECTION, "close");
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
            () = permit.wanted() => if pulse.idle().is_some() {
                return;
            },
            Ok(()) = commands.changed() => match *commands.borrow_and_update() {
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
        let _ = socket.write_now(raw_reply::error_text(&error).as_bytes());
    }
}

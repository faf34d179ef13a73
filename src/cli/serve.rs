//! `quire serve`: opens the app, binds the ports, serves until a signal arrives, and shuts down cleanly.

use std::future::Future;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::args::CommandCall;
use super::listeners::bind_listeners;
use super::local_address::running_server;
use super::{
    CommandFailure, Outcome, block_on, failed, handover, print, runtime, scheme, status, url,
};
use crate::app::accounts::FirstAdminRule;
use crate::app::offline::doctor;
use crate::app::{App, Kind, folder};
use crate::config::{Config, Registration};
use crate::http::{self, Listener};
use crate::tls::CertificateResolver;
use crate::{allocator, clock, log};

/// Starts the server, and blocks until a signal stops it. If a server is already running, plain `quire` prints its
/// status instead.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.check_argument_count(0)?;
    let config = call.config()?;
    if call.has_no_arguments && running_server(&config).is_some() {
        return block_on(status::print(call, config));
    }
    log::configure(
        log::LogLevel::parse(config.log_level).unwrap_or(log::LogLevel::Info),
        config.log_json,
    );
    runtime()?.block_on(serve(config, call.has("take-over")))
}

async fn serve(mut config: Config, takes_over: bool) -> Outcome {
    // The signals are registered first, so that none is lost during startup.
    let mut signals = ServerSignals::new()?;
    for warning in &config.warnings {
        log::warn(warning, &[]);
    }
    let tls = load_certificate(&config)?;
    let inherited =
        handover::inherited_listeners().or_else(|error| failed(format!("LISTEN_FDS: {error}")))?;
    let is_activated = !inherited.is_empty();
    let (lock, listeners, lines) = match folder::lock(&config.data_dir)? {
        Some(lock) => {
            let inherited_sockets = inherited.into_iter().map(Some).collect();
            let (listeners, lines) =
                bind_listeners(&config, tls.clone(), inherited_sockets).await?;
            (lock, listeners, lines)
        }
        None if takes_over => take_over(&config, tls.clone(), inherited).await?,
        None => return failed(in_use_message(&config)),
    };
    // The last listener is the one for the web pages.
    let last = listeners
        .last()
        .map(|listener_entry| listener_entry.listener.local_addr());
    if let Some(Ok(address)) = last {
        lock.note_address(&url(scheme(&config), address));
    }
    warn_about_data_loss(&config);
    let offer = offer_handover(&config, &listeners);
    if let Some(address) = reachable_address(&listeners) {
        // A socket passed to this process may be reachable from other machines even if the settings name a loopback
        // address.
        config.host = address;
    }
    let app = App::open_to_serve(config)?;
    app.check_redis().await?;
    app.resume().await;
    announce(&app, &listeners, lines).await?;
    let (stop, stopped) = (Notify::new(), Notify::new());
    let work = async {
        let stop_requested = async {
            stop.notified().await;
            stopped.notify_one();
        };
        http::serve(app.clone(), listeners, stop_requested).await;
        app.close().await;
    };
    let app_to_drain = is_activated.then_some(&*app);
    tokio::select! {
        () = work => {}
        () = signals.wait_for_stop(&stop, app_to_drain) => {
            log::warn("stopped at once by a second signal", &[]);
            std::process::exit(130);
        }
        () = stop_after_handover(offer, &app, (&stop, &stopped)) => {}
        () = stop_when_superseded(&app, &stop) => {}
        () = run_housekeeping(&app) => {}
        () = index_older_turns(&app) => {}
        () = app.watch_servers() => {}
        () = app.limits().drive() => {}
        () = watch_certificate(tls.as_deref()) => {}
    }
    if app.is_abandoned() {
        return failed(
            "the process that took over the replica no longer responds; this one has stopped, because it could no \
             longer store anything\nrestart it (a supervisor does so automatically): it then takes over the replica",
        );
    }
    if app.is_excluded() {
        return failed(
            "a server of an earlier version, which cannot share the database, was started while this one had lost the \
             connection to it; this one has stopped\nstop the other server, then start this one again",
        );
    }
    log::info("stopped", &[]);
    Ok(())
}

/// Prints the addresses, the next steps, and the state of the installation. Logs the limits.
async fn announce(app: &App, listeners: &[Listener], lines: Vec<String>) -> Outcome {
    for line in lines {
        print(line)?;
    }
    let limits = &app.config.limits;
    log::info(
        "limits",
        &[
            ("runs", &limits.max_runs),
            ("calls", &limits.max_calls),
            ("streams", &limits.max_streams),
            ("streams_per_user", &limits.max_streams_per_user),
            ("connections", &limits.max_connections),
        ],
    );
    for line in setup_lines(app, listeners).await? {
        print(line)?;
    }
    for line in status::summary_lines(app) {
        print(line)?;
    }
    Ok(())
}

/// Stops the server when it can no longer store data: another process took over the replica and has since exited, or a
/// server that cannot share the database was started. A restarted server can claim the replica again. Never returns.
async fn stop_when_superseded(app: &App, stop: &Notify) {
    /// How often to check whether the server can still store data.
    const POLL_INTERVAL: Duration = Duration::from_secs(1);
    while !app.is_abandoned() && !app.is_excluded() {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    stop.notify_one();
    std::future::pending().await
}

/// Returns the error message for a data folder that another process uses.
fn in_use_message(config: &Config) -> String {
    let folder = config.data_dir.display();
    let holder = folder::lock_holder(&config.data_dir)
        .map_or_else(String::new, |holder| format!(" ({holder})"));
    format!(
        "another quire is serving from {folder}{holder}\nstop it first, set QUIRE_DATA to another folder, or start with \
         --take-over to replace it without losing a connection"
    )
}

/// Takes over from the running server, which must stop only after this process's settings have been checked.
async fn take_over(
    config: &Config,
    tls: Option<Arc<CertificateResolver>>,
    inherited: Vec<StdListener>,
) -> Result<(folder::FolderLock, Vec<Listener>, Vec<String>), CommandFailure> {
    /// Pause between attempts to lock the data folder.
    const POLL_INTERVAL: Duration = Duration::from_millis(10);
    let mut predecessor = handover::Predecessor::connect(&config.data_dir).or_else(|error| {
        let in_use_text = in_use_message(config);
        failed(format!("{in_use_text}\nthe handover failed: {error}"))
    })?;
    let expected = [Some(config.port), config.ui_port].into_iter().flatten();
    let expected = expected.map(|port| SocketAddr::new(config.host, port));
    // This process may be configured to listen on other addresses than the process that it replaces.
    let is_expected_socket = |socket: &StdListener, expected: SocketAddr| {
        let actual_address = socket.local_addr().unwrap_or(expected);
        actual_address.ip() == expected.ip()
            && (expected.port() == 0 || actual_address.port() == expected.port())
    };
    let sockets = match inherited.is_empty() {
        true => std::mem::take(&mut predecessor.sockets)
            .into_iter()
            .zip(expected)
            .map(|(socket, expected)| is_expected_socket(&socket, expected).then_some(socket))
            .collect(),
        false => inherited.into_iter().map(Some).collect(),
    };
    let (listeners, lines) = bind_listeners(config, tls, sockets).await?;
    let stop_result = predecessor.request_stop();
    stop_result
        .or_else(|error| failed(format!("the previous process cannot be stopped: {error}")))?;
    // The other process may have a longer shutdown timeout than this one.
    let timeout = config.limits.shutdown_timeout * 2 + Duration::from_secs(60);
    let started = clock::instant();
    while started.elapsed() < timeout {
        if let Some(lock) = folder::lock(&config.data_dir)? {
            return Ok((lock, listeners, lines));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    failed(in_use_message(config))
}

/// Offers the listening sockets to a successor. If that fails, the server runs normally, but cannot be replaced without
/// downtime.
fn offer_handover(config: &Config, listeners: &[Listener]) -> Option<handover::Handover> {
    let sockets = listeners
        .iter()
        .map(|listener_entry| listener_entry.listener.as_fd().try_clone_to_owned());
    let offer = sockets
        .collect::<Result<_, _>>()
        .and_then(|sockets| handover::Handover::offer_handover(&config.data_dir, sockets));
    offer
        .inspect_err(|error| log::warn("no other process can take over", &[("why", error)]))
        .ok()
}

/// Stops the server once another process has taken over. Never returns.
async fn stop_after_handover(
    offer: Option<handover::Handover>,
    app: &App,
    (stop, stopped): (&Notify, &Notify),
) {
    if let Some(offer) = offer {
        let stopped_by_takeover = async {
            offer.wait_for_takeover().await;
            app.drain_clients().await;
            stop.notify_one();
        };
        tokio::select! {
            () = stopped_by_takeover => {}
            () = stopped.notified() => {}
        }
    }
    // The offered sockets are closed by now. Otherwise, clients would wait on them if no other process has taken them
    // over.
    std::future::pending().await
}

/// Returns the first address of these listeners that other machines can reach.
fn reachable_address(listeners: &[Listener]) -> Option<IpAddr> {
    let address = |listener_entry: &Listener| listener_entry.listener.local_addr().ok();
    let mut all = listeners
        .iter()
        .filter_map(address)
        .map(|address| address.ip());
    all.find(|ip| !ip.is_loopback())
}

/// Returns the startup lines that explain how to create the first administrator. There are none if an administrator
/// exists.
async fn setup_lines(app: &App, listeners: &[Listener]) -> Result<Vec<String>, CommandFailure> {
    let Some(setup) = app.accounts().pending_setup().await? else {
        return Ok(Vec::new());
    };
    let config = &app.config;
    // The last listener is the one for the web pages.
    let address = listeners
        .last()
        .and_then(|listener_entry| listener_entry.listener.local_addr().ok());
    let local_url = || address.map_or_else(String::new, |address| url(scheme(config), address));
    let page = format!(
        "{}/login",
        config.public_url.clone().unwrap_or_else(local_url)
    );
    let mut lines = match setup {
        FirstAdminRule::FirstAccount => {
            return Ok(vec![format!(
                "There is no account yet. The first one created at {page} becomes the administrator"
            )]);
        }
        FirstAdminRule::Token { token, is_generated: true } => vec![
            "There is no administrator yet. This link creates one; it is valid until it is used or the server restarts:"
                .to_owned(),
            format!("  {page}#setup={token}"),
        ],
        FirstAdminRule::Token { .. } => vec![format!(
            "There is no administrator yet. Create one at {page} with the value of QUIRE_SETUP_TOKEN"
        )],
    };
    if config.public_url.is_none()
        && reachable_address(listeners).is_some_and(|ip| ip.is_unspecified())
    {
        lines.push(
            "To open the link on another machine, replace its host with this machine's name or address".to_owned(),
        );
    }
    if config.registration == Registration::Open {
        let text =
            "Anyone who can reach this server can create an ordinary account (REGISTRATION=open)";
        lines.push(text.to_owned());
    }
    Ok(lines)
}

/// Warns if the stored data may be lost in a restart.
fn warn_about_data_loss(config: &Config) {
    if let Some(why) =
        doctor::ephemeral_file_system(&config.data_dir).filter(|_| config.replica.is_none())
    {
        log::warn("stored data may not survive a restart", &[("why", &why)]);
        let disk = format!(
            "a disk mounted at {} (docker run -v quire:/data, a `disk` in render.yaml)",
            config.data_dir.display()
        );
        let replica = "QUIRE_REPLICA=s3://bucket/prefix with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, outside AWS, AWS_ENDPOINT_URL";
        log::warn(
            "to keep data, mount a disk or set up a replica",
            &[("disk", &disk), ("replica", &replica)],
        );
    }
}

/// SIGTERM and SIGINT, either of which stops the server.
struct ServerSignals {
    term: Signal,
    int: Signal,
}

impl ServerSignals {
    fn new() -> Result<Self, CommandFailure> {
        let listen = |kind| {
            signal(kind).or_else(|error| failed(format!("cannot listen for signals: {error}")))
        };
        Ok(Self {
            term: listen(SignalKind::terminate())?,
            int: listen(SignalKind::interrupt())?,
        })
    }
    /// Waits for two signals. After the first one, the server shuts down cleanly. If `app_to_drain` is given, the
    /// shutdown starts only when no request is running, because another process keeps the sockets open. The second
    /// signal ends the wait.
    async fn wait_for_stop(&mut self, stop: &Notify, app_to_drain: Option<&App>) {
        self.next().await;
        log::info("stopping", &[]);
        if let Some(app) = app_to_drain {
            tokio::select! {
                () = app.drain_clients() => {}
                () = self.next() => return,
            }
        }
        stop.notify_one();
        self.next().await;
    }
    async fn next(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

/// Loads the TLS certificate, if the settings name one.
fn load_certificate(config: &Config) -> Result<Option<Arc<CertificateResolver>>, CommandFailure> {
    let Some(files) = &config.tls else {
        return Ok(None);
    };
    match CertificateResolver::open(files.clone(), clock::now()) {
        Ok(certificate) => Ok(Some(Arc::new(certificate))),
        Err(why) => failed(why),
    }
}

/// Reloads the certificate when its files change or when SIGHUP arrives. Never returns.
async fn watch_certificate(certificate: Option<&CertificateResolver>) {
    /// How often the files are checked.
    const CHECK_INTERVAL: Duration = Duration::from_secs(10);
    // Without a certificate, SIGHUP keeps its default effect.
    let (Some(certificate), Ok(mut hangups)) = (certificate, signal(SignalKind::hangup())) else {
        return std::future::pending().await;
    };
    loop {
        let is_requested = tokio::select! {
            _ = hangups.recv() => true,
            () = tokio::time::sleep(CHECK_INTERVAL) => false,
        };
        match certificate.refresh(is_requested, clock::now()) {
            Ok(None) => {}
            Ok(Some(until)) => log::info("certificate reloaded", &[("until", &until)]),
            Err(why) => log::error("the previous certificate stays in use", &[("why", &why)]),
        }
    }
}

/// Runs housekeeping: releases memory while the server is idle, deletes expired data, and updates the state of the
/// providers. Never returns.
async fn run_housekeeping(app: &Arc<App>) {
    /// Pause between rounds.
    const CHECK_INTERVAL: Duration = Duration::from_secs(10);
    /// Number of rounds between cleanups: one cleanup per hour.
    const ROUNDS_PER_CLEANUP: u32 = 360;
    /// Number of rounds between probes while a provider is unavailable: one probe per minute, because a provider may be
    /// started after this server.
    const ROUNDS_PER_PROBE: u32 = 6;
    let mut round = 0_u32;
    app.discovery().probe_local_servers().await;
    // The first start writes the whole schema, which fills SQLite's page cache.
    log_failure(app, app.free_cache()).await;
    allocator::release_memory();
    let (mut commits, mut is_memory_freed) = (app.commits(), true);
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        let previous = std::mem::replace(&mut commits, app.commits());
        is_memory_freed &= commits == previous;
        if commits == previous && !is_memory_freed {
            log_failure(app, app.free_cache()).await;
            is_memory_freed = true;
        }
        app.close_idle_connections();
        app.restore_reserve().await;
        round = round.wrapping_add(1);
        // Providers may have been changed from the command line.
        log_failure(app, app.discovery().reload_if_changed()).await;
        app.backups().back_up_if_due(clock::now()).await;
        app.discovery().probe_new_providers().await;
        if round % ROUNDS_PER_CLEANUP == 1 {
            log_failure(app, app.run_housekeeping(clock::now())).await;
        }
        let states = app.models().providers(None);
        let missing = states.iter().any(|state| state.status == "unavailable");
        if round.is_multiple_of(ROUNDS_PER_CLEANUP)
            || (missing && round.is_multiple_of(ROUNDS_PER_PROBE))
        {
            app.discovery().probe_local_servers().await;
        }
        allocator::release_memory();
    }
}

/// Indexes turns that older versions have stored. Starts after a delay, so that the server can answer its first
/// requests. Never returns.
async fn index_older_turns(app: &App) {
    /// Delay after the server has started.
    const START_DELAY: Duration = Duration::from_secs(5);
    tokio::time::sleep(START_DELAY).await;
    app.index_older_turns().await;
    std::future::pending().await
}

/// Logs a failure, unless the shutdown has interrupted the work.
async fn log_failure(app: &App, work: impl Future<Output = crate::app::Result<()>>) {
    if let Err(error) = work.await
        && !(error.kind == Kind::Unavailable && app.is_leaving())
    {
        log::error(
            "housekeeping failed",
            &[("why", &error.private.unwrap_or(error.public))],
        );
    }
}

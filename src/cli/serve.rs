//! `quire serve`: opens the app, binds the ports, serves until a signal, closes in order.

use std::future::Future;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::args::CommandCall;
use super::{CommandFailure, Outcome, failed, handover, print, runtime, scheme, url};
use crate::app::accounts::FirstAdminRule;
use crate::app::{App, doctor, folder};
use crate::config::{Config, Registration};
use crate::http::{self, Listener};
use crate::tls::CertificateResolver;
use crate::{clock, log, system};

/// Serves until it is told to stop.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.at_most(0)?;
    let config = call.config()?;
    log::configure(
        log::LogLevel::parse(config.log_level).unwrap_or(log::LogLevel::Info),
        config.log_json,
    );
    runtime()?.block_on(serve(config, call.has("take-over")))
}

async fn serve(mut config: Config, takes_over: bool) -> Outcome {
    // Before anything is opened: a signal during the start must not be lost.
    let mut signals = Signals::new()?;
    for warning in &config.warnings {
        log::warn(warning, &[]);
    }
    let tls = shown(&config)?;
    let given = handover::given().or_else(|error| failed(format!("LISTEN_FDS: {error}")))?;
    let is_activated = !given.is_empty();
    let (lock, doors, lines) = match folder::lock(&config.data_dir)? {
        Some(lock) => {
            let open = given.into_iter().map(Some).collect();
            let (doors, lines) = doors(&config, tls.clone(), open).await?;
            (lock, doors, lines)
        }
        None if takes_over => take_over(&config, tls.clone(), given).await?,
        None => return failed(held(&config)),
    };
    // Pages are on the last door.
    let last = doors.last().map(|door| door.listener.local_addr());
    if let Some(Ok(address)) = last {
        lock.note_address(&url(scheme(&config), address));
    }
    warn_of_loss(&config);
    let will = will(&config, &doors);
    if let Some(open) = reachable(&doors) {
        // A socket that was handed to us may be open to others where the settings say otherwise.
        config.host = open;
    }
    let app = App::open_to_serve(config)?;
    app.resume().await;
    for line in lines {
        print(line)?;
    }
    for line in welcome(&app, &doors).await? {
        print(line)?;
    }
    let (stop, stopped) = (Notify::new(), Notify::new());
    let work = async {
        let told = async {
            stop.notified().await;
            stopped.notify_one();
        };
        http::serve(app.clone(), doors, told).await;
        app.close().await;
    };
    let slowly = is_activated.then_some(&*app);
    tokio::select! {
        () = work => {}
        () = signals.obey(&stop, slowly) => {
            log::warn("stopped at once by a second signal", &[]);
            std::process::exit(130);
        }
        () = relieved(will, &app, (&stop, &stopped)) => {}
        () = abandoned(&app, &stop) => {}
        () = upkeep(&app) => {}
        () = renew(tls.as_deref()) => {}
    }
    if app.is_abandoned() {
        return failed(
            "the quire that took over the replica no longer answers: this one has stopped, because it stores nothing \
             any more\nstart it again (a supervisor does so by itself): it then takes the replica over",
        );
    }
    log::info("stopped", &[]);
    Ok(())
}

/// Stops once the process that took over the replica has ended: then nobody stores anything, and only a new start
/// can take over. Never ends.
async fn abandoned(app: &App, stop: &Notify) {
    const LOOK: Duration = Duration::from_secs(1);
    while !app.is_abandoned() {
        tokio::time::sleep(LOOK).await;
    }
    stop.notify_one();
    std::future::pending().await
}

/// Why there cannot be a second one, and who the first one is.
fn held(config: &Config) -> String {
    let shown = config.data_dir.display();
    let who = folder::holder(&config.data_dir).map_or_else(String::new, |who| format!(" ({who})"));
    format!(
        "another quire is serving from {shown}{who}\nstop it first, set QUIRE_DATA to another folder, or start with \
         --take-over to replace it without losing a connection"
    )
}

/// Takes the place of the process that holds the folder. It is told to go when nothing is left that can be wrong
/// with our own settings.
async fn take_over(
    config: &Config,
    tls: Option<Arc<CertificateResolver>>,
    given: Vec<StdListener>,
) -> Result<(folder::FolderLock, Vec<Listener>, Vec<String>), CommandFailure> {
    const LOOK: Duration = Duration::from_millis(10);
    let mut before = handover::Predecessor::meet(&config.data_dir).or_else(|error| {
        let held = held(config);
        failed(format!("{held}\nit does not hand over: {error}"))
    })?;
    let wanted = [Some(config.port), config.ui_port].into_iter().flatten();
    let wanted = wanted.map(|port| SocketAddr::new(config.host, port));
    // The next one may listen elsewhere.
    let fits = |socket: &StdListener, wanted: SocketAddr| {
        let is = socket.local_addr().unwrap_or(wanted);
        is.ip() == wanted.ip() && (wanted.port() == 0 || is.port() == wanted.port())
    };
    let open = match given.is_empty() {
        true => std::mem::take(&mut before.sockets)
            .into_iter()
            .zip(wanted)
            .map(|(socket, wanted)| fits(&socket, wanted).then_some(socket))
            .collect(),
        false => given.into_iter().map(Some).collect(),
    };
    let (doors, lines) = doors(config, tls, open).await?;
    let told = before.relieve();
    told.or_else(|error| failed(format!("the one before cannot be told to go: {error}")))?;
    // It may take its own time to stop, which may be longer than ours.
    let patience = config.limits.shutdown_timeout * 2 + Duration::from_secs(60);
    let begun = clock::instant();
    while begun.elapsed() < patience {
        if let Some(lock) = folder::lock(&config.data_dir)? {
            return Ok((lock, doors, lines));
        }
        tokio::time::sleep(LOOK).await;
    }
    failed(held(config))
}

/// What the next process is left. Without it nothing is lost but the hand-over.
fn will(config: &Config, doors: &[Listener]) -> Option<handover::Handover> {
    let sockets = doors
        .iter()
        .map(|door| door.listener.as_fd().try_clone_to_owned());
    let will = sockets
        .collect::<Result<_, _>>()
        .and_then(|sockets| handover::Handover::of(&config.data_dir, sockets));
    will.inspect_err(|error| log::warn("a next process cannot take over", &[("why", error)]))
        .ok()
}

/// Stops once somebody else has taken over. Never ends.
async fn relieved(
    will: Option<handover::Handover>,
    app: &App,
    (stop, stopped): (&Notify, &Notify),
) {
    if let Some(will) = will {
        let taken_over = async {
            will.done().await;
            app.leave().await;
            stop.notify_one();
        };
        tokio::select! {
            () = taken_over => {}
            () = stopped.notified() => {}
        }
    }
    // The will's sockets are closed by now: where nobody has taken them over, nobody shall wait at them.
    std::future::pending().await
}

/// An address of these listeners that other machines can reach.
fn reachable(doors: &[Listener]) -> Option<IpAddr> {
    let address = |door: &Listener| door.listener.local_addr().ok();
    let mut all = doors.iter().filter_map(address).map(|address| address.ip());
    all.find(|ip| !ip.is_loopback())
}

/// Startup lines that say how to create the first administrator.
async fn welcome(app: &App, doors: &[Listener]) -> Result<Vec<String>, CommandFailure> {
    let Some(setup) = app.accounts().open_setup().await? else {
        return Ok(Vec::new());
    };
    let config = &app.config;
    // Pages are on the last door.
    let address = doors
        .last()
        .and_then(|door| door.listener.local_addr().ok());
    let here = || address.map_or_else(String::new, |address| url(scheme(config), address));
    let page = format!("{}/login", config.public_url.clone().unwrap_or_else(here));
    let mut lines = match setup {
        FirstAdminRule::FirstCome => {
            return Ok(vec![format!(
                "There is no account yet: the first one that is created at {page} becomes the administrator"
            )]);
        }
        FirstAdminRule::Token { token, is_made: true } => vec![
            "There is no administrator yet. This link makes one, until it is used or the server starts again:"
                .to_owned(),
            format!("  {page}#setup={token}"),
        ],
        FirstAdminRule::Token { .. } => vec![format!(
            "There is no administrator yet. Create one at {page} with the value of QUIRE_SETUP_TOKEN"
        )],
    };
    if config.public_url.is_none() && reachable(doors).is_some_and(|ip| ip.is_unspecified()) {
        lines.push("From another machine, put this one's name or address in the link".to_owned());
    }
    if config.registration == Registration::Open {
        let text = "Everybody who can reach this server can create an ordinary account (REGISTRATION=open)";
        lines.push(text.to_owned());
    }
    Ok(lines)
}

/// Says loudly that what is stored may not last, where that is so.
fn warn_of_loss(config: &Config) {
    if let Some(why) = doctor::ephemeral(&config.data_dir).filter(|_| config.replica.is_none()) {
        log::warn("what is stored may not outlive a restart", &[("why", &why)]);
        let disk = format!(
            "a disk mounted at {} (docker run -v quire:/data, a `disk` in render.yaml)",
            config.data_dir.display()
        );
        log::warn("one line mends it", &[("either", &disk)]);
        let replica = "QUIRE_REPLICA=s3://bucket/prefix with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, outside Amazon, AWS_ENDPOINT_URL";
        log::warn("one line mends it", &[("or", &replica)]);
    }
}

/// Takes the sockets that were opened for us, binds the ports that are missing, and says where people find them.
async fn doors(
    config: &Config,
    tls: Option<Arc<CertificateResolver>>,
    open: Vec<Option<StdListener>>,
) -> Result<(Vec<Listener>, Vec<String>), CommandFailure> {
    let mut open = open.into_iter();
    let (listener, address) = bind(config.host, config.port, open.next().flatten()).await?;
    let index = config.ui_port.is_some();
    let scheme = scheme(config);
    let mut lines = vec![format!("Quire is listening on {scheme}://{address}")];
    if address.ip().is_unspecified() {
        lines.push(format!(
            "That is every network interface of this machine; on the machine itself, open {}",
            url(scheme, address)
        ));
    }
    let mut doors = vec![Listener {
        listener,
        index,
        tls: tls.clone(),
    }];
    if let Some(port) = config.ui_port {
        let (listener, address) = bind(config.host, port, open.next().flatten()).await?;
        doors.push(Listener {
            listener,
            index: false,
            tls,
        });
        lines.push(format!("Its pages are on {}", url(scheme, address)));
    }
    Ok((doors, lines))
}

async fn bind(
    host: IpAddr,
    port: u16,
    open: Option<StdListener>,
) -> Result<(TcpListener, SocketAddr), CommandFailure> {
    let wanted = SocketAddr::new(host, port);
    let bound = async {
        let listener = match open {
            Some(socket) => {
                socket.set_nonblocking(true)?;
                TcpListener::from_std(socket)?
            }
            None => TcpListener::bind(wanted).await?,
        };
        let address = listener.local_addr()?;
        Ok::<_, std::io::Error>((listener, address))
    };
    bound
        .await
        .or_else(|error| failed(format!("cannot listen on {wanted}: {error}")))
}

/// The two signals that ask us to stop.
struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    fn new() -> Result<Self, CommandFailure> {
        let listen = |kind| {
            signal(kind).or_else(|error| failed(format!("cannot listen for signals: {error}")))
        };
        Ok(Self {
            term: listen(SignalKind::terminate())?,
            int: listen(SignalKind::interrupt())?,
        })
    }
    /// The first signal asks to stop in order, at a good moment where somebody else keeps the sockets; the second
    /// one ends the wait.
    async fn obey(&mut self, stop: &Notify, slowly: Option<&App>) {
        self.next().await;
        log::info("stopping", &[]);
        if let Some(app) = slowly {
            tokio::select! {
                () = app.leave() => {}
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

/// What TLS is spoken with, where it is.
fn shown(config: &Config) -> Result<Option<Arc<CertificateResolver>>, CommandFailure> {
    let Some(files) = &config.tls else {
        return Ok(None);
    };
    match CertificateResolver::open(files.clone(), clock::now()) {
        Ok(shown) => Ok(Some(Arc::new(shown))),
        Err(why) => failed(why),
    }
}

/// Takes up a renewed certificate: when its files change, and when we are told to. Never ends.
async fn renew(shown: Option<&CertificateResolver>) {
    const PAUSE: Duration = Duration::from_secs(10);
    // Without a certificate the signal means what it does to every program.
    let (Some(shown), Ok(mut told)) = (shown, signal(SignalKind::hangup())) else {
        return std::future::pending().await;
    };
    loop {
        let is_told = tokio::select! {
            _ = told.recv() => true,
            () = tokio::time::sleep(PAUSE) => false,
        };
        match shown.refresh(is_told, clock::now()) {
            Ok(None) => {}
            Ok(Some(until)) => log::info("certificate read again", &[("until", &until)]),
            Err(why) => log::error("the certificate from before is kept", &[("why", &why)]),
        }
    }
}

/// Gives memory back while nothing happens, clears away what has run out, and keeps what is known of the
/// providers fresh. Never ends.
async fn upkeep(app: &Arc<App>) {
    const PAUSE: Duration = Duration::from_secs(10);
    const TIDY_EVERY: u32 = 360;
    // A provider that could not be reached is asked again every minute: it may have started after us.
    const ASK_EVERY: u32 = 6;
    let mut round = 0_u32;
    app.models().probe().await;
    loop {
        tokio::time::sleep(PAUSE).await;
        system::give_back();
        app.restock().await;
        round = round.wrapping_add(1);
        // The command line may have changed them.
        report(app.notice_providers()).await;
        app.back_up_when_due(clock::now()).await;
        app.models().probe_new().await;
        if round % TIDY_EVERY == 1 {
            report(app.tidy(clock::now())).await;
        }
        let states = app.models().providers(None);
        let missing = states.iter().any(|state| state.status == "unavailable");
        if round.is_multiple_of(TIDY_EVERY) || (missing && round.is_multiple_of(ASK_EVERY)) {
            app.models().probe().await;
        }
    }
}

async fn report(work: impl Future<Output = crate::app::Result<()>>) {
    if let Err(error) = work.await {
        log::error(
            "upkeep failed",
            &[("why", &error.private.unwrap_or(error.public))],
        );
    }
}

//! `quire serve`: opens the app, binds the ports, serves until a signal, closes in order.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use super::args::Call;
use super::{Failure, Outcome, failed, print, runtime, scheme, url};
use crate::app::{App, doctor, folder};
use crate::config::Config;
use crate::http::{self, Door};
use crate::tls::Shown;
use crate::{clock, log, system};

/// Serves until it is told to stop.
pub(super) fn run(call: &Call) -> Outcome {
    call.at_most(0)?;
    let config = call.config()?;
    log::configure(
        log::Level::parse(config.log_level).unwrap_or(log::Level::Info),
        config.log_json,
    );
    runtime()?.block_on(serve(config))
}

async fn serve(config: Config) -> Outcome {
    // Before anything is opened: a signal during the start must not be lost.
    let mut signals = Signals::new()?;
    for warning in &config.warnings {
        log::warn(warning, &[]);
    }
    let tls = shown(&config)?;
    let Some(_lock) = folder::lock(&config.data_dir)? else {
        let shown = config.data_dir.display();
        let who =
            folder::holder(&config.data_dir).map_or_else(String::new, |who| format!(" ({who})"));
        return failed(format!(
            "another quire is serving from {shown}{who}\nstop it first, or set QUIRE_DATA to another folder"
        ));
    };
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
    let (doors, lines) = doors(&config, tls.clone()).await?;
    let app = App::open_to_serve(config)?;
    app.resume().await;
    for line in lines {
        print(line)?;
    }
    let stop = Notify::new();
    let work = async {
        http::serve(app.clone(), doors, stop.notified()).await;
        app.close().await;
    };
    tokio::select! {
        () = work => {}
        () = signals.obey(&stop) => {
            log::warn("stopped at once by a second signal", &[]);
            std::process::exit(130);
        }
        () = upkeep(&app) => {}
        () = renew(tls.as_deref()) => {}
    }
    log::info("stopped", &[]);
    Ok(())
}

/// Binds the ports, and says where people find them.
async fn doors(
    config: &Config,
    tls: Option<Arc<Shown>>,
) -> Result<(Vec<Door>, Vec<String>), Failure> {
    let (listener, address) = bind(config.host, config.port).await?;
    let index = config.ui_port.is_some();
    let scheme = scheme(config);
    let mut lines = vec![format!("Quire is listening on {}", url(scheme, address))];
    let mut doors = vec![Door {
        listener,
        index,
        tls: tls.clone(),
    }];
    if let Some(port) = config.ui_port {
        let (listener, address) = bind(config.host, port).await?;
        doors.push(Door {
            listener,
            index: false,
            tls,
        });
        lines.push(format!("Its pages are on {}", url(scheme, address)));
    }
    Ok((doors, lines))
}

async fn bind(host: IpAddr, port: u16) -> Result<(TcpListener, SocketAddr), Failure> {
    let wanted = SocketAddr::new(host, port);
    let bound = async {
        let listener = TcpListener::bind(wanted).await?;
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
    fn new() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).or_else(|error| failed(format!("cannot listen for signals: {error}")))
        };
        Ok(Self {
            term: listen(SignalKind::terminate())?,
            int: listen(SignalKind::interrupt())?,
        })
    }
    /// The first signal asks to stop in order; the second one ends the wait.
    async fn obey(&mut self, stop: &Notify) {
        self.next().await;
        log::info("stopping", &[]);
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
fn shown(config: &Config) -> Result<Option<Arc<Shown>>, Failure> {
    let Some(files) = &config.tls else {
        return Ok(None);
    };
    match Shown::open(files.clone(), clock::now()) {
        Ok(shown) => Ok(Some(Arc::new(shown))),
        Err(why) => failed(why),
    }
}

/// Takes up a renewed certificate: when its files change, and when we are told to. Never ends.
async fn renew(shown: Option<&Shown>) {
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
        round = round.wrapping_add(1);
        // The command line may have changed them.
        report(app.notice_providers()).await;
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

//! How the server is. No credential needed; cheap enough to be asked a thousand times a second.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::metrics as prometheus_text;
use crate::app::health::{DatabaseHealth, ProcessStats};
use crate::app::replica::ReplicaStatus;
use crate::app::room::{self, DiskState};
use crate::app::{App, Kind};
use crate::clock;
use crate::domain::time::Timestamp;
use crate::domain::user::{Caller, Role};
use crate::http::auth::Admin;
use crate::http::header::CACHE_CONTROL;
use crate::http::minute_stats::MinuteCounts;
use crate::http::shared::SharedState;
use crate::http::{ApiError, Reply, RequestContext, StatusCode, auth, sse};

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(1);

/// `GET /health`, `GET /api/health`.
pub fn show(shared: &SharedState, now: Instant) -> Reply {
    let cache = &shared.health;
    let mut kept = cache
        .kept
        .lock()
        .unwrap_or_else(|broken| broken.into_inner());
    let (status, bytes) = match &*kept {
        Some((at, status, bytes)) if now.saturating_duration_since(*at) < KEPT => {
            (*status, bytes.clone())
        }
        _ => {
            let (status, bytes) = body(&shared.app, cache.broken.load(Relaxed));
            *kept = Some((now, status, bytes.clone()));
            cache.asked.notify_one();
            (status, bytes)
        }
    };
    Reply::bytes(bytes, "application/json")
        .status(status)
        .header(CACHE_CONTROL, "no-store")
}

/// Asks the database for as long as somebody asks for the health: never more than every other second,
/// and not at all where nobody does. Runs until it is aborted.
pub async fn watch(shared: &SharedState) {
    loop {
        shared.health.asked.notified().await;
        let works = shared.app.probe_database().await;
        let before = shared.health.broken.swap(!works, Relaxed);
        if before == works {
            // The news must not wait until the kept answer is old.
            *shared
                .health
                .kept
                .lock()
                .unwrap_or_else(|broken| broken.into_inner()) = None;
        }
        tokio::time::sleep(2 * KEPT).await;
    }
}

/// What is wrong, the gravest first: a status for the whole, and a sentence.
fn condition(
    app: &App,
    fault: Option<&str>,
    replica: Option<&ReplicaStatus>,
    disk: Option<&DiskState>,
) -> (&'static str, Option<String>) {
    if let Some(fault) = fault {
        return ("error", Some(fault.to_owned()));
    }
    let replica_warns =
        replica.is_some_and(|replica| replica.fault.is_some() || replica.absent > 0);
    let message = match disk {
        Some(disk) if disk.is_full => {
            "the disk is full: reading, signing in and deleting work, nothing else is stored"
        }
        Some(disk) if disk.is_low => "the disk is almost full: no new file and no new run is taken",
        Some(disk) if disk.is_reserve_blocked => room::RESERVE_BLOCKED,
        _ if replica_warns => {
            "the replica does not have everything: what is not there is on this machine only"
        }
        _ if app.has_lost_keys() => {
            "a provider's key cannot be read with this installation's secret: enter its key again"
        }
        _ if !app.can_answer() => {
            "no model can be asked: configure a provider or turn the demo models on"
        }
        _ => return ("ok", None),
    };
    ("warning", Some(message.to_owned()))
}

fn body(app: &App, broken: bool) -> (StatusCode, Bytes) {
    let mut database = app.database();
    if broken && database.fault.is_none() {
        database.fault = Some("it does not answer".into());
    }
    let works = database.fault.is_none();
    let fault = database.fault.as_ref();
    let fault = fault.map(|fault| format!("the database does not work: {fault}"));
    let (shown, disk) = (app.replica(), app.disk());
    let (status, message) = condition(app, fault.as_deref(), shown.as_ref(), disk.as_ref());
    let process = ProcessStats::now();
    let config = &app.config;
    let mut body = json!({
        "status": status,
        "service": config.service_name,
        "app_type": config.app_type,
        "version": env!("CARGO_PKG_VERSION"),
        "environment": config.environment.as_str(),
        "uptime_seconds": uptime(app).as_secs(),
        "database": {
            "status": if works { "ok" } else { "error" },
            "type": "sqlite",
            "engine": database.engine,
        },
        "cache": {
            "status": match (works, config.cache_ttl.is_zero()) {
                (false, _) => "error",
                (true, true) => "disabled",
                (true, false) => "ok",
            },
            "type": "sqlite",
            "ttl_seconds": config.cache_ttl.as_secs(),
        },
        "resources": {
            "rss_mb": megabytes(process.memory_kib),
            "threads": process.threads,
            "open_files": process.open_files,
        },
        "dependencies": dependencies(&database, works),
    });
    if let Some(replica) = &shown {
        body["replica"] = self::replica(replica);
    }
    if let Some(disk) = disk {
        body["disk"] = self::disk(&disk);
    }
    if !works {
        body["error_code"] = "DEPENDENCY_MISSING".into();
    }
    if let Some(message) = message {
        body["message"] = message.into();
    }
    let code = match works {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, body.to_string().into())
}

/// Where it lies and what is wrong with it is for admins: here is only what anybody may rely on.
fn replica(status: &ReplicaStatus) -> Value {
    let state = match (&status.fault, status.absent) {
        (Some(_), _) => "error",
        (None, 0) => "ok",
        (None, _) => "warning",
    };
    json!({
        "status": state,
        "window_seconds": status.window.as_secs(),
        "whole_at": status.whole_at,
        "originals_absent": status.absent,
        "originals_to_fetch": status.originals_left,
    })
}

fn disk(disk: &DiskState) -> Value {
    let state = match (disk.is_full, disk.is_low) {
        (true, _) => "error",
        (false, true) => "warning",
        (false, false) => "ok",
    };
    json!({"status": state, "free_mb": disk.free >> 20, "min_free_mb": disk.floor >> 20})
}

const HYPER: &str = concat!("hyper ", env!("QUIRE_HYPER"));
const TOKIO: &str = concat!(
    "tokio ",
    env!("QUIRE_TOKIO"),
    ", hyper ",
    env!("QUIRE_HYPER")
);
const SERDE: &str = concat!("serde_json ", env!("QUIRE_SERDE_JSON"));
const UREQ: &str = concat!("ureq ", env!("QUIRE_UREQ"));
const RING: &str = concat!("ring ", env!("QUIRE_RING"));
const MULTER: &str = concat!("multer ", env!("QUIRE_MULTER"));

/// The predecessor's packages that something in this program does the work of: name, required, by what.
const SERVED: &[(&str, bool, &str)] = &[
    ("fastapi", true, HYPER),
    ("uvicorn", true, TOKIO),
    ("starlette", true, HYPER),
    ("pydantic", true, SERDE),
    ("httpx", true, UREQ),
    ("aiohttp", true, UREQ),
    ("passlib", true, RING),
    ("bcrypt", false, RING),
    ("python-jose", true, RING),
    ("pyjwt", true, RING),
    ("python-multipart", true, MULTER),
    ("sse-starlette", false, HYPER),
    ("slowapi", false, "token buckets of quire"),
    ("email-validator", false, "quire"),
    ("python-dotenv", false, "quire"),
    ("psutil", false, "/proc"),
    ("prometheus_client", false, "quire, at /metrics"),
];

/// Its packages for things that this program does without.
const ABSENT: &[(&str, &str)] = &[
    ("redis", "not used: the cache is part of the database"),
    ("psycopg2", "not used: the database is SQLite"),
    ("celery", "not used: runs are tasks of this process"),
    ("sentry_sdk", "not used: errors go to the log"),
];

fn dependencies(database: &DatabaseHealth, works: bool) -> Value {
    let row = |available: bool, required: bool, served_by: &str| json!({"available": available, "required": required, "served_by": served_by});
    let mut all = Map::new();
    let sqlite = format!("rusqlite {} / {}", env!("QUIRE_RUSQLITE"), database.engine);
    for name in ["sqlalchemy", "alembic", "aiosqlite"] {
        all.insert(name.into(), row(works, true, &sqlite));
    }
    for (name, required, by) in SERVED {
        all.insert((*name).into(), row(true, *required, by));
    }
    for (name, why) in ABSENT {
        all.insert((*name).into(), row(false, false, why));
    }
    all.into()
}

/// `GET /api/metrics`.
pub async fn metrics(cx: RequestContext) -> Result<Reply, ApiError> {
    let facts = HealthFacts::gather(&cx).await?;
    Ok(Reply::json(&json!({
        "status": "ok",
        "metrics": {
            "uptime_seconds": facts.uptime,
            "requests_processed": facts.requests,
            "avg_processing_time": facts.seconds / facts.requests.max(1) as f64,
            "memory_usage_mb": megabytes(facts.process.memory_kib),
            "cache_hits": facts.cache_hits,
            "prometheus_endpoint": "/metrics",
        },
    })))
}

/// `GET /metrics`: for administrators and for programs on this machine, or for all where the settings
/// say so.
pub async fn prometheus(cx: RequestContext, caller: Option<Caller>) -> Result<Reply, ApiError> {
    let local = auth::is_local(&cx.request, cx.peer);
    let admin = caller
        .as_ref()
        .is_some_and(|caller| caller.role == Role::Admin);
    if !(local || admin || cx.app.config.metrics_public) {
        return Err(match caller {
            None => auth::missing(),
            Some(_) => ApiError::new(Kind::Forbidden, "this is for administrators"),
        });
    }
    let facts = HealthFacts::gather(&cx).await?;
    let classes = cx.shared.stats.classes();
    let text = prometheus_text::text(&classes, &facts.plain(), &cx.app.work().await?);
    Ok(Reply::bytes(
        text,
        "text/plain; version=0.0.4; charset=utf-8",
    ))
}

/// `GET /api/admin/metrics`: the last hours, minute by minute, a list for each figure.
pub async fn hours(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
    let hours = cx.query_number("hours", 1, 24, 6)?;
    let now = clock::now();
    let minute = u32::try_from(now.seconds().div_euclid(60)).unwrap_or_default();
    let from = minute.saturating_sub(hours as u32 * 60);
    let minutes = cx.shared.minute_stats.since(from);
    let list = |figure: fn(&MinuteCounts) -> f64| minutes.iter().map(figure).collect::<Vec<_>>();
    let at: Vec<_> = minutes
        .iter()
        .map(|minute| Timestamp::from_millis(i64::from(minute.at) * 60_000))
        .collect();
    Ok(Reply::json(&json!({
        "from": Timestamp::from_millis(i64::from(from) * 60_000),
        "to": now,
        "at": at,
        "requests": list(|minute| minute.requests.into()),
        "failed": list(|minute| minute.failed.into()),
        "calls": list(|minute| minute.calls.into()),
        "analyses": list(|minute| minute.runs.into()),
        "memory_mb": list(|minute| megabytes(minute.memory_kib.into())),
        "commit_ms": list(|minute| f64::from(minute.commit_us) / 1000.0),
    })))
}

/// `GET /api/internal/resources`.
pub async fn resources(cx: RequestContext) -> Result<Reply, ApiError> {
    let process = ProcessStats::now();
    let up = uptime(&cx.app).as_secs_f64();
    Ok(Reply::json(&json!({
        "memory_mb": megabytes(process.memory_kib),
        // Of one processor, on average since the start.
        "cpu_percent": tenths(process.cpu.as_secs_f64() * 100.0 / up.max(0.01)),
        "open_files": process.open_files,
        "connections": cx.shared.stats.open.load(Relaxed),
        "threads": process.threads,
    })))
}

/// Events of the self-test, and the pause between them.
const TICKS: u8 = 4;
const PAUSE: Duration = Duration::from_millis(250);

/// `GET /api/internal/ticks`: a few events with pauses between them. Whoever asks through a proxy sees whether
/// it holds answers back (`quire doctor` does).
pub async fn ticks(cx: RequestContext) -> Result<Reply, ApiError> {
    Ok(sse::stream(&cx, 0, |sent: u8| async move {
        if sent == TICKS {
            return None;
        }
        if sent > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let tick = sse::SseEvent {
            id: None,
            name: "tick".into(),
            data: sent.to_string(),
        };
        Some((vec![tick], sent + 1))
    }))
}

struct HealthFacts {
    uptime: u64,
    requests: u64,
    seconds: f64,
    open: usize,
    turned_away: u64,
    cache_hits: u64,
    process: ProcessStats,
}

impl HealthFacts {
    async fn gather(cx: &RequestContext) -> Result<Self, ApiError> {
        let stats = &cx.shared.stats;
        Ok(Self {
            uptime: uptime(&cx.app).as_secs(),
            requests: stats.total(),
            seconds: stats.seconds(),
            open: stats.open.load(Relaxed),
            turned_away: stats.turned_away.load(Relaxed),
            cache_hits: cx.app.cache_hits().await?,
            process: ProcessStats::now(),
        })
    }

    /// The figures that have one value.
    fn plain(&self) -> [prometheus_text::Plain; 10] {
        [
            (
                "quire_request_seconds_total",
                "counter",
                "Time spent until answers began.",
                self.seconds,
            ),
            (
                "quire_connections",
                "gauge",
                "Connections open.",
                self.open as f64,
            ),
            (
                "quire_connections_refused_total",
                "counter",
                "Connections turned away.",
                self.turned_away as f64,
            ),
            (
                "quire_cache_hits_total",
                "counter",
                "Answers given again.",
                self.cache_hits as f64,
            ),
            (
                "process_resident_memory_bytes",
                "gauge",
                "Resident memory.",
                self.process.memory_kib as f64 * 1024.0,
            ),
            (
                "process_cpu_seconds_total",
                "counter",
                "Processor time.",
                self.process.cpu.as_secs_f64(),
            ),
            (
                "process_open_fds",
                "gauge",
                "Open file handles.",
                self.process.open_files as f64,
            ),
            (
                "process_threads",
                "gauge",
                "Threads.",
                self.process.threads as f64,
            ),
            (
                "quire_uptime_seconds",
                "gauge",
                "Time since the start.",
                self.uptime as f64,
            ),
            (
                "quire_process_memory_bytes",
                "gauge",
                "Memory of its own, with its share of what processes have in common.",
                ProcessStats::own_kib() as f64 * 1024.0,
            ),
        ]
    }
}

fn uptime(app: &App) -> Duration {
    clock::now().since(app.started)
}

fn megabytes(kibibytes: u64) -> f64 {
    tenths(kibibytes as f64 / 1024.0)
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

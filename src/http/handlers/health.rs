//! Health checks and metrics. `/health` needs no credential, and its response is cached, so that thousands of requests
//! per second cost little.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::metrics as prometheus_text;
use crate::app::disk_space::{self, DiskState};
use crate::app::health::{DatabaseHealth, ProcessStats};
use crate::app::replica::ReplicaStatus;
use crate::app::{App, Kind, RedisState};
use crate::clock;
use crate::domain::time::Timestamp;
use crate::domain::user::{Caller, Role};
use crate::http::auth::Admin;
use crate::http::header::CACHE_CONTROL;
use crate::http::minute_stats::MinuteCounts;
use crate::http::shared::SharedState;
use crate::http::{ApiError, Reply, RequestContext, StatusCode, auth, sse};

/// How long a health response is cached.
const CACHE_TTL: Duration = Duration::from_secs(1);

/// `GET /health`, `/api/health`: returns the status of the server and its dependencies.
pub fn show(shared: &SharedState, now: Instant) -> Reply {
    let cache = &shared.health;
    let mut cached = cache
        .cached_response
        .lock()
        .unwrap_or_else(|broken| broken.into_inner());
    let (status, bytes) = match &*cached {
        Some((at, status, bytes)) if now.saturating_duration_since(*at) < CACHE_TTL => {
            (*status, bytes.clone())
        }
        _ => {
            let (status, bytes) = health_body(&shared.app, cache.probe_failed.load(Relaxed));
            *cached = Some((now, status, bytes.clone()));
            cache.probe_requested.notify_one();
            (status, bytes)
        }
    };
    Reply::bytes(bytes, "application/json")
        .status(status)
        .header(CACHE_CONTROL, "no-store")
}

/// Probes the database at most every two seconds, and only while health checks arrive. Runs until aborted.
pub async fn watch(shared: &SharedState) {
    loop {
        shared.health.probe_requested.notified().await;
        let is_healthy = shared.app.health().probe_database().await;
        let has_failed_before = shared.health.probe_failed.swap(!is_healthy, Relaxed);
        if has_failed_before == is_healthy {
            // The status has changed, so discard the cached response.
            *shared
                .health
                .cached_response
                .lock()
                .unwrap_or_else(|broken| broken.into_inner()) = None;
        }
        tokio::time::sleep(2 * CACHE_TTL).await;
    }
}

/// Returns the overall status and the message about the most severe problem.
fn overall_status(
    app: &App,
    database_error: Option<&str>,
    replica: Option<&ReplicaStatus>,
    disk: Option<&DiskState>,
) -> (&'static str, Option<String>) {
    if let Some(error) = database_error {
        return ("error", Some(error.to_owned()));
    }
    let has_replica_warning =
        replica.is_some_and(|replica| replica.error.is_some() || replica.absent_originals > 0);
    let message = match disk {
        Some(disk) if disk.is_full => {
            "the disk is full: reading, signing in, and deleting still work, but nothing else is stored"
        }
        Some(disk) if disk.is_low => "the disk is almost full: new files and runs are refused",
        Some(disk) if disk.is_reserve_blocked => disk_space::RESERVE_BLOCKED,
        _ if has_replica_warning => {
            "the replica is incomplete: some data exists only on this machine"
        }
        _ if app.limits().is_configured() && !app.limits().is_shared() => {
            "Redis cannot be used: the limits are divided among the servers"
        }
        _ if app.health().has_lost_keys() => {
            "a provider's key cannot be decrypted with this installation's secret: enter the key again"
        }
        _ if !app.health().has_callable_model() => {
            "no model is available: configure a provider or turn on the demo models"
        }
        _ => return ("ok", None),
    };
    ("warning", Some(message.to_owned()))
}

fn health_body(app: &App, probe_failed: bool) -> (StatusCode, Bytes) {
    let mut database = app.health().database();
    if probe_failed && database.error.is_none() {
        database.error = Some("it does not respond".into());
    }
    let is_healthy = database.error.is_none();
    let engine = match database.is_embedded {
        true => "sqlite",
        false => "postgresql",
    };
    let error = database.error.as_ref();
    let error = error.map(|error| format!("the database is not working: {error}"));
    let (replica, disk) = (app.health().replica(), app.health().disk());
    let (status, message) = overall_status(app, error.as_deref(), replica.as_ref(), disk.as_ref());
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
            "status": if is_healthy { "ok" } else { "error" },
            "type": engine,
            "engine": database.engine,
        },
        "cache": {
            "status": match (is_healthy, config.cache_ttl.is_zero()) {
                (false, _) => "error",
                (true, true) => "disabled",
                (true, false) => "ok",
            },
            "type": engine,
            "ttl_seconds": config.cache_ttl.as_secs(),
        },
        "resources": {
            "rss_mb": megabytes(process.memory_kib),
            "threads": process.threads,
            "open_files": process.open_files,
        },
        "dependencies": dependencies_json(app, &database, is_healthy),
    });
    if let Some(replica) = &replica {
        body["replica"] = self::replica_json(replica);
    }
    if let Some(disk) = disk {
        body["disk"] = self::disk_json(&disk);
    }
    if !is_healthy {
        body["error_code"] = "DEPENDENCY_MISSING".into();
    }
    if let Some(message) = message {
        body["message"] = message.into();
    }
    let code = match is_healthy {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    // Serializing a JSON value cannot fail.
    let text = serde_json::to_vec(&body).unwrap_or_default();
    (code, text.into())
}

/// Returns the replica's state as JSON. Its address and error are omitted, because only administrators may see them.
fn replica_json(status: &ReplicaStatus) -> Value {
    let state = match (&status.error, status.absent_originals) {
        (Some(_), _) => "error",
        (None, 0) => "ok",
        (None, _) => "warning",
    };
    json!({
        "status": state,
        "window_seconds": status.sync_interval.as_secs(),
        "whole_at": status.replicated_until,
        "originals_absent": status.absent_originals,
        "originals_to_fetch": status.originals_to_fetch,
    })
}

fn disk_json(disk: &DiskState) -> Value {
    let state = match (disk.is_full, disk.is_low) {
        (true, _) => "error",
        (false, true) => "warning",
        (false, false) => "ok",
    };
    json!({"status": state, "free_mb": disk.free_bytes >> 20, "min_free_mb": disk.floor >> 20})
}

/// The version of the SQLite bindings, as resolved in the lock file.
pub const RUSQLITE_VERSION: &str = env!("QUIRE_RUSQLITE");
const HYPER_VERSION: &str = concat!("hyper ", env!("QUIRE_HYPER"));
const TOKIO_VERSION: &str = concat!(
    "tokio ",
    env!("QUIRE_TOKIO"),
    ", hyper ",
    env!("QUIRE_HYPER")
);
const SERDE_VERSION: &str = concat!("serde_json ", env!("QUIRE_SERDE_JSON"));
const UREQ_VERSION: &str = concat!("ureq ", env!("QUIRE_UREQ"));
const RING_VERSION: &str = concat!("ring ", env!("QUIRE_RING"));
const MULTER_VERSION: &str = concat!("multer ", env!("QUIRE_MULTER"));

/// Python packages that clients of Quire's predecessor look for. Each row contains the package's name, whether the
/// package is required, and the version of the library that replaces it.
const REPLACED_PACKAGES: &[(&str, bool, &str)] = &[
    ("fastapi", true, HYPER_VERSION),
    ("uvicorn", true, TOKIO_VERSION),
    ("starlette", true, HYPER_VERSION),
    ("pydantic", true, SERDE_VERSION),
    ("httpx", true, UREQ_VERSION),
    ("aiohttp", true, UREQ_VERSION),
    ("passlib", true, RING_VERSION),
    ("bcrypt", false, RING_VERSION),
    ("python-jose", true, RING_VERSION),
    ("pyjwt", true, RING_VERSION),
    ("python-multipart", true, MULTER_VERSION),
    ("sse-starlette", false, HYPER_VERSION),
    ("slowapi", false, "token buckets of quire"),
    ("email-validator", false, "quire"),
    ("python-dotenv", false, "quire"),
    ("psutil", false, "/proc"),
    ("prometheus_client", false, "quire, at /metrics"),
];

/// Python packages that Quire's predecessor used and Quire does not replace, each with the reason.
const UNUSED_PACKAGES: &[(&str, &str)] = &[
    ("celery", "not used: runs are tasks of this process"),
    ("sentry_sdk", "not used: errors go to the log"),
];

fn dependencies_json(app: &App, database: &DatabaseHealth, is_healthy: bool) -> Value {
    let row = |available: bool, required: bool, provider: &str| json!({"available": available, "required": required, "served_by": provider});
    let mut all = Map::new();
    let library = match database.is_embedded {
        true => format!("rusqlite {RUSQLITE_VERSION}"),
        false => "tokio-postgres".to_owned(),
    };
    let served = format!("{library} / {}", database.engine);
    for name in ["sqlalchemy", "alembic"] {
        all.insert(name.into(), row(is_healthy, true, &served));
    }
    let engines = [
        ("aiosqlite", true, "SQLite"),
        ("psycopg2", false, "PostgreSQL"),
    ];
    for (name, is_embedded, engine) in engines {
        let used = match is_embedded == database.is_embedded {
            true => row(is_healthy, true, &served),
            false => row(
                false,
                false,
                &format!("not used: the database is not {engine}"),
            ),
        };
        all.insert(name.into(), used);
    }
    for (name, required, replacement) in REPLACED_PACKAGES {
        all.insert((*name).into(), row(true, *required, replacement));
    }
    for (name, why) in UNUSED_PACKAGES {
        all.insert((*name).into(), row(false, false, why));
    }
    let (is_shared, provider) = match app.limits().status().map(|redis| redis.state) {
        None => (
            false,
            "not used: the cache and the limits are parts of quire".to_owned(),
        ),
        Some(RedisState::Connected { version }) => (true, format!("{version}, for limits")),
        Some(RedisState::Away { .. }) => (false, "away: the limits are divided".to_owned()),
    };
    all.insert("redis".into(), row(is_shared, false, &provider));
    all.into()
}

/// `GET /api/metrics`: returns basic metrics as JSON.
///
/// # Errors
/// Returns an error if the database cannot be read.
pub async fn metrics(cx: RequestContext) -> Result<Reply, ApiError> {
    let figures = RequestMetrics::collect(&cx).await?;
    Ok(Reply::json(&json!({
        "status": "ok",
        "metrics": {
            "uptime_seconds": figures.uptime,
            "requests_processed": figures.requests,
            "avg_processing_time": figures.seconds / figures.requests.max(1) as f64,
            "memory_usage_mb": megabytes(figures.process.memory_kib),
            "cache_hits": figures.cache_hits,
            "prometheus_endpoint": "/metrics",
        },
    })))
}

/// `GET /metrics`: returns metrics in Prometheus format. Access is limited to administrators and local programs, unless
/// `METRICS_PUBLIC` is set.
///
/// # Errors
/// `SignInNeeded` or `Forbidden` for other callers; `Internal` if the database cannot be read.
pub async fn prometheus(cx: RequestContext, caller: Option<Caller>) -> Result<Reply, ApiError> {
    let is_local = auth::is_local(&cx.request, cx.peer);
    let is_admin = caller
        .as_ref()
        .is_some_and(|caller| caller.role == Role::Admin);
    if !(is_local || is_admin || cx.app.config.metrics_public) {
        return Err(match caller {
            None => auth::credential_required(),
            Some(_) => ApiError::new(Kind::Forbidden, "only administrators can do this"),
        });
    }
    let figures = RequestMetrics::collect(&cx).await?;
    let classes = cx.shared.stats.classes();
    let text = prometheus_text::render(
        &classes,
        &figures.unlabeled(),
        &cx.app.health().work().await?,
    );
    Ok(Reply::bytes(
        text,
        "text/plain; version=0.0.4; charset=utf-8",
    ))
}

/// `GET /api/admin/metrics`: returns statistics for each minute of the last `hours` hours, as one list per metric.
///
/// # Errors
/// `BadInput` if `hours` is not between 1 and 24.
pub async fn minute_stats(cx: RequestContext, _: Admin) -> Result<Reply, ApiError> {
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

/// `GET /api/internal/resources`: returns the process's memory, CPU time, open files, and threads.
///
/// # Errors
/// Never returns an error; all handlers have the same signature.
pub async fn resources(cx: RequestContext) -> Result<Reply, ApiError> {
    let process = ProcessStats::now();
    let uptime_seconds = uptime(&cx.app).as_secs_f64();
    Ok(Reply::json(&json!({
        "memory_mb": megabytes(process.memory_kib),
        // The percentage of one CPU, averaged since the start.
        "cpu_percent": round_to_tenths(process.cpu.as_secs_f64() * 100.0 / uptime_seconds.max(0.01)),
        "open_files": process.open_files,
        "connections": cx.shared.stats.open_connections.load(Relaxed),
        "threads": process.threads,
    })))
}

/// Number of events in the streaming test.
const TICK_COUNT: u8 = 4;
/// Time between events of the streaming test.
const TICK_INTERVAL: Duration = Duration::from_millis(250);

/// `GET /api/internal/ticks`: streams a few events with pauses between them. `quire doctor` uses this to test whether a
/// proxy buffers responses.
///
/// # Errors
/// Never returns an error; all handlers have the same signature.
pub async fn ticks(cx: RequestContext) -> Result<Reply, ApiError> {
    Ok(sse::stream(&cx, 0, |sent: u8| async move {
        if sent == TICK_COUNT {
            return None;
        }
        if sent > 0 {
            tokio::time::sleep(TICK_INTERVAL).await;
        }
        let tick = sse::SseEvent {
            id: None,
            name: "tick".into(),
            data: sent.to_string(),
        };
        Some((vec![tick], sent + 1))
    }))
}

struct RequestMetrics {
    uptime: u64,
    requests: u64,
    seconds: f64,
    open_count: usize,
    rejected: u64,
    cache_hits: u64,
    process: ProcessStats,
}

impl RequestMetrics {
    async fn collect(cx: &RequestContext) -> Result<Self, ApiError> {
        let stats = &cx.shared.stats;
        Ok(Self {
            uptime: uptime(&cx.app).as_secs(),
            requests: stats.total(),
            seconds: stats.seconds(),
            open_count: stats.open_connections.load(Relaxed),
            rejected: stats.rejected.load(Relaxed),
            cache_hits: cx.app.health().cache_hits().await?,
            process: ProcessStats::now(),
        })
    }

    /// Returns the metrics that have no labels.
    fn unlabeled(&self) -> [prometheus_text::UnlabeledMetric; 10] {
        [
            (
                "quire_request_seconds_total",
                "counter",
                "Time to the first byte of responses.",
                self.seconds,
            ),
            (
                "quire_connections",
                "gauge",
                "Connections open.",
                self.open_count as f64,
            ),
            (
                "quire_connections_refused_total",
                "counter",
                "Connections rejected at the limit.",
                self.rejected as f64,
            ),
            (
                "quire_cache_hits_total",
                "counter",
                "Cache hits.",
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
                "CPU time.",
                self.process.cpu.as_secs_f64(),
            ),
            (
                "process_open_fds",
                "gauge",
                "Open file descriptors.",
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
                "Uptime.",
                self.uptime as f64,
            ),
            (
                "quire_process_memory_bytes",
                "gauge",
                "Proportional set size (PSS): private memory plus its share of shared memory.",
                ProcessStats::process_memory_kib() as f64 * 1024.0,
            ),
        ]
    }
}

fn uptime(app: &App) -> Duration {
    clock::now().since(app.started)
}

fn megabytes(kib: u64) -> f64 {
    round_to_tenths(kib as f64 / 1024.0)
}

fn round_to_tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

//! Configuration: defaults < file < `.env` < environment < flags, validated once into a single struct. All errors are
//! reported together. Decides nothing that requires a running server.

mod backups;
mod check;
mod data_dir;
mod file;
mod limits;
mod load;
mod mistaken;
mod models_file;
mod ocr;
pub mod options;
mod providers;
mod public_url;
mod redis;
mod registration;
mod secret;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::catalog::CatalogSheet;
use crate::domain::money::Price;
pub use crate::domain::network::Network;
use crate::domain::plan::EvidenceMode;
use crate::domain::provider::RequestExtras;
use crate::domain::usage;
pub use backups::{BackupConfig, ReplicaConfig};
use check::Checker;
pub use check::http_url;
pub use load::{ConfigLayers, ValueSource};
pub use ocr::OcrConfig;
pub use public_url::RESERVED_PATHS;
pub use redis::RedisConfig;
pub use registration::Registration;
pub use secret::Secret;
pub use tls::TlsFiles;

/// The validated configuration, built once at startup.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port to listen on; 0 picks a free one.
    pub port: u16,
    /// Second port, which serves the web interface; the main port then returns JSON at `/`. `None` for no second port.
    pub ui_port: Option<u16>,
    /// Certificate files for TLS; `None` serves plain HTTP, for example behind a proxy that terminates TLS.
    pub tls: Option<TlsFiles>,
    /// Folder for everything that Quire stores.
    pub data_dir: PathBuf,
    /// Address of the PostgreSQL database; `None` for a file in the data folder.
    pub database_url: Option<Secret>,
    /// The Redis server through which several servers share limits; `None` to divide the limits among them.
    pub redis: Option<RedisConfig>,
    /// Address of the bucket for the documents' original files; `None` for the data folder or the database.
    pub document_store: Option<String>,
    /// Address of the PostgreSQL database without a pooler, for announcements between servers and for migrations;
    /// `None` if not set.
    pub database_direct_url: Option<Secret>,
    /// Address of a running server that CLI commands use; `None` to work on the data folder.
    pub server: Option<String>,
    /// Program that reads documents; `None` for Quire itself. Set only in tests.
    pub reader: Option<PathBuf>,
    /// Folder with custom patterns; `None` for `patterns` in the data folder, if it exists.
    pub patterns: Option<PathBuf>,
    /// Secret that signs tokens and encrypts stored keys; `None` for the secret stored in the data folder.
    pub secret: Option<Secret>,
    /// Continuous replica, also used to restore an empty data folder.
    pub replica: Option<ReplicaConfig>,
    /// Token with which the first administrator registers; `None` to generate one if needed.
    pub setup_token: Option<Secret>,
    /// Scheduled backups; `None` disables them.
    pub backups: Option<BackupConfig>,
    /// Kind of installation.
    pub environment: Environment,
    /// `error`, `warn`, `info`, or `debug`.
    pub log_level: &'static str,
    /// Whether to write log lines as JSON.
    pub log_json: bool,
    /// Origins that may call the API from a browser, in lowercase.
    pub cors_origins: Vec<String>,
    /// Public URL, without a trailing slash; `None` if not set.
    pub public_url: Option<String>,
    /// Proxies whose X-Forwarded headers are trusted.
    pub trusted_proxies: Vec<Network>,
    /// Private networks that providers added by non-administrators may be in.
    pub outbound_allowlist: Vec<Network>,
    /// Whether non-administrators may add providers with custom URLs.
    pub allow_user_base_urls: bool,
    /// Whether to look for local model servers on this machine.
    pub discover_local: bool,
    /// PEM certificates of the authorities to trust instead of the built-in ones; `None` for the built-in ones.
    pub authorities: Option<String>,
    /// Model data from QUIRE_MODELS_FILE.
    pub models: CatalogSheet,
    /// Who may register.
    pub registration: Registration,
    /// Whether to allow analyses without an account; `None` to allow them while there are only demo models, except in
    /// production.
    pub allow_anonymous: Option<bool>,
    /// Whether to offer demo models; `None` to offer them only if no provider is configured.
    pub use_mock: Option<bool>,
    /// How long an answer can be reused; zero turns the cache off.
    pub cache_ttl: Duration,
    /// Maximum total size of all cached answers, in bytes.
    pub cache_bytes: u64,
    /// Whether users share cached answers that use no user's documents or provider keys.
    pub cache_shared: bool,
    /// Value of `app_type` in the `/health` response.
    pub app_type: String,
    /// Value of `service` in the `/health` response.
    pub service_name: String,
    /// Mail server; has no effect yet.
    pub smtp_url: Option<Secret>,
    /// Whether everyone may read `/metrics`.
    pub metrics_public: bool,
    /// Default usage limits of users without individual limits.
    pub budgets: usage::UserLimits,
    /// Offers a blind comparison for about one in this many analyses; 0 means never.
    pub compare_every: u64,
    /// Whether a model compares the answers if the request does not specify this.
    pub evidence: EvidenceMode,
    /// The server's limits and timeouts.
    pub limits: ServerLimits,
    /// How scanned pages are read; `None` if OCR is switched off.
    pub ocr: Option<OcrConfig>,
    /// Number of PBKDF2 rounds for new password hashes.
    pub password_rounds: u32,
    /// The model providers that the settings configure.
    pub providers: Vec<ProviderConfig>,
    /// Warnings to print at startup.
    pub warnings: Vec<String>,
    /// Name and source of each setting, in table order. Does not include values.
    pub sources: Vec<(&'static str, ValueSource)>,
}

/// Limits and timeouts of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Maximum document size, in bytes.
    pub max_upload: u64,
    /// Free bytes on the data folder's disk below which new files and runs are refused; 0 for no limit.
    pub min_free: u64,
    /// Maximum memory for reading one document, in bytes.
    pub document_memory: u64,
    /// Maximum CPU time for reading one document.
    pub document_cpu: Duration,
    /// Maximum text extracted from one document, in bytes.
    pub document_text: usize,
    /// Maximum number of documents read concurrently; 0 for one per core.
    pub document_readers: usize,
    /// Maximum number of concurrent connections.
    pub max_connections: usize,
    /// Maximum number of concurrent analyses; 0 for as many as fit into memory.
    pub max_runs: usize,
    /// Maximum number of concurrent provider calls; 0 for as many as fit into memory.
    pub max_calls: usize,
    /// Maximum number of concurrent calls that API clients make to single models; 0 for the same number as `max_calls`.
    pub max_streams: usize,
    /// Maximum number of concurrent calls that one user's API clients make to single models; 0 for half of
    /// `max_streams`.
    pub max_streams_per_user: usize,
    /// Maximum number of requests per minute and caller.
    pub rate_per_minute: u32,
    /// Maximum number of failed sign-ins per minute for one account from one address.
    pub login_per_minute: u32,
    /// Time limit for a client to send its headers.
    pub header_timeout: Duration,
    /// Time limit for a client to send its body.
    pub body_timeout: Duration,
    /// Idle time after which a connection without a request is closed.
    pub idle_timeout: Duration,
    /// Time limit for connecting to a provider.
    pub connect_timeout: Duration,
    /// Time limit for the first token of a model's answer.
    pub first_token_timeout: Duration,
    /// Time limit between two tokens.
    pub token_timeout: Duration,
    /// Time limit of one stage of an analysis.
    pub stage_timeout: Duration,
    /// Time limit of a whole analysis.
    pub run_timeout: Duration,
    /// Maximum number of retries of a call that failed for a transient reason.
    pub retries: u32,
    /// Time for running work to finish at shutdown.
    pub shutdown_timeout: Duration,
}

/// Kind of installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// A personal machine.
    Development,
    /// A server for other users.
    Production,
    /// Automated tests, which may use cheaper password hashes.
    Test,
}

impl Environment {
    /// Returns the name used in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Environment::Development => "development",
            Environment::Production => "production",
            Environment::Test => "test",
        }
    }
}

/// Configuration of a model provider.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderConfig {
    /// ID: the part of a model's name before the slash.
    pub id: String,
    /// API format; `None` for the default of a provider with this ID.
    pub kind: Option<String>,
    /// Base URL without a trailing slash; `None` for the default of a known provider.
    pub base_url: Option<String>,
    /// API key; `None` for a server that needs none.
    pub api_key: Option<Secret>,
    /// Which of the provider's models can be used.
    pub models: ProviderModels,
    /// Maximum number of concurrent calls to this provider; `None` for no provider-specific limit.
    pub concurrency: Option<usize>,
    /// Price that applies to each of the provider's models, if configured.
    pub price: Option<Price>,
    /// Headers and body fields added to the provider's requests.
    pub request_extras: RequestExtras,
}

/// Which models of a provider can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderModels {
    /// All models: any requested name is passed on.
    Any,
    /// Only the listed models.
    List(Vec<String>),
}

/// All configuration errors, one per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl Config {
    /// Returns the path of `PUBLIC_URL`, such as `/quire`; empty if there is none.
    pub fn base_path(&self) -> &str {
        self.public_url.as_deref().map_or("", public_url::path)
    }

    /// Whether other machines may reach the server, directly or through a proxy, in which case the first
    /// person to register is not trusted. If a proxy on this machine is trusted, strangers may appear to come
    /// from a loopback address.
    pub fn needs_setup_token(&self) -> bool {
        let is_published = self
            .public_url
            .as_deref()
            .is_some_and(|url| !check::is_local(url));
        self.environment == Environment::Production
            || !self.host.is_loopback()
            || is_published
            || !self.trusted_proxies.is_empty()
    }
}

/// Loads the configuration from the environment, `.env`, the file, and flags.
///
/// # Errors
/// [`ConfigErrors`] if the file cannot be read or any setting is invalid.
pub fn from_environment(
    flags: Vec<(String, String)>,
    file: Option<&Path>,
) -> Result<Config, ConfigErrors> {
    let file = match file {
        None => None,
        Some(path) => {
            let text =
                read_file(path).map_err(|why| ConfigErrors(vec![format!("--config: {why}")]))?;
            Some((path.display().to_string(), text))
        }
    };
    let layers = ConfigLayers {
        file,
        // A missing or unreadable .env is ignored.
        dotenv: std::fs::read_to_string(".env").ok(),
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        flags,
    };
    load(&layers)
}

/// Returns the name of the setting for a provider's API key; `None` if there is none.
pub fn key_setting(provider: &str) -> Option<&'static str> {
    let mut rows = options::PROVIDERS.iter();
    rows.find(|(id, ..)| *id == provider).and_then(|row| row.1)
}

/// Maximum size of a configuration file, in bytes (1 MiB).
const MAX_FILE_BYTES: u64 = 1 << 20;

fn read_file(path: &Path) -> Result<String, String> {
    let display_path = path.display();
    let length = std::fs::metadata(path)
        .map_err(|error| format!("cannot read {display_path}: {error}"))?
        .len();
    if length > MAX_FILE_BYTES {
        return Err(format!("{display_path} is larger than 1 MiB"));
    }
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {display_path}: {error}"))
}

/// Merges and validates the layers.
///
/// # Errors
/// [`ConfigErrors`], listing every invalid setting.
pub fn load(layers: &ConfigLayers) -> Result<Config, ConfigErrors> {
    let mut checker = Checker {
        gathered_values: load::gather(layers),
    };
    let environment = |name: &str| {
        let pairs = layers.environment.iter();
        pairs
            .rev()
            .find(|(variable, _)| variable == name)
            .map(|(_, value)| value.clone())
    };
    let read = |path: &str| read_file(Path::new(path));
    let providers = providers::providers(&mut checker, &read, &environment);
    let mut config = build_config(&mut checker, providers);
    if config.data_dir.as_os_str().is_empty() {
        config.data_dir = data_dir::default_data_dir(&environment, data_dir::has_legacy_dir());
    }
    config.authorities = tls::authorities(&mut checker, &read);
    config.models = models_file::read(&mut checker, &read);
    let errors = checker.gathered_values.errors;
    if errors.is_empty() {
        Ok(config)
    } else {
        Err(ConfigErrors(errors))
    }
}

fn build_config(checker: &mut Checker, providers: Vec<ProviderConfig>) -> Config {
    let environment = match checker.choice("ENVIRONMENT") {
        "production" => Environment::Production,
        "test" => Environment::Test,
        _ => Environment::Development,
    };
    let smtp_url = checker.configured("SMTP_URL").map(Secret::new);
    warn_about_mail(checker);
    let database_url = backups::database_url(checker);
    Config {
        host: checker.host(),
        port: checker.port("PORT").unwrap_or_default(),
        ui_port: ui_port(checker),
        tls: tls::files(checker),
        data_dir: PathBuf::from(checker.text("QUIRE_DATA")),
        database_direct_url: backups::database_direct_url(checker, database_url.is_some()),
        database_url,
        redis: redis::redis(checker),
        server: checker.url("QUIRE_SERVER"),
        reader: None,
        patterns: checker.configured("QUIRE_PATTERNS").map(PathBuf::from),
        secret: secret(checker, "QUIRE_SECRET"),
        setup_token: secret(checker, "QUIRE_SETUP_TOKEN"),
        document_store: backups::document_store(checker),
        replica: backups::replica(checker),
        backups: backups::backups(checker),
        environment,
        log_level: checker.choice("LOG_LEVEL"),
        log_json: checker.choice("LOG_FORMAT") == "json",
        cors_origins: checker.origins("CORS_ORIGINS"),
        public_url: checker.public_url("PUBLIC_URL"),
        trusted_proxies: checker.networks("TRUSTED_PROXIES"),
        outbound_allowlist: checker.networks("OUTBOUND_ALLOW"),
        allow_user_base_urls: checker.switch("ALLOW_USER_BASE_URLS").unwrap_or(false),
        discover_local: checker.switch("DISCOVER_LOCAL").unwrap_or(true),
        authorities: None,
        models: CatalogSheet::default(),
        registration: match checker.choice("REGISTRATION") {
            "invite" => Registration::Invite,
            "closed" => Registration::Closed,
            _ => Registration::Open,
        },
        allow_anonymous: checker.switch("ALLOW_ANONYMOUS"),
        use_mock: checker.switch("USE_MOCK"),
        cache_ttl: checker.seconds("CACHE_TTL"),
        cache_bytes: checker.number("CACHE_SIZE_MB") << 20,
        cache_shared: checker.choice("CACHE_SHARING") == "team",
        compare_every: checker.number("COMPARE_EVERY"),
        evidence: EvidenceMode::parse(checker.choice("EVIDENCE")).unwrap_or_default(),
        app_type: checker.text("APP_TYPE"),
        service_name: checker.text("SERVICE_NAME"),
        smtp_url,
        metrics_public: checker.switch("METRICS_PUBLIC").unwrap_or(false),
        budgets: usage::UserLimits {
            day_cost: checker.dollars("BUDGET_DAY_USD"),
            month_cost: checker.dollars("BUDGET_MONTH_USD"),
            day_tokens: checker.optional_number("BUDGET_DAY_TOKENS"),
            month_tokens: checker.optional_number("BUDGET_MONTH_TOKENS"),
        },
        limits: limits::read(checker),
        ocr: ocr::read(checker),
        password_rounds: password_rounds(checker, environment),
        providers,
        sources: options::SETTINGS
            .iter()
            .map(|row| (row.name, checker.source(row.name)))
            .collect(),
        warnings: std::mem::take(&mut checker.gathered_values.warnings),
    }
}

fn ui_port(checker: &mut Checker) -> Option<u16> {
    let ui_port = checker.port("UI_PORT");
    if ui_port.is_some_and(|port| port != 0) && checker.text("UI_PORT") == checker.text("PORT") {
        checker.error("UI_PORT", "it must differ from PORT");
    }
    ui_port
}

fn secret(checker: &mut Checker, name: &'static str) -> Option<Secret> {
    let text = checker.configured(name)?;
    if text.chars().count() < 16 {
        checker.error(
            name,
            "it needs at least 16 characters; `openssl rand -hex 32` makes a good one",
        );
    }
    Some(Secret::new(text))
}

/// Minimum number of PBKDF2 rounds outside of tests.
const MIN_ROUNDS: u64 = 600_000;

fn password_rounds(checker: &mut Checker, environment: Environment) -> u32 {
    let rounds = checker.number("PASSWORD_ROUNDS");
    if rounds < MIN_ROUNDS && environment != Environment::Test {
        checker.error(
            "PASSWORD_ROUNDS",
            "fewer than 600000 are allowed only in the test environment",
        );
    }
    rounds as u32
}

fn warn_about_mail(checker: &mut Checker) {
    if checker.configured("SMTP_URL").is_some() {
        let warning = "SMTP_URL has no effect, because this version does not send email: administrators find reset links on the Administration page";
        checker.gathered_values.warnings.push(warning.to_owned());
    }
}

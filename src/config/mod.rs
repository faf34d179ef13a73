//! Settings: defaults < file < environment < flags, checked once into one struct. All faults are
//! reported together. Decides nothing that needs a running server.

mod check;
mod copies;
mod file;
mod load;
pub mod options;
mod providers;
#[cfg(test)]
mod tests;
mod tls;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::catalogue::Sheet;
pub use crate::domain::network::Network;
use crate::domain::provider::Extras;
use crate::domain::usage;
use check::Checker;
pub use check::http_url;
pub use copies::{Backups, Replica};
pub use load::{Layers, Source};
pub use tls::TlsFiles;

/// Everything Quire can be told, checked. Built once, at start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Second port, for the pages.
    pub ui_port: Option<u16>,
    /// What TLS is spoken with. `None`: something in front speaks it, or nobody does.
    pub tls: Option<TlsFiles>,
    /// Folder for everything Quire stores.
    pub data_dir: PathBuf,
    /// The program that reads documents; itself unless a test says otherwise. No setting.
    pub reader: Option<PathBuf>,
    /// Folder of patterns. `None`: `patterns` in the data folder, where there is one.
    pub patterns: Option<PathBuf>,
    /// Signs and seals. `None`: the one kept in the data folder.
    pub secret: Option<Secret>,
    /// Where a copy of everything is kept up, and from where it comes back.
    pub replica: Option<Replica>,
    /// Makes the account that registers with it the first administrator.
    pub setup_token: Option<Secret>,
    /// Copies in a folder; `None` makes none.
    pub backups: Option<Backups>,
    /// What this installation is for.
    pub environment: Environment,
    /// `error`, `warn`, `info` or `debug`.
    pub log_level: &'static str,
    /// Log lines as JSON.
    pub log_json: bool,
    /// Origins that may call the API from a page, lower-cased.
    pub cors_origins: Vec<String>,
    /// The address people use, without a slash at its end.
    pub public_url: Option<String>,
    /// Whose X-Forwarded headers are believed.
    pub trusted_proxies: Vec<Network>,
    /// Networks that are not public and that providers added by people who are not admins may be in.
    pub outbound_allow: Vec<Network>,
    /// People who are not admins may add providers at addresses of their own.
    pub allow_user_base_urls: bool,
    /// Servers of models on this machine are looked for.
    pub discover_local: bool,
    /// PEM text of the authorities to trust in the place of those built in.
    pub authorities: Option<String>,
    /// What an admin says of models.
    pub models: Sheet,
    /// Who may make an account.
    pub registration: Registration,
    /// Analyses without an account; `None` leaves it to the default rule.
    pub allow_anonymous: Option<bool>,
    /// Demo models; `None` leaves it to the default rule.
    pub use_mock: Option<bool>,
    /// How long an answer may be given again; zero turns the cache off.
    pub cache_ttl: Duration,
    /// Room for them, in bytes.
    pub cache_bytes: u64,
    /// Answers that draw on nobody's own are everybody's.
    pub cache_shared: bool,
    /// What /health says.
    pub app_type: String,
    /// What /health says.
    pub service_name: String,
    /// Mail server; not used yet.
    pub smtp_url: Option<Secret>,
    /// /metrics for everyone.
    pub metrics_public: bool,
    /// What each person may use for whom nothing else is said.
    pub budgets: usage::Limits,
    /// About one analysis in so many offers a blind comparison; 0 for none.
    pub compare_every: u64,
    /// Bounds of every kind.
    pub limits: Limits,
    /// Rounds of a new password hash.
    pub password_rounds: u32,
    /// Who answers questions.
    pub providers: Vec<ProviderConfig>,
    /// What to say at start-up.
    pub warnings: Vec<String>,
    /// Each setting's name and where its value comes from, in the table's order. No values.
    pub sources: Vec<(&'static str, Source)>,
}

/// Bounds of every kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest document, in bytes.
    pub max_upload: u64,
    /// Bytes on the data folder's disk below which nothing large is taken; 0: none.
    pub min_free: u64,
    /// Memory that reading one document may take, in bytes.
    pub document_memory: u64,
    /// Computing that it may take.
    pub document_cpu: Duration,
    /// Bytes of text that are taken from it.
    pub document_text: usize,
    /// Documents that are read at the same time; 0: one per core.
    pub document_readers: usize,
    /// Connections at once.
    pub max_connections: usize,
    /// Analyses at once.
    pub max_runs: usize,
    /// Calls to providers at once.
    pub max_calls: usize,
    /// Requests a minute for one caller.
    pub rate_per_minute: u32,
    /// Attempts to sign in a minute, for one address and for one account.
    pub login_per_minute: u32,
    /// For sending the headers.
    pub header_timeout: Duration,
    /// For sending a body.
    pub body_timeout: Duration,
    /// For a connection without a request.
    pub idle_timeout: Duration,
    /// To open a connection to a provider.
    pub connect_timeout: Duration,
    /// To the first piece of a model's answer.
    pub first_token_timeout: Duration,
    /// Between two pieces of it.
    pub token_timeout: Duration,
    /// One stage of an analysis.
    pub stage_timeout: Duration,
    /// A whole analysis.
    pub run_timeout: Duration,
    /// Further tries of a call that failed for a reason that may pass.
    pub retries: u32,
    /// For running work at shutdown.
    pub shutdown_timeout: Duration,
}

/// What an installation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// On somebody's own machine.
    Development,
    /// For other people.
    Production,
    /// For tests: cheaper passwords are allowed.
    Test,
}

impl Environment {
    /// The name in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Environment::Development => "development",
            Environment::Production => "production",
            Environment::Test => "test",
        }
    }
}

/// Who may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Everyone.
    Open,
    /// Whoever an admin has invited.
    Invite,
    /// Nobody; admins make accounts.
    Closed,
}

impl Registration {
    /// The name in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Registration::Open => "open",
            Registration::Invite => "invite",
            Registration::Closed => "closed",
        }
    }
}

/// A provider of models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderConfig {
    /// The part of a model's name before the slash.
    pub id: String,
    /// What it speaks; `None` is what one of its name usually speaks.
    pub kind: Option<String>,
    /// Its address without a slash at its end; `None` is the usual one of a well-known provider.
    pub base_url: Option<String>,
    /// Its key.
    pub api_key: Option<Secret>,
    /// Which models it has.
    pub models: Models,
    /// Calls to it at once; `None` has no bound of its own.
    pub concurrency: Option<usize>,
    /// Headers and body fields that are added to its requests.
    pub extras: Extras,
}

/// The models of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Models {
    /// Whatever it is asked for.
    Any,
    /// These.
    List(Vec<String>),
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: String) -> Self {
        Self(text)
    }
    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Everything that is wrong with the settings, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<String>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl Config {
    /// Whether other machines may reach the server, directly or through a proxy, so that the first person to
    /// register is not trusted.
    pub fn needs_setup_token(&self) -> bool {
        let is_published = self
            .public_url
            .as_deref()
            .is_some_and(|url| !check::is_local(url));
        self.environment == Environment::Production || !self.host.is_loopback() || is_published
    }
}

/// Reads the environment, `.env` and the file, puts the flags over them and checks the whole.
pub fn from_surroundings(
    flags: Vec<(String, String)>,
    file: Option<&Path>,
) -> Result<Config, Faults> {
    let file = match file {
        None => None,
        Some(path) => {
            let text = read_file(path).map_err(|why| Faults(vec![format!("--config: {why}")]))?;
            Some((path.display().to_string(), text))
        }
    };
    let layers = Layers {
        file,
        // A .env that is not there, or not for us to read, says nothing.
        dotenv: std::fs::read_to_string(".env").ok(),
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        flags,
    };
    load(&layers)
}

const MOST_FILE_BYTES: u64 = 1 << 20;

fn read_file(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let length = std::fs::metadata(path)
        .map_err(|error| format!("cannot read {shown}: {error}"))?
        .len();
    if length > MOST_FILE_BYTES {
        return Err(format!("{shown} is larger than 1 MiB"));
    }
    std::fs::read_to_string(path).map_err(|error| format!("cannot read {shown}: {error}"))
}

/// Checks what the layers say together.
pub fn load(layers: &Layers) -> Result<Config, Faults> {
    let mut checker = Checker {
        gathered: load::gather(layers),
    };
    let environment = |name: &str| {
        let pairs = layers.environment.iter();
        pairs
            .rev()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.clone())
    };
    let read = |path: &str| read_file(Path::new(path));
    let providers = providers::providers(&mut checker, &read, &environment);
    let mut config = checked(&mut checker, providers);
    config.authorities = authorities(&mut checker, &read);
    config.models = models(&mut checker, &read);
    let faults = checker.gathered.faults;
    if faults.is_empty() {
        Ok(config)
    } else {
        Err(Faults(faults))
    }
}

fn checked(checker: &mut Checker, providers: Vec<ProviderConfig>) -> Config {
    let environment = match checker.choice("ENVIRONMENT") {
        "production" => Environment::Production,
        "test" => Environment::Test,
        _ => Environment::Development,
    };
    let smtp_url = checker.given("SMTP_URL").map(Secret::new);
    not_yet(checker);
    Config {
        host: checker.host(),
        port: checker.port("PORT").unwrap_or_default(),
        ui_port: ui_port(checker),
        tls: tls::files(checker),
        data_dir: PathBuf::from(checker.text("QUIRE_DATA")),
        reader: None,
        patterns: checker.given("QUIRE_PATTERNS").map(PathBuf::from),
        secret: secret(checker, "QUIRE_SECRET"),
        setup_token: secret(checker, "QUIRE_SETUP_TOKEN"),
        replica: copies::replica(checker),
        backups: copies::backups(checker),
        environment,
        log_level: checker.choice("LOG_LEVEL"),
        log_json: checker.choice("LOG_FORMAT") == "json",
        cors_origins: checker.origins("CORS_ORIGINS"),
        public_url: checker.url("PUBLIC_URL"),
        trusted_proxies: checker.networks("TRUSTED_PROXIES"),
        outbound_allow: checker.networks("OUTBOUND_ALLOW"),
        allow_user_base_urls: checker.switch("ALLOW_USER_BASE_URLS").unwrap_or(false),
        discover_local: checker.switch("DISCOVER_LOCAL").unwrap_or(true),
        authorities: None,
        models: Sheet::default(),
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
        app_type: checker.text("APP_TYPE"),
        service_name: checker.text("SERVICE_NAME"),
        smtp_url,
        metrics_public: checker.switch("METRICS_PUBLIC").unwrap_or(false),
        budgets: usage::Limits {
            day_cost: checker.dollars("BUDGET_DAY_USD"),
            month_cost: checker.dollars("BUDGET_MONTH_USD"),
            day_tokens: checker.number_if_given("BUDGET_DAY_TOKENS"),
            month_tokens: checker.number_if_given("BUDGET_MONTH_TOKENS"),
        },
        limits: limits(checker),
        password_rounds: password_rounds(checker, environment),
        providers,
        sources: options::SETTINGS
            .iter()
            .map(|row| (row.name, checker.source(row.name)))
            .collect(),
        warnings: std::mem::take(&mut checker.gathered.warnings),
    }
}

fn authorities(
    checker: &mut Checker,
    read: &dyn Fn(&str) -> Result<String, String>,
) -> Option<String> {
    let path = checker.given("QUIRE_CA_FILE")?;
    match read(&path) {
        Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => return Some(text),
        Ok(_) => checker.fault("QUIRE_CA_FILE", "there is no PEM certificate in the file"),
        Err(why) => checker.fault("QUIRE_CA_FILE", &why),
    }
    None
}

fn models(checker: &mut Checker, read: &dyn Fn(&str) -> Result<String, String>) -> Sheet {
    let Some(path) = checker.given("QUIRE_MODELS_FILE") else {
        return Sheet::default();
    };
    let faults = match read(&path).map(|text| Sheet::parse(&text)) {
        Ok(Ok(sheet)) => return sheet,
        Ok(Err(faults)) => faults,
        Err(why) => vec![why],
    };
    for fault in faults {
        checker.fault("QUIRE_MODELS_FILE", &fault);
    }
    Sheet::default()
}

fn limits(checker: &mut Checker) -> Limits {
    Limits {
        max_upload: checker.number("MAX_UPLOAD_MB") << 20,
        min_free: checker.number("MIN_FREE_MB") << 20,
        document_memory: checker.number("DOCUMENT_MEMORY_MB") << 20,
        document_cpu: checker.seconds("DOCUMENT_CPU_SECONDS"),
        document_text: (checker.number("DOCUMENT_TEXT_MB") << 20) as usize,
        document_readers: checker.number("DOCUMENT_READERS") as usize,
        max_connections: checker.number("MAX_CONNECTIONS") as usize,
        max_runs: checker.number("MAX_RUNS") as usize,
        max_calls: checker.number("MAX_CALLS") as usize,
        rate_per_minute: checker.number("RATE_LIMIT") as u32,
        login_per_minute: checker.number("LOGIN_LIMIT") as u32,
        header_timeout: checker.seconds("HEADER_TIMEOUT"),
        body_timeout: checker.seconds("BODY_TIMEOUT"),
        idle_timeout: checker.seconds("IDLE_TIMEOUT"),
        connect_timeout: checker.seconds("CONNECT_TIMEOUT"),
        first_token_timeout: checker.seconds("FIRST_TOKEN_TIMEOUT"),
        token_timeout: checker.seconds("TOKEN_TIMEOUT"),
        stage_timeout: checker.seconds("STAGE_TIMEOUT"),
        run_timeout: checker.seconds("RUN_TIMEOUT"),
        retries: checker.number("RETRIES") as u32,
        shutdown_timeout: checker.seconds("SHUTDOWN_TIMEOUT"),
    }
}

fn ui_port(checker: &mut Checker) -> Option<u16> {
    let ui_port = checker.port("UI_PORT");
    if ui_port.is_some_and(|port| port != 0) && checker.text("UI_PORT") == checker.text("PORT") {
        checker.fault("UI_PORT", "it must differ from PORT");
    }
    ui_port
}

fn secret(checker: &mut Checker, name: &'static str) -> Option<Secret> {
    let text = checker.given(name)?;
    if text.chars().count() < 16 {
        checker.fault(
            name,
            "it needs at least 16 characters; `openssl rand -hex 32` makes a good one",
        );
    }
    Some(Secret::new(text))
}

const LEAST_ROUNDS: u64 = 600_000;

fn password_rounds(checker: &mut Checker, environment: Environment) -> u32 {
    let rounds = checker.number("PASSWORD_ROUNDS");
    if rounds < LEAST_ROUNDS && environment != Environment::Test {
        checker.fault(
            "PASSWORD_ROUNDS",
            "fewer than 600000 are taken in the test environment only",
        );
    }
    rounds as u32
}

fn not_yet(checker: &mut Checker) {
    if checker.given("SMTP_URL").is_some() {
        let warning = "SMTP_URL is set, but this version does not send mail yet: admins find reset links under password resets";
        checker.gathered.warnings.push(warning.to_owned());
    }
}

//! The table of settings, which is the only definition of their names, defaults, and help. The help, the manual,
//! and the checks are derived from it.

/// Type of a setting's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// Any text.
    Text,
    /// Text that is never displayed.
    Secret,
    /// An IP address, or `localhost`.
    Host,
    /// A TCP port.
    Port,
    /// An integer within inclusive bounds.
    Number(u64, u64),
    /// An amount of US dollars, including fractions of a cent.
    Dollars,
    /// A duration in whole seconds, within inclusive bounds.
    Seconds(u64, u64),
    /// `true` or `false`, or a synonym such as `on` or `0`. As a flag, the value can be omitted.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A file or folder, relative to the working directory or absolute.
    Path,
    /// An http or https URL.
    Url,
    /// Comma-separated origins.
    Origins,
    /// Comma-separated IP addresses or networks.
    Networks,
    /// A JSON list of providers, or the path of a file that contains one.
    Providers,
}

/// One setting.
#[derive(Debug)]
pub struct OptionRow {
    /// Name in the environment and in the configuration file.
    pub name: &'static str,
    /// Aliases. The main name takes precedence if both are set.
    pub aliases: &'static [&'static str],
    /// How the value is parsed and checked.
    pub kind: ValueKind,
    /// Default, as shown in the help; empty for none.
    pub default: &'static str,
    /// A one-line description for the help.
    pub help: &'static str,
}

impl OptionRow {
    /// Returns the command-line flag: `max-upload-mb` for `MAX_UPLOAD_MB`, `data` for `QUIRE_DATA`.
    pub fn flag(&self) -> String {
        let name = self.name.strip_prefix("QUIRE_").unwrap_or(self.name);
        name.to_ascii_lowercase().replace('_', "-")
    }
    /// Whether the value must never be displayed.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, ValueKind::Secret | ValueKind::Providers) || self.name == "SMTP_URL"
    }
}

const fn row(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: ValueKind,
    default: &'static str,
    help: &'static str,
) -> OptionRow {
    OptionRow {
        name,
        aliases,
        kind,
        default,
        help,
    }
}

/// All settings, in help order.
#[rustfmt::skip]
pub static SETTINGS: &[OptionRow] = &[
    row("HOST", &[], ValueKind::Host, "127.0.0.1", "address to listen on; 0.0.0.0 when PORT is set by the environment"),
    row("PORT", &[], ValueKind::Port, "8080", "port to listen on; 0 picks a free one"),
    row("UI_PORT", &[], ValueKind::Port, "", "second port for the web interface; the main port then returns JSON at /"),
    row("QUIRE_TLS_CERT", &[], ValueKind::Path, "", "certificate chain as PEM: the ports then serve HTTPS; reloaded when the file changes and on SIGHUP"),
    row("QUIRE_TLS_KEY", &[], ValueKind::Path, "", "unencrypted key of that certificate as PEM"),
    row("QUIRE_DATA", &["DATA_DIR"], ValueKind::Path, "", "folder for everything Quire stores; default: ./quire-data if it exists, otherwise $XDG_DATA_HOME/quire or ~/.local/share/quire"),
    row("DATABASE_URL", &[], ValueKind::Secret, "", "PostgreSQL server for the database, as postgres://user:password@host/name; unset: a file in QUIRE_DATA"),
    row("REDIS_URL", &[], ValueKind::Secret, "", "Redis server through which several servers share limits, as redis://user:password@host:6379/0, or rediss:// for TLS; unset: the limits are divided among them"),
    row("REDIS_PREFIX", &[], ValueKind::Text, "quire", "first part of every key in Redis; servers with the same one share limits"),
    row("DOCUMENT_STORE", &[], ValueKind::Text, "", "bucket for the original files of documents, as s3://bucket/prefix; unset: the folder documents in QUIRE_DATA or, with DATABASE_URL, the database"),
    row("DATABASE_DIRECT_URL", &[], ValueKind::Secret, "", "address of the same database without a pooler, if DATABASE_URL has one in between: to announce events and commands to other servers, and to migrate"),
    row("QUIRE_SERVER", &[], ValueKind::Url, "", "address of a running server that the commands use instead of a data folder, with the API key in the environment variable QUIRE_API_KEY"),
    row("QUIRE_SECRET", &["SECRET_KEY", "JWT_SECRET", "JWT_SECRET_KEY"], ValueKind::Secret, "", "secret that signs sessions and encrypts stored keys, at least 16 characters; if unset, one is created in the data folder at the first start"),
    row("QUIRE_REPLICA", &[], ValueKind::Text, "", "replica to which everything is copied, and from which it is restored if the data folder has no database: s3://bucket/prefix or file:///folder"),
    row("QUIRE_REPLICA_WINDOW", &[], ValueKind::Seconds(1, 3600), "1", "sync interval: seconds until a change is sent to the replica"),
    row("QUIRE_REPLICA_KEEP", &[], ValueKind::Number(1, 1000), "2", "number of database snapshots kept in the replica, with every change since the oldest"),
    row("QUIRE_REPLICA_KEY", &[], ValueKind::Secret, "", "key that encrypts the replica: 32 bytes in base64, as `openssl rand -base64 32` prints them; if it is lost, the replica cannot be read"),
    row("QUIRE_REPLICA_OVERWRITE", &[], ValueKind::Switch, "false", "use the data folder even if the replica has changes that it lacks"),
    row("QUIRE_BACKUP_DIR", &[], ValueKind::Path, "", "folder for automatic backups; best on another disk"),
    row("QUIRE_BACKUP_EVERY", &[], ValueKind::Number(1, 8760), "24", "hours between automatic backups"),
    row("QUIRE_BACKUP_KEEP", &[], ValueKind::Number(1, 1000), "7", "number of automatic backups to keep"),
    row("ENVIRONMENT", &["ENV"], ValueKind::Choice(&["development", "production", "test"]), "development", "type of installation"),
    row("LOG_LEVEL", &[], ValueKind::Choice(&["error", "warn", "info", "debug"]), "info", "lowest level that is logged"),
    row("LOG_FORMAT", &[], ValueKind::Choice(&["text", "json"]), "text", "format of log lines"),
    row("CORS_ORIGINS", &["ALLOWED_ORIGINS"], ValueKind::Origins, "", "origins of other websites that may call the API, separated by commas"),
    row("PUBLIC_URL", &["RENDER_EXTERNAL_URL"], ValueKind::Url, "", "the address that people use, for links; with a path, such as https://example.com/quire, if a proxy serves Quire under that path"),
    row("TRUSTED_PROXIES", &[], ValueKind::Networks, "", "addresses or networks whose X-Forwarded headers are trusted"),
    row("REGISTRATION", &[], ValueKind::Choice(&["open", "invite", "closed"]), "open", "who may create an account"),
    row("QUIRE_SETUP_TOKEN", &[], ValueKind::Secret, "", "setup token: the account that registers with it becomes the first administrator, at least 16 characters; if unset, one is printed at startup when needed"),
    row("ALLOW_ANONYMOUS", &[], ValueKind::Switch, "", "allow analyses without an account, with demo models only; default: on if there are only demo models"),
    row("USE_MOCK", &["MOCK_MODE", "ENABLE_MOCK_LLM"], ValueKind::Switch, "", "offer the offline demo models; default: on if no provider is configured"),
    row("CACHE_TTL", &[], ValueKind::Seconds(0, 31_536_000), "86400", "seconds an answer stays in the cache; 0 turns the cache off"),
    row("CACHE_SIZE_MB", &[], ValueKind::Number(1, 65_536), "64", "size of the cache in MB; the least recently used answers are removed first"),
    row("CACHE_SHARING", &[], ValueKind::Choice(&["off", "team"]), "off", "whether cached answers that use nobody's documents or keys are shared between accounts"),
    row("APP_TYPE", &[], ValueKind::Text, "mvp-minimal", "value of app_type in /health"),
    row("SERVICE_NAME", &[], ValueKind::Text, "quire", "value of service in /health"),
    row("SMTP_URL", &[], ValueKind::Text, "", "has no effect: this version does not send email"),
    row("METRICS_PUBLIC", &[], ValueKind::Switch, "false", "allow everyone to read /metrics, not only administrators and this machine"),
    row("MAX_UPLOAD_MB", &[], ValueKind::Number(1, 4096), "50", "largest upload, in MiB"),
    row("MIN_FREE_MB", &[], ValueKind::Number(0, 1_000_000), "32", "free disk space in MiB below which new files and runs are refused; half as much is reserved for deleting on a full disk; 0 reserves nothing"),
    row("DOCUMENT_MEMORY_MB", &[], ValueKind::Number(32, 65_536), "256", "memory limit for reading one document, in MiB"),
    row("DOCUMENT_CPU_SECONDS", &[], ValueKind::Seconds(1, 3600), "60", "CPU limit for reading one document, in seconds"),
    row("DOCUMENT_TEXT_MB", &[], ValueKind::Number(1, 1024), "64", "largest text extracted from one document, in MiB"),
    row("DOCUMENT_READERS", &[], ValueKind::Number(0, 64), "0", "number of documents read at the same time; 0: one per core"),
    row("DOCUMENT_OCR", &[], ValueKind::Switch, "false", "read scanned pages and images with tesseract, which must be installed on this machine"),
    row("OCR_PROGRAM", &[], ValueKind::Path, "", "the tesseract executable; unset: the first one on the PATH"),
    row("OCR_LANGUAGES", &[], ValueKind::Text, "eng", "languages that OCR expects, such as eng+deu; `tesseract --list-langs` prints the installed ones"),
    row("OCR_PAGE_SECONDS", &[], ValueKind::Seconds(1, 3600), "60", "time limit of OCR for one page, in seconds"),
    row("OCR_MAX_PAGES", &[], ValueKind::Number(1, 20_000), "200", "maximum number of pages that OCR reads in one document"),
    row("OCR_MEMORY_MB", &[], ValueKind::Number(64, 65_536), "1024", "memory limit of OCR, in MiB; one page is read at a time"),
    row("MAX_CONNECTIONS", &[], ValueKind::Number(1, 1_000_000), "1024", "maximum number of open connections"),
    row("MAX_RUNS", &[], ValueKind::Number(1, 10_000), "", "maximum number of concurrent analyses; unset: 16 to 64, depending on the machine's memory"),
    row("MAX_CALLS", &[], ValueKind::Number(1, 1_000), "", "maximum number of concurrent calls to providers; unset: 64 to 1,000, depending on the machine's memory"),
    row("MAX_STREAMS", &[], ValueKind::Number(1, 100_000), "", "maximum number of concurrent API calls to single models under /v1; further calls get 429; unset: same as MAX_CALLS"),
    row("MAX_STREAMS_PER_USER", &[], ValueKind::Number(1, 100_000), "", "maximum number of these calls per user; unset: half of MAX_STREAMS"),
    row("RATE_LIMIT", &[], ValueKind::Number(1, 1_000_000_000), "600", "maximum number of requests per minute from one caller"),
    row("LOGIN_LIMIT", &[], ValueKind::Number(1, 1_000_000), "10", "maximum number of failed sign-in attempts per minute for one account from one address"),
    row("BUDGET_DAY_USD", &[], ValueKind::Dollars, "", "daily budget per person, in dollars; unset: no limit"),
    row("BUDGET_MONTH_USD", &[], ValueKind::Dollars, "", "monthly budget per person, in dollars; unset: no limit"),
    row("BUDGET_DAY_TOKENS", &[], ValueKind::Number(0, 1_000_000_000_000), "", "daily budget per person, in tokens; unset: no limit"),
    row("BUDGET_MONTH_TOKENS", &[], ValueKind::Number(0, 1_000_000_000_000), "", "monthly budget per person, in tokens; unset: no limit"),
    row("COMPARE_EVERY", &[], ValueKind::Number(0, 10_000), "0", "about one in this many analyses offers a blind comparison with a single model; 0: none"),
    row("EVIDENCE", &[], ValueKind::Choice(&["auto", "on", "off"]), "auto", "whether a judge model compares a panel's answers and checks cited passages, unless a request says otherwise"),
    row("HEADER_TIMEOUT", &[], ValueKind::Seconds(1, 3600), "10", "seconds that a client has to send its headers"),
    row("BODY_TIMEOUT", &[], ValueKind::Seconds(1, 3600), "30", "seconds that a client has to send its body; for uploads, seconds between two chunks"),
    row("IDLE_TIMEOUT", &[], ValueKind::Seconds(1, 86_400), "60", "seconds after which a connection without a request is closed"),
    row("SHUTDOWN_TIMEOUT", &[], ValueKind::Seconds(0, 3600), "20", "seconds that running work has to finish at shutdown"),
    row("CONNECT_TIMEOUT", &[], ValueKind::Seconds(1, 600), "10", "seconds until a connection to a provider must be open"),
    row("FIRST_TOKEN_TIMEOUT", &[], ValueKind::Seconds(1, 3600), "240", "seconds until the first chunk of a model's answer; long, because some models think first"),
    row("TOKEN_TIMEOUT", &[], ValueKind::Seconds(1, 3600), "120", "seconds between two chunks of a model's answer"),
    row("STAGE_TIMEOUT", &[], ValueKind::Seconds(5, 86_400), "600", "seconds per stage of an analysis; models that have not answered by then are skipped"),
    row("RUN_TIMEOUT", &[], ValueKind::Seconds(10, 86_400), "1800", "seconds per analysis; a fifth of them is reserved for the synthesis"),
    row("RETRIES", &[], ValueKind::Number(0, 10), "2", "retries after a temporary failure of a call"),
    row("DISCOVER_LOCAL", &[], ValueKind::Switch, "true", "detect Ollama, LM Studio, llama.cpp, and vLLM on their default ports on this machine"),
    row("ALLOW_USER_BASE_URLS", &[], ValueKind::Switch, "false", "allow all users, not only administrators, to add providers with their own base URLs at public addresses"),
    row("OUTBOUND_ALLOW", &[], ValueKind::Networks, "", "private addresses or networks allowed for the providers that users add and for web addresses given to --file"),
    row("QUIRE_CA_FILE", &[], ValueKind::Path, "", "PEM file with the certificate authorities to trust instead of the built-in ones"),
    row("PASSWORD_ROUNDS", &[], ValueKind::Number(1, 100_000_000), "600000", "PBKDF2 rounds of a new password hash; fewer are allowed only in the test environment"),
    row("QUIRE_PROVIDERS", &[], ValueKind::Providers, "", "additional providers: a JSON list or the path to a file that contains one"),
    row("QUIRE_MODELS_FILE", &["QUIRE_MODELS"], ValueKind::Path, "", "JSON file that changes and extends the catalog of models: prices, limits, names"),
    row("QUIRE_PATTERNS", &[], ValueKind::Path, "", "folder with your own patterns (TOML or JSON); default: `patterns` in the data folder"),
    row("OPENAI_API_KEY", &[], ValueKind::Secret, "", "OpenAI API key"),
    row("OPENAI_BASE_URL", &["OPENAI_API_BASE"], ValueKind::Url, "", "base URL of OpenAI, or of any server that supports its chat API; such a server needs no key"),
    row("DEEPSEEK_API_KEY", &[], ValueKind::Secret, "", "DeepSeek API key"),
    row("DEEPSEEK_BASE_URL", &[], ValueKind::Url, "", "DeepSeek's base URL, if not the default"),
    row("OPENROUTER_API_KEY", &[], ValueKind::Secret, "", "OpenRouter API key"),
    row("OPENROUTER_BASE_URL", &[], ValueKind::Url, "", "OpenRouter's base URL, if not the default"),
    row("MISTRAL_API_KEY", &[], ValueKind::Secret, "", "Mistral API key"),
    row("MISTRAL_BASE_URL", &[], ValueKind::Url, "", "Mistral's base URL, if not the default"),
    row("GROQ_API_KEY", &[], ValueKind::Secret, "", "Groq API key"),
    row("GROQ_BASE_URL", &[], ValueKind::Url, "", "Groq's base URL, if not the default"),
    row("XAI_API_KEY", &[], ValueKind::Secret, "", "xAI API key"),
    row("XAI_BASE_URL", &[], ValueKind::Url, "", "xAI's base URL, if not the default"),
    row("ANTHROPIC_API_KEY", &[], ValueKind::Secret, "", "Anthropic API key"),
    row("ANTHROPIC_BASE_URL", &[], ValueKind::Url, "", "Anthropic's base URL including the version, if not https://api.anthropic.com/v1"),
    row("GOOGLE_API_KEY", &["GEMINI_API_KEY"], ValueKind::Secret, "", "Google Gemini API key"),
    row("GOOGLE_BASE_URL", &["GEMINI_BASE_URL"], ValueKind::Url, "", "Gemini's base URL including the version, if not https://generativelanguage.googleapis.com/v1beta"),
    row("TOGETHER_API_KEY", &[], ValueKind::Secret, "", "Together API key"),
    row("TOGETHER_BASE_URL", &[], ValueKind::Url, "", "Together's base URL, if not the default"),
    row("AZURE_OPENAI_API_KEY", &["AZURE_API_KEY"], ValueKind::Secret, "", "Azure OpenAI API key"),
    row("AZURE_OPENAI_ENDPOINT", &["AZURE_BASE_URL"], ValueKind::Url, "", "Azure OpenAI's address up to /openai/v1, such as https://NAME.openai.azure.com/openai/v1"),
    row("OLLAMA_BASE_URL", &[], ValueKind::Url, "", "address of an Ollama server, if not http://127.0.0.1:11434; if it ends in /v1, OpenAI's chat API is used"),
    row("LMSTUDIO_BASE_URL", &[], ValueKind::Url, "", "address of LM Studio, if not http://127.0.0.1:1234/v1"),
    row("LLAMACPP_BASE_URL", &[], ValueKind::Url, "", "address of a llama.cpp server, if not http://127.0.0.1:8080/v1"),
    row("VLLM_BASE_URL", &[], ValueKind::Url, "", "address of a vLLM server, if not http://127.0.0.1:8000/v1"),
];

/// Providers that can be enabled by a key or URL alone: ID, setting of the key, and setting of the URL.
#[rustfmt::skip]
pub(super) static PROVIDERS: &[(&str, Option<&str>, &str)] = &[
    ("openai", Some("OPENAI_API_KEY"), "OPENAI_BASE_URL"),
    ("deepseek", Some("DEEPSEEK_API_KEY"), "DEEPSEEK_BASE_URL"),
    ("openrouter", Some("OPENROUTER_API_KEY"), "OPENROUTER_BASE_URL"),
    ("mistral", Some("MISTRAL_API_KEY"), "MISTRAL_BASE_URL"),
    ("groq", Some("GROQ_API_KEY"), "GROQ_BASE_URL"),
    ("xai", Some("XAI_API_KEY"), "XAI_BASE_URL"),
    ("anthropic", Some("ANTHROPIC_API_KEY"), "ANTHROPIC_BASE_URL"),
    ("google", Some("GOOGLE_API_KEY"), "GOOGLE_BASE_URL"),
    ("together", Some("TOGETHER_API_KEY"), "TOGETHER_BASE_URL"),
    ("azure", Some("AZURE_OPENAI_API_KEY"), "AZURE_OPENAI_ENDPOINT"),
    ("ollama", None, "OLLAMA_BASE_URL"),
    ("lmstudio", None, "LMSTUDIO_BASE_URL"),
    ("llamacpp", None, "LLAMACPP_BASE_URL"),
    ("vllm", None, "VLLM_BASE_URL"),
];

/// Settings of Quire's predecessor, each with a message about its replacement.
#[rustfmt::skip]
pub static REPLACED_SETTINGS: &[(&str, &str)] = &[
    ("REDIS_HOST", "set REDIS_URL, such as redis://host:6379, to share limits among servers; the cache is part of Quire's own database"),
    ("JWT_ALGORITHM", "tokens are always signed with HS256"),
    ("ACCESS_TOKEN_EXPIRE_MINUTES", "access tokens are always valid for 15 minutes"),
    ("REFRESH_TOKEN_EXPIRE_DAYS", "refresh tokens are always valid for 7 days"),
    ("ENABLE_CACHE", "set CACHE_TTL to 0 to turn the cache off"),
    ("ENABLE_AUTH", "see ALLOW_ANONYMOUS and REGISTRATION"),
    ("ENABLE_RATE_LIMIT", "see RATE_LIMIT"),
    ("MAX_UPLOAD_SIZE", "see MAX_UPLOAD_MB"),
    ("DOCUMENT_STORAGE_PATH", "documents are stored in QUIRE_DATA"),
    ("WEB_CONCURRENCY", "Quire always runs as one server process"),
    ("STRIPE_SECRET_KEY", "this version has no billing"),
];

/// Finds a setting by name or alias.
pub fn setting(name: &str) -> Option<&'static OptionRow> {
    SETTINGS
        .iter()
        .find(|row| row.name == name || row.aliases.contains(&name))
}

/// Finds a setting by its flag, without the dashes.
pub fn by_flag(flag: &str) -> Option<&'static OptionRow> {
    SETTINGS.iter().find(|row| row.flag() == flag)
}

/// Renders the table as text for `quire help settings`.
pub fn help() -> String {
    let mut text = String::from(
        "Settings. Later sources override earlier ones: the default, the file given with\n\
         --config (lines NAME = value), a file .env in the working directory, the\n\
         environment, a flag. Times are in seconds.\n",
    );
    for row in SETTINGS {
        text.push_str(&format!("\n{}  --{}", row.name, row.flag()));
        if !row.aliases.is_empty() {
            text.push_str(&format!("  (also {})", row.aliases.join(", ")));
        }
        text.push_str(&format!("\n    {}", row.help));
        if let ValueKind::Choice(words) = row.kind {
            text.push_str(&format!(": {}", words.join(", ")));
        }
        if !row.default.is_empty() {
            text.push_str(&format!(" [{}]", row.default));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_and_flag_is_unique() {
        let mut names = BTreeSet::new();
        let mut flags = BTreeSet::new();
        for row in SETTINGS {
            for name in std::iter::once(&row.name).chain(row.aliases) {
                assert!(names.insert(*name), "{name} twice");
            }
            assert!(flags.insert(row.flag()), "{} twice", row.flag());
            assert!(!row.help.ends_with('.'), "{}", row.name);
        }
        for (name, _) in REPLACED_SETTINGS {
            assert!(names.insert(name), "{name} twice");
        }
    }

    #[test]
    fn providers_and_notes_refer_to_existing_settings() {
        for (_, key, url) in PROVIDERS {
            assert!(setting(url).is_some() && key.is_none_or(|key| setting(key).is_some()));
        }
    }

    #[test]
    fn flags_are_found_by_their_names() {
        assert_eq!(by_flag("data").map(|row| row.name), Some("QUIRE_DATA"));
        assert_eq!(
            by_flag("max-upload-mb").map(|row| row.name),
            Some("MAX_UPLOAD_MB")
        );
        assert!(by_flag("nothing").is_none());
    }
}

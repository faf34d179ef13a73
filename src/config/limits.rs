//! The server limits, read from their settings.

use super::ServerLimits;
use super::check::Checker;

/// Reads all limits and collects errors in `checker`.
pub(super) fn read(checker: &mut Checker) -> ServerLimits {
    ServerLimits {
        max_upload: checker.number("MAX_UPLOAD_MB") << 20,
        min_free: checker.number("MIN_FREE_MB") << 20,
        document_memory: checker.number("DOCUMENT_MEMORY_MB") << 20,
        document_cpu: checker.seconds("DOCUMENT_CPU_SECONDS"),
        document_text: (checker.number("DOCUMENT_TEXT_MB") << 20) as usize,
        document_readers: checker.number("DOCUMENT_READERS") as usize,
        max_connections: checker.number("MAX_CONNECTIONS") as usize,
        max_runs: checker.number_or_zero("MAX_RUNS"),
        max_calls: checker.number_or_zero("MAX_CALLS"),
        max_streams: checker.number_or_zero("MAX_STREAMS"),
        max_streams_per_user: checker.number_or_zero("MAX_STREAMS_PER_USER"),
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

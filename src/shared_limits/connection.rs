//! A connection to Redis: connects, signs in, and checks that the server accepts the commands that are used later.
//! Every step has a deadline.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::commands::DEADLINE;
use super::resp::{self, RedisValue};
use super::scripts::{BLOCK, LimitScript, REFUND, RENEW};
use crate::config::RedisConfig;

/// Timeout for opening a connection, from TCP and TLS to the test of the last script.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
/// Minimum free space in the buffer before each read, in bytes.
const READ_BYTES: usize = 4096;

/// Why Redis cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisError {
    /// Redis cannot be reached, or does not reply in time.
    Unreachable(String),
    /// Redis refuses the credentials or a command.
    Refused(String),
}

impl std::fmt::Display for RedisError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Unreachable(why) | Self::Refused(why)) = self;
        f.write_str(why)
    }
}

impl RedisError {
    /// Creates the error for a command that Redis refuses. Only a refusal caused by a wrong setting is permanent; a
    /// server that is loading its data, has become a replica, or has no memory or connections left may accept the
    /// command later.
    pub(super) fn from_refusal(command: &str, why: &str) -> Self {
        let code = why.split(' ').next().unwrap_or_default();
        // A server with too many clients may send this error instead of its reply to the first command.
        let is_busy = why.starts_with("ERR max number of clients");
        let is_final = match code {
            "WRONGPASS" | "NOAUTH" | "NOPERM" | "DENIED" => true,
            "ERR" => matches!(command, "AUTH" | "SELECT") && !is_busy,
            _ => false,
        };
        let why = match command {
            // A server that does not know AUTH repeats its arguments in the error, including the password.
            "AUTH" if !is_busy => format!("it refuses AUTH with {code}"),
            _ => why.to_owned(),
        };
        match is_final {
            true => Self::Refused(why),
            false => Self::Unreachable(why),
        }
    }

    /// Creates the error for a reply that took too long.
    pub(super) fn late() -> Self {
        Self::Unreachable("it does not reply within 250 ms".into())
    }
}

/// A socket, with or without TLS.
pub(super) trait RedisStream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> RedisStream for S {}

/// An open connection to Redis, signed in and with the scripts loaded.
pub(super) struct RedisConnection {
    stream: Box<dyn RedisStream>,
    received: Vec<u8>,
    /// Redis's name and version, or those of a compatible server.
    pub version: String,
    /// The SHA-1 hash of each script, for EVALSHA.
    pub hashes: [String; LimitScript::ALL.len()],
}

impl RedisConnection {
    /// Connects, signs in, loads the scripts, and runs each of them once.
    ///
    /// # Errors
    /// Returns an error, without the password, if a step fails or takes too long.
    pub async fn open(
        config: &RedisConfig,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Self, RedisError> {
        let opening = async {
            let stream = connect(config, tls)
                .await
                .map_err(|error| RedisError::Unreachable(describe(&error)))?;
            let mut connection = Self {
                stream,
                received: Vec::new(),
                version: String::new(),
                hashes: Default::default(),
            };
            connection.sign_in(config).await?;
            Ok(connection)
        };
        match timeout(CONNECT_DEADLINE, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(RedisError::Unreachable(
                "it does not reply within 3 s".into(),
            )),
        }
    }

    /// Authenticates and loads the scripts. Fails if the server is not Redis, or cannot execute a command that is
    /// used later.
    async fn sign_in(&mut self, config: &RedisConfig) -> Result<(), RedisError> {
        if let Some(password) = &config.password {
            let user = config.user.as_deref();
            let parts = ["AUTH"].into_iter().chain(user).chain([password.expose()]);
            self.ask(&parts.collect::<Vec<_>>()).await?;
        }
        if config.database != 0 {
            self.ask(&["SELECT", &config.database.to_string()]).await?;
        }
        // A replica, or a server without free memory or disk space, accepts every other command, so only a write
        // detects it. The write has the deadline of later commands: a server that is too slow now would lose the
        // connection at the first such command.
        let key = format!("{}:write-test", config.prefix);
        let write = ["SET", &key, "1", "PX", "1"];
        match timeout(DEADLINE, self.ask(&write)).await {
            Ok(written) => written?,
            Err(_) => return Err(RedisError::late()),
        };
        // The user may not be allowed to run INFO. Only the displayed version depends on it.
        let about = self
            .ask(&["INFO", "server"])
            .await
            .unwrap_or(RedisValue::Nil);
        self.version = version(&about);
        for (index, script) in LimitScript::ALL.into_iter().enumerate() {
            let loaded = self.ask(&["SCRIPT", "LOAD", script.source()]).await?;
            if let RedisValue::Text(hash) = loaded {
                self.hashes[index] = String::from_utf8_lossy(&hash).into_owned();
            }
        }
        self.try_commands(&config.prefix).await
    }

    /// Runs every script and command that is used later. Otherwise, a missing permission or an old server would cause
    /// failures only in use, and again after each reconnection.
    async fn try_commands(&mut self, prefix: &str) -> Result<(), RedisError> {
        let [bucket, slots, block] =
            ["bucket", "slots", "block"].map(|name| format!("{prefix}:test-{name}"));
        let [take, acquire] = self.hashes.clone();
        let tried: [&[&str]; 7] = [
            &["EVALSHA", &take, "1", &bucket, "60000", "60000"],
            &["EVAL", REFUND, "1", &bucket, "60000"],
            &["EVALSHA", &acquire, "2", &slots, &block, "9", "1", "test"],
            &["EVAL", RENEW, "1", &slots, "1", "test"],
            &["ZREM", &slots, "test"],
            &["EVAL", BLOCK, "1", &block, "1"],
            &["DEL", &bucket, &slots, &block],
        ];
        for command in tried {
            self.ask(command).await?;
        }
        Ok(())
    }

    /// Sends one command and waits for its reply.
    async fn ask(&mut self, parts: &[&str]) -> Result<RedisValue, RedisError> {
        let mut bytes = Vec::new();
        resp::write_command(parts, &mut bytes);
        self.write(&bytes).await?;
        loop {
            match self.next_reply()? {
                Some(RedisValue::Refusal(why)) => {
                    let command = parts.first().copied().unwrap_or_default();
                    return Err(RedisError::from_refusal(command, &why));
                }
                Some(value) => return Ok(value),
                None => self.read().await?,
            }
        }
    }

    /// Writes encoded commands to the socket and flushes it.
    ///
    /// # Errors
    /// Returns an error if the connection is lost.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), RedisError> {
        let sending = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        sending.await.map_err(|error| lost(&error))
    }

    /// Waits for bytes and reads them. Cancel-safe: no bytes are lost if the future is dropped.
    ///
    /// # Errors
    /// Returns an error if the connection is lost.
    pub async fn read(&mut self) -> Result<(), RedisError> {
        self.received.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.received).await {
            Ok(0) => Err(RedisError::Unreachable("it closed the connection".into())),
            Ok(_) => Ok(()),
            Err(error) => Err(lost(&error)),
        }
    }

    /// Removes the next complete reply from the received bytes and returns it; `None` if no reply is complete yet.
    ///
    /// # Errors
    /// Returns an error if the server does not speak Redis's protocol.
    pub fn next_reply(&mut self) -> Result<Option<RedisValue>, RedisError> {
        let read = resp::read_reply(&self.received).map_err(|_| {
            RedisError::Refused("the server's reply is not in Redis's protocol".into())
        })?;
        Ok(read.map(|(value, length)| {
            self.received.drain(..length);
            value
        }))
    }
}

async fn connect(
    config: &RedisConfig,
    tls: Option<&Arc<ClientConfig>>,
) -> io::Result<Box<dyn RedisStream>> {
    let stream = TcpStream::connect((config.host.as_str(), config.port)).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        return Ok(Box::new(stream));
    };
    let name = ServerName::try_from(config.host.clone())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the host has no valid name"))?;
    let stream = TlsConnector::from(tls.clone())
        .connect(name, stream)
        .await?;
    Ok(Box::new(stream))
}

fn lost(error: &io::Error) -> RedisError {
    RedisError::Unreachable(describe(error))
}

/// Describes an error without the operating system's number.
fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "the connection is refused".into(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "the connection was lost".into()
        }
        io::ErrorKind::UnexpectedEof => "it closed the connection".into(),
        _ => error.to_string(),
    }
}

/// Returns the name and version from the reply to INFO.
fn version(about: &RedisValue) -> String {
    let RedisValue::Text(bytes) = about else {
        return "Redis".into();
    };
    let text = String::from_utf8_lossy(bytes);
    let find = |name: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    match (find("valkey_version"), find("redis_version")) {
        (Some(version), _) => format!("Valkey {}", version.trim()),
        (None, Some(version)) => format!("Redis {}", version.trim()),
        (None, None) => "Redis".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wrong_setting_is_refused_for_good() {
        for (command, why, is_final) in [
            ("AUTH", "WRONGPASS invalid username-password pair", true),
            ("AUTH", "ERR invalid password", true),
            ("AUTH", "ERR max number of clients reached", false),
            ("SET", "NOAUTH Authentication required.", true),
            ("SELECT", "ERR DB index is out of range", true),
            ("SET", "ERR max number of clients reached", false),
            ("SET", "LOADING Redis is loading the dataset", false),
            ("SET", "READONLY You can't write.", false),
            ("", "", false),
        ] {
            let error = RedisError::from_refusal(command, why);
            assert_eq!(matches!(error, RedisError::Refused(_)), is_final, "{why}");
        }
    }

    #[test]
    fn a_refusal_never_contains_the_password() {
        let why = "ERR unknown command 'AUTH', with args beginning with: 'quire' 'geheim'";
        let error = RedisError::from_refusal("AUTH", why);
        assert_eq!(error.to_string(), "it refuses AUTH with ERR");
    }

    #[test]
    fn versions_are_read() {
        let text = |text: &str| RedisValue::Text(text.as_bytes().to_vec());
        let both = "# Server\r\nredis_version:7.2.4\r\nvalkey_version:8.1.0\r\n";
        assert_eq!(version(&text(both)), "Valkey 8.1.0");
        assert_eq!(version(&text("redis_version:7.0.15\r\n")), "Redis 7.0.15");
        assert_eq!(version(&RedisValue::Nil), "Redis");
    }
}

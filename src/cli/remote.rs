//! Client for commands that run on a server: the one that `QUIRE_SERVER` names, or the one that uses the same data
//! folder. The API key for a named server comes from the environment, because an argument would be visible in the list
//! of processes. For a server that uses the same data folder, a temporary key is created.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use super::args::CommandCall;
use super::local_address::running_server;
use super::outcome::{CommandFailure, Outcome, failed, missing_key_message, usage};
use super::{local_session, option_names};
use crate::app::accounts::{Accounts, RequestOrigin};
use crate::app::api_keys::NewKey;
use crate::app::offline::remote::{Remote, RemoteError};
use crate::clock;
use crate::config::Config;
use crate::domain::user::{Caller, Email};

/// Environment variable with the API key.
const KEY_VARIABLE: &str = "QUIRE_API_KEY";
/// Maximum number of received events that are not yet shown.
const MAX_WAITING_EVENTS: usize = 64;
/// Maximum number of reconnections of an interrupted event stream.
const MAX_RECONNECTIONS: u32 = 5;
/// Scopes of the temporary key for a server that uses the same data folder.
const KEY_SCOPES: [&str; 4] = ["chat", "analyze", "documents", "export"];
/// Number of rows fetched per request of a list.
const PAGE_SIZE: u32 = 100;

/// How a command behaves when QUIRE_SERVER or `--server` is set.
pub enum ServerUse {
    /// The command runs on the server or, like `doctor`, checks it.
    Supported,
    /// The command needs neither a server nor a data folder.
    Unused,
    /// The command works only with a data folder. Contains the reason, worded as the end of a sentence.
    Unsupported(&'static str),
}

/// A running server, with the API key to use.
pub(super) struct RemoteSession {
    address: String,
    remote: Arc<Remote>,
    own_key: Option<OwnKey>,
}

/// A temporary API key, created for this command.
struct OwnKey {
    accounts: Accounts,
    caller: Caller,
    id: String,
}

/// Checks that the command supports servers, if the settings name one.
///
/// # Errors
/// [`CommandFailure::Usage`] when a server is named and the command works only with a data folder.
pub(super) fn check_server_support(call: &CommandCall) -> Outcome {
    let ServerUse::Unsupported(why) = call.command.server else {
        return Ok(());
    };
    let config = call.config()?;
    match &config.server {
        None => {
            call.keep_config(config);
            Ok(())
        }
        Some(server) => usage(format!(
            "{} does not work with --server (QUIRE_SERVER is {server}): {why}",
            call.command.name
        )),
    }
}

impl RemoteSession {
    /// Returns a client for the server on which the command runs, or `None` if the command must open the data folder
    /// itself.
    ///
    /// # Errors
    /// Returns an error if an option does not apply to a server, or if the account does not exist.
    pub(super) async fn from_call(
        call: &CommandCall,
        config: &Config,
    ) -> Result<Option<Self>, CommandFailure> {
        if let Some(server) = Self::from_settings(call, config)? {
            return Ok(Some(server));
        }
        let Some(address) = running_server(config) else {
            return Ok(None);
        };
        // With TLS, the public address is used, because the certificate is issued for that name.
        let public = config.public_url.clone().filter(|_| config.tls.is_some());
        let address = public.unwrap_or(address);
        let accounts = Accounts::open_existing(config)?;
        let user = match call.value("as") {
            Some(email) => Some(local_session::named_account(&accounts, email).await?),
            None => local_session::find_operator(&accounts).await?,
        };
        let Some(user) = user else {
            accounts.close().await;
            return failed(local_session::NO_ACCOUNT);
        };
        let new_key = NewKey {
            name: "command line (temporary)".to_owned(),
            days: Some(1),
            scopes: KEY_SCOPES.map(str::to_owned).to_vec(),
            ..NewKey::default()
        };
        let caller = Caller::for_user(user.id, user.role);
        let origin = RequestOrigin::local(clock::now());
        let (key, stored_key) = accounts.make_key(&caller.user, new_key, &origin).await?;
        let remote = Remote::new(&address, &key, config.authorities.clone());
        Ok(Some(Self {
            address,
            remote: Arc::new(remote),
            own_key: Some(OwnKey {
                accounts,
                caller,
                id: stored_key.id.to_string(),
            }),
        }))
    }

    /// Returns a client for the server that QUIRE_SERVER or `--server` names, or `None` if neither is set.
    ///
    /// # Errors
    /// Returns an error if `--as` also names an account.
    pub(super) fn from_settings(
        call: &CommandCall,
        config: &Config,
    ) -> Result<Option<Self>, CommandFailure> {
        let Some(server) = &config.server else {
            return Ok(None);
        };
        if call.value("as").is_some() {
            return usage(
                "--as works only without --server (QUIRE_SERVER): a server takes the account from the API key",
            );
        }
        let key = std::env::var(KEY_VARIABLE).unwrap_or_default();
        let remote = Remote::new(server, key.trim(), config.authorities.clone());
        Ok(Some(Self {
            address: server.trim_end_matches('/').to_owned(),
            remote: Arc::new(remote),
            own_key: None,
        }))
    }

    /// Returns the server's address, without a trailing slash.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Deletes this command's temporary key, if it has one.
    pub(super) async fn close(&self) {
        if let Some(key) = &self.own_key {
            let origin = RequestOrigin::local(clock::now());
            // A key that cannot be deleted expires within a day.
            let _ = key.accounts.delete_key(&key.caller, &key.id, &origin).await;
            key.accounts.close().await;
        }
    }

    /// Sends a GET request. Blocks.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached or refuses the request.
    pub(super) fn get(&self, path: &str) -> Result<Value, CommandFailure> {
        self.remote
            .get(path)
            .map_err(|error| to_failure(&self.address, error))
    }

    /// Fetches all pages of a list and returns their rows, which are in the field `field` of each page. Blocks.
    ///
    /// # Errors
    /// Same as [`Self::get`].
    pub(super) fn list(&self, path: &str, field: &str) -> Result<Vec<Value>, CommandFailure> {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}?limit={PAGE_SIZE}{cursor}"))?;
            rows.extend(page[field].as_array().into_iter().flatten().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={}", query_text(next)),
                None => return Ok(rows),
            }
        }
    }

    /// Returns the text at a path. Blocks.
    ///
    /// # Errors
    /// Same as [`Self::get`].
    pub(super) fn text(&self, path: &str) -> Result<String, CommandFailure> {
        self.remote
            .text(path)
            .map_err(|error| to_failure(&self.address, error))
    }

    /// Downloads a file into `into` and returns its length in bytes. Blocks.
    ///
    /// # Errors
    /// Same as [`Self::get`], and if `into` cannot be written.
    pub(super) fn download(
        &self,
        path: &str,
        into: &mut impl Write,
    ) -> Result<u64, CommandFailure> {
        self.remote
            .download(path, into)
            .map_err(|error| to_failure(&self.address, error))
    }

    /// Sends a POST request. Blocks.
    ///
    /// # Errors
    /// Same as [`Self::get`].
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, CommandFailure> {
        self.remote
            .post(path, body)
            .map_err(|error| to_failure(&self.address, error))
    }

    /// Sends a POST request. Errors about invalid fields are left to the caller and returned as `Ok(Err(message))`.
    /// Blocks.
    ///
    /// # Errors
    /// Same as [`Self::get`], except for invalid fields.
    pub(super) fn post_fields(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<Result<Value, String>, CommandFailure> {
        match self.remote.post(path, body) {
            Ok(value) => Ok(Ok(value)),
            Err(RemoteError::Refused(422, why)) => Ok(Err(why)),
            Err(error) => Err(to_failure(&self.address, error)),
        }
    }

    /// Sends a PUT request. Blocks.
    ///
    /// # Errors
    /// Same as [`Self::get`].
    pub(super) fn put(&self, path: &str, body: &Value) -> Result<Value, CommandFailure> {
        self.remote
            .put(path, body)
            .map_err(|error| to_failure(&self.address, error))
    }

    /// Sends a DELETE request. Blocks.
    ///
    /// # Errors
    /// Same as [`Self::get`].
    pub(super) fn delete(&self, path: &str) -> Result<Value, CommandFailure> {
        self.remote
            .delete(path)
            .map_err(|error| to_failure(&self.address, error))
    }

    /// Sends a message to the server's MCP endpoint. Returns `None` if the server sends no response to it. Blocks.
    ///
    /// # Errors
    /// Same as [`Self::get`].
    pub(super) fn post_mcp(&self, message: &str) -> Result<Option<Value>, CommandFailure> {
        self.remote
            .post_message("/mcp", message)
            .map_err(|error| to_failure(&self.address, error))
    }

    /// Uploads a file under this name. Blocks.
    ///
    /// # Errors
    /// Same as [`Self::get`], and if the file cannot be read.
    pub(super) fn upload(
        &self,
        path: &str,
        name: &str,
        file: impl Read,
    ) -> Result<Value, CommandFailure> {
        self.remote
            .upload(path, name, file)
            .map_err(|error| to_failure(&self.address, error))
    }

    /// Returns the account of the API key. Fails if `expected` is another account. Blocks.
    ///
    /// # Errors
    /// Same as [`Self::get`]; [`CommandFailure::Usage`] if the account is another one.
    pub(super) fn account(&self, expected: Option<&str>) -> Result<Value, CommandFailure> {
        let own_account = self.get("/api/users/me")?;
        let email = own_account["email"].as_str().unwrap_or_default();
        let is_other_account = |expected: &str| {
            let parsed = Email::parse(expected);
            parsed.is_none_or(|expected| expected.as_str() != email)
        };
        match expected.filter(|expected| is_other_account(expected)) {
            None => Ok(own_account),
            Some(other) => usage(format!(
                "the server takes the account from the API key, which belongs to {email}, not to {other}"
            )),
        }
    }

    /// Returns the ID of the account with this email address. Requires the key of an administrator. Blocks.
    ///
    /// # Errors
    /// Same as [`Self::get`], and if there is no such account.
    pub(super) fn user_id(&self, email: &str) -> Result<String, CommandFailure> {
        let parsed = Email::parse(email);
        let expected = parsed.as_ref().map_or(email, Email::as_str);
        let people = self.list("/api/admin/users", "users")?;
        let person = people.iter().find(|person| person["email"] == expected);
        match person.and_then(|person| person["id"].as_str()) {
            Some(id) => Ok(id.to_owned()),
            None => failed(format!(
                "there is no account with the email address {email}"
            )),
        }
    }

    /// Streams events from a separate thread until an event of one of the kinds in `last` arrives. Reconnects after an
    /// interruption.
    pub(super) fn events(
        &self,
        path: String,
        last: &'static [&'static str],
    ) -> mpsc::Receiver<Result<(String, Value), CommandFailure>> {
        let (sender, receiver) = mpsc::channel(MAX_WAITING_EVENTS);
        let (remote, address) = (self.remote.clone(), self.address.clone());
        std::thread::spawn(move || {
            let forward = |kind, data| sender.blocking_send(Ok((kind, data))).is_ok();
            if let Err(error) = stream(&remote, &path, last, forward) {
                let _ = sender.blocking_send(Err(to_failure(&address, error)));
            }
        });
        receiver
    }
}

/// Reads a stream until an event of one of the kinds in `last` arrives, or until `take` returns false because the
/// receiver is gone. Reconnects after an interruption.
fn stream(
    remote: &Remote,
    path: &str,
    last: &[&str],
    mut take: impl FnMut(String, Value) -> bool,
) -> Result<(), RemoteError> {
    let (mut last_seq, mut tries) = (0, 0);
    loop {
        let mut is_over = false;
        let followed = remote.events(path, last_seq, |number, kind, data| {
            last_seq = last_seq.max(number);
            tries = 0;
            is_over = last.contains(&kind.as_str());
            is_over |= !take(kind, data);
            !is_over
        });
        match followed {
            _ if is_over => return Ok(()),
            Err(error @ RemoteError::Refused(..)) => return Err(error),
            Err(error) if tries == MAX_RECONNECTIONS => return Err(error),
            _ if tries == MAX_RECONNECTIONS => return Ok(()),
            _ => {
                tries += 1;
                std::thread::sleep(Duration::from_secs(u64::from(tries)));
            }
        }
    }
}

fn to_failure(address: &str, error: RemoteError) -> CommandFailure {
    if let RemoteError::Refused(_, why) = &error
        && let Some(text) = missing_key_message(why)
    {
        return CommandFailure::Usage(text);
    }
    CommandFailure::Failed(match error {
        RemoteError::Unreachable(why) => {
            let why = why.strip_prefix("io: ").unwrap_or(&why);
            format!("cannot reach the server {address}: {why}")
        }
        RemoteError::Refused(401, why) => {
            format!("the server refused the key in {KEY_VARIABLE}: {why}")
        }
        RemoteError::Refused(422, why) => {
            return CommandFailure::Usage(option_names::with_option_names(&why));
        }
        RemoteError::Refused(_, why) => format!("the server refused: {why}"),
    })
}

/// Percent-encodes a text for a query string.
pub(super) fn query_text(text: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric();
    text.bytes()
        .map(|byte| match is_plain(&byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

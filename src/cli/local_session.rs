//! Opens the data folder for a command, on behalf of an account. If there is no account yet, a temporary folder is used
//! instead. While a server is running, commands that only read use its database; commands that start a run are sent to
//! the server (remote.rs) or fail.

use std::path::PathBuf;
use std::sync::Arc;

use super::outcome::{CommandFailure, failed};
use super::screen::print_progress;
use crate::app::accounts::{Accounts, NewAccount, RequestOrigin, random_password};
use crate::app::{App, Kind, folder};
use crate::clock;
use crate::config::Config;
use crate::domain::user::{Caller, Role, User};

const NO_ACCOUNT_YET: &str = "there is no account yet";
/// Error message for a command that requires an account when there is none.
pub(super) const NO_ACCOUNT: &str =
    "there is no account yet: create one with quire user add EMAIL --admin";

/// An app that is opened for one command, with its caller.
pub(super) struct LocalSession {
    /// The app on the opened folder.
    pub(super) app: Arc<App>,
    /// The account on whose behalf the command runs.
    pub(super) caller: Caller,
    /// Whether the data is deleted after the command.
    pub(super) is_temporary: bool,
    _lock: Option<folder::FolderLock>,
    // Declared last, so that the folder is removed only after everything in it is closed.
    _temporary_folder: Option<TemporaryFolder>,
}

/// A folder that is removed on drop.
struct TemporaryFolder(PathBuf);

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl LocalSession {
    /// Opens the data folder for a command that starts runs, on behalf of the named account or of the folder's
    /// operator. If there is no account, opens a temporary folder. `advice` becomes part of the error message if
    /// another process uses the folder.
    ///
    /// # Errors
    /// Returns an error if a server uses the folder, if the account is missing or locked, or if the folder cannot be
    /// opened.
    pub(super) async fn open_to_run(
        config: Config,
        account: Option<&str>,
        is_quiet: bool,
        advice: &str,
    ) -> Result<Self, CommandFailure> {
        folder::check(&config)?;
        if folder::has_database(&config) {
            let Some(lock) = folder::lock(&config.data_dir)? else {
                return Err(folder::in_use_error(&config.data_dir)
                    .resolve(advice)
                    .into());
            };
            let app = App::open(config.clone())?;
            match find_account(&app, account).await? {
                Some(user) => return Ok(Self::new(app, user, Some(lock), None)),
                None => app.close().await,
            }
        }
        if account.is_some() {
            return failed(format!("--as cannot be used: {NO_ACCOUNT_YET}"));
        }
        if !is_quiet {
            print_progress(&format!("{NO_ACCOUNT_YET}, so this run is not stored"));
        }
        Self::open_temporary(config).await
    }

    /// Opens the existing installation for a command that stores something. `advice` becomes part of the error message
    /// if another process uses the folder.
    ///
    /// # Errors
    /// Same as [`Self::open_to_read`], and if another process uses the folder.
    pub(super) async fn open_for_write(
        config: Config,
        account: Option<&str>,
        advice: &str,
    ) -> Result<Self, CommandFailure> {
        folder::check_exists(&config)?;
        let Some(lock) = folder::lock(&config.data_dir)? else {
            return Err(folder::in_use_error(&config.data_dir)
                .resolve(advice)
                .into());
        };
        let app = App::open(config)?;
        match find_account(&app, account).await? {
            Some(user) => Ok(Self::new(app, user, Some(lock), None)),
            None => {
                app.close().await;
                failed(NO_ACCOUNT)
            }
        }
    }

    /// Opens the existing installation for a command that only reads or deletes, even while a server uses it.
    ///
    /// # Errors
    /// Returns an error if there is no installation or no such account, or if the account is locked.
    pub(super) async fn open_to_read(
        config: Config,
        account: Option<&str>,
    ) -> Result<Self, CommandFailure> {
        folder::check_exists(&config)?;
        let app = App::open_alongside_server(config)?;
        match find_account(&app, account).await? {
            Some(user) => Ok(Self::new(app, user, None, None)),
            None => {
                app.close().await;
                failed(NO_ACCOUNT)
            }
        }
    }

    /// Like `open_to_read`, but opens a temporary folder if there is no installation yet.
    ///
    /// # Errors
    /// Same as [`Self::open_to_read`].
    pub(super) async fn open_to_read_or_empty(
        config: Config,
        account: Option<&str>,
    ) -> Result<Self, CommandFailure> {
        folder::check(&config)?;
        let is_there = folder::has_database(&config);
        match is_there || account.is_some() {
            true => Self::open_to_read(config, account).await,
            false => Self::open_temporary(config).await,
        }
    }

    async fn open_temporary(mut config: Config) -> Result<Self, CommandFailure> {
        // The name is random, so that no other process can create the folder in advance.
        let path = std::env::temp_dir().join(format!("quire-ask-{}", random_password()?));
        let temporary = TemporaryFolder(path.clone());
        // Custom patterns are still read from the data folder.
        let patterns = config.data_dir.join("patterns");
        if config.patterns.is_none() && patterns.is_dir() {
            config.patterns = Some(patterns);
        }
        config.data_dir = path;
        config.database_url = None;
        config.database_direct_url = None;
        config.replica = None;
        // A single round suffices, because no one ever signs in with this password.
        config.password_rounds = 1;
        let app = App::open(config)?;
        let new = NewAccount {
            email: "nobody@quire.invalid".to_owned(),
            password: random_password()?,
            name: String::new(),
            invite: None,
            setup_token: None,
            is_local: true,
        };
        let origin = RequestOrigin::local(clock::now());
        let user = app
            .accounts()
            .create_user(None, new, Role::Admin, &origin)
            .await?;
        Ok(Self::new(app, user, None, Some(temporary)))
    }

    fn new(
        app: Arc<App>,
        user: User,
        lock: Option<folder::FolderLock>,
        temporary: Option<TemporaryFolder>,
    ) -> Self {
        let caller = Caller {
            user: user.id,
            role: user.role,
            session: None,
            key: None,
        };
        Self {
            app,
            caller,
            is_temporary: temporary.is_some(),
            _lock: lock,
            _temporary_folder: temporary,
        }
    }
}

/// Returns the named account or, if none is named, the operator's. Returns `None` if there is no operator. Fails if the
/// account is locked.
async fn find_account(app: &App, account: Option<&str>) -> Result<Option<User>, CommandFailure> {
    let user = match account {
        Some(email) => Some(named_account(app.accounts(), email).await?),
        None => find_operator(app.accounts()).await?,
    };
    match user {
        Some(user) if user.disabled => failed(format!("the account {} is locked", user.email)),
        user => Ok(user),
    }
}

/// Returns the account named by `--as`.
///
/// # Errors
/// Returns an error that mentions `--as` if there is no such account.
pub(super) async fn named_account(
    accounts: &Accounts,
    email: &str,
) -> Result<User, CommandFailure> {
    match accounts.user_by_email(email).await {
        Err(error) if error.kind == Kind::Missing => failed(format!("--as: {}", error.public)),
        found => Ok(found?),
    }
}

/// Returns the operator of the installation: the oldest administrator whose account is not locked.
///
/// # Errors
/// Returns an error if the accounts cannot be read.
pub(super) async fn find_operator(accounts: &Accounts) -> Result<Option<User>, CommandFailure> {
    let mut oldest = None;
    let mut cursor = None;
    loop {
        let page = accounts.users(200, cursor).await?;
        cursor = page.last().map(|user| user.id.clone());
        if page.is_empty() {
            return Ok(oldest);
        }
        let mut admins = page
            .into_iter()
            .filter(|user| user.role == Role::Admin && !user.disabled);
        oldest = admins.next_back().or(oldest);
    }
}

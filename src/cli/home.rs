//! Where a command does its work, and as whom: in the data folder as its operator; for a run without any account, in
//! a folder that is deleted afterwards. Beside a server, commands that read use its database; those that run refuse.

use std::path::PathBuf;
use std::sync::Arc;

use super::screen::progress;
use super::{CommandFailure, failed};
use crate::app::accounts::{NewAccount, RequestOrigin, random_password};
use crate::app::{App, folder};
use crate::clock;
use crate::config::Config;
use crate::domain::user::{Caller, Role, User};

const NOBODY: &str = "there is no account yet";

/// Where the run lives, and as whom.
pub(super) struct LocalSession {
    /// The product.
    pub(super) app: Arc<App>,
    /// Who asks.
    pub(super) caller: Caller,
    /// Nothing of it is kept.
    pub(super) is_scrap: bool,
    _lock: Option<folder::FolderLock>,
    // Last, so that it is removed when everything in it is closed.
    _scrap: Option<TemporaryFolder>,
}

/// A folder that is removed at the end.
struct TemporaryFolder(PathBuf);

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl LocalSession {
    /// For a command that runs something: the data folder as this account, or as its operator. Where there is no
    /// account at all, a folder that is deleted afterwards. `instead`: what to do while a server is using the folder.
    pub(super) async fn to_run(
        config: Config,
        account: Option<&str>,
        is_quiet: bool,
        instead: &str,
    ) -> Result<Self, CommandFailure> {
        folder::check(&config)?;
        if folder::database(&config.data_dir).exists() {
            let Some(lock) = folder::lock(&config.data_dir)? else {
                return Err(folder::in_use(&config.data_dir).resolve(instead).into());
            };
            let app = App::open(config.clone())?;
            match person(&app, account).await? {
                Some(user) => return Ok(Self::of(app, user, Some(lock), None)),
                None => app.close().await,
            }
        }
        if account.is_some() {
            return failed(format!("--as is not possible: {NOBODY}"));
        }
        if !is_quiet {
            progress(&format!("{NOBODY}, so this run is not kept"));
        }
        Self::in_scrap(config).await
    }

    /// For a command that only reads or deletes: the installation that is there, also while a server is using it.
    pub(super) async fn to_read(
        config: Config,
        account: Option<&str>,
    ) -> Result<Self, CommandFailure> {
        folder::exists(&config)?;
        let app = App::open_beside(config)?;
        match person(&app, account).await? {
            Some(user) => Ok(Self::of(app, user, None, None)),
            None => {
                app.close().await;
                failed(format!("{NOBODY}: quire user add EMAIL --admin makes one"))
            }
        }
    }

    /// The same, with nothing in it where there is no installation yet.
    pub(super) async fn to_look(
        config: Config,
        account: Option<&str>,
    ) -> Result<Self, CommandFailure> {
        folder::check(&config)?;
        let is_there = folder::database(&config.data_dir).exists();
        match is_there || account.is_some() {
            true => Self::to_read(config, account).await,
            false => Self::in_scrap(config).await,
        }
    }

    async fn in_scrap(mut config: Config) -> Result<Self, CommandFailure> {
        // A name nobody can have taken before us.
        let path = std::env::temp_dir().join(format!("quire-ask-{}", random_password()?));
        let scrap = TemporaryFolder(path.clone());
        // People's own patterns stay where they are.
        let patterns = config.data_dir.join("patterns");
        if config.patterns.is_none() && patterns.is_dir() {
            config.patterns = Some(patterns);
        }
        config.data_dir = path;
        config.replica = None;
        // Nobody ever signs in with it.
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
        let visit = RequestOrigin::local(clock::now());
        let user = app
            .accounts()
            .create_user(None, new, Role::Admin, &visit)
            .await?;
        Ok(Self::of(app, user, None, Some(scrap)))
    }

    fn of(
        app: Arc<App>,
        user: User,
        lock: Option<folder::FolderLock>,
        scrap: Option<TemporaryFolder>,
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
            is_scrap: scrap.is_some(),
            _lock: lock,
            _scrap: scrap,
        }
    }
}

/// Whose account it is: the one that is named, or the operator's. None where nobody is named and there is none.
async fn person(app: &App, account: Option<&str>) -> Result<Option<User>, CommandFailure> {
    let user = match account {
        Some(email) => Some(app.accounts().user_by_email(email).await?),
        None => operator(app).await?,
    };
    match user {
        Some(user) if user.disabled => failed(format!("the account {} is locked", user.email)),
        user => Ok(user),
    }
}

/// The oldest admin who is not locked: whoever set this up.
async fn operator(app: &App) -> Result<Option<User>, CommandFailure> {
    let mut oldest = None;
    let mut cursor = None;
    loop {
        let page = app.accounts().users(200, cursor).await?;
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

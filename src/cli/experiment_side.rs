//! The backend of `quire experiment`: the data folder or a server. Both return the same JSON as the API.

use serde_json::{Value, json};

use super::args::CommandCall;
use super::ask;
use super::experiment_file::ExperimentFile;
use super::experiment_progress::ProgressBar;
use super::local_session::LocalSession;
use super::outcome::{CommandFailure, Outcome, failed, usage};
use super::remote::RemoteSession;
use super::screen::print_progress;
use crate::app::accounts::RequestOrigin;
use crate::app::experiments::ExperimentView;
use crate::app::{Error, experiments};
use crate::clock;
use crate::config::Config;
use crate::domain::id::ExperimentId;
use crate::http::handlers::{experiment_shape as shape, experiments as handlers};

/// Maximum number of experiments listed.
const MAX_LISTED: u32 = 50;
const EXPERIMENTS_PATH: &str = "/api/experiments";
/// The event that ends a progress stream.
const LAST_EVENTS: &[&str] = &["experiment.finished"];

/// Where experiments are run and stored: in the data folder, or on a server.
pub(super) enum ExperimentBackend {
    Local(Box<LocalSession>),
    Server(Box<RemoteSession>),
}

impl ExperimentBackend {
    /// Opens the server that QUIRE_SERVER names or, if none is named, the data folder. With `starts_run`, a server that
    /// already uses the data folder is opened instead of the folder.
    ///
    /// # Errors
    /// Returns an error if there is no account, or another command uses the folder.
    pub(super) async fn open(
        call: &CommandCall,
        config: Config,
        starts_run: bool,
    ) -> Result<Self, CommandFailure> {
        let server = match starts_run {
            true => RemoteSession::from_call(call, &config).await?,
            false => RemoteSession::from_settings(call, &config)?,
        };
        if let Some(server) = server {
            return Ok(Self::Server(Box::new(server)));
        }
        let account = call.value("as");
        let session = match starts_run {
            true => {
                let session =
                    LocalSession::open_to_run(config, account, false, ask::WAIT_ADVICE).await?;
                session.app.discovery().probe_local_servers().await;
                session
            }
            false => LocalSession::open_to_read(config, account).await?,
        };
        Ok(Self::Local(Box::new(session)))
    }

    /// Closes the data folder or, for a server, deletes the temporary key.
    pub(super) async fn close(self) {
        match self {
            Self::Local(session) => session.app.close().await,
            Self::Server(server) => server.close().await,
        }
    }

    /// Returns whether results are kept. Without an account, they are not, because the command works in a temporary
    /// folder.
    pub(super) fn is_stored(&self) -> bool {
        match self {
            Self::Local(session) => !session.is_temporary,
            Self::Server(_) => true,
        }
    }

    /// Returns the newest experiments, at most 50.
    ///
    /// # Errors
    /// Returns an error if the experiments cannot be read or the server refuses.
    pub(super) async fn list(&self) -> Result<Vec<Value>, CommandFailure> {
        match self {
            Self::Local(session) => {
                let experiments = session.app.experiments();
                let summaries = experiments
                    .list(&session.caller.user, MAX_LISTED, None)
                    .await?;
                Ok(summaries.iter().map(shape::list_item_json).collect())
            }
            Self::Server(server) => {
                let response = server.get(&format!("{EXPERIMENTS_PATH}?limit={MAX_LISTED}"))?;
                let rows = response["experiments"].as_array();
                Ok(rows.cloned().unwrap_or_default())
            }
        }
    }

    /// Returns the estimate of an experiment.
    ///
    /// # Errors
    /// Returns an error that names the line if a field is invalid.
    pub(super) async fn forecast(&self, file: &ExperimentFile) -> Result<Value, CommandFailure> {
        match self {
            Self::Local(session) => {
                let experiments = session.app.experiments();
                let forecast = experiments.forecast(&session.caller, file.params()?).await;
                let forecast = forecast.map_err(|error| file.lines.explain(error))?;
                Ok(shape::forecast_json(&forecast))
            }
            Self::Server(server) => {
                post_json(server, &format!("{EXPERIMENTS_PATH}/estimate"), file)
            }
        }
    }

    /// Starts an experiment and returns its ID.
    ///
    /// # Errors
    /// Same as [`Self::forecast`], and if too many experiments are running.
    pub(super) async fn start(&self, file: &ExperimentFile) -> Result<String, CommandFailure> {
        match self {
            Self::Local(session) => {
                let origin = RequestOrigin::local(clock::now());
                let experiments = session.app.experiments();
                let experiment = experiments.start(&session.caller, file.params()?, &origin);
                let experiment = experiment
                    .await
                    .map_err(|error| file.lines.explain(error))?;
                Ok(experiment.id.to_string())
            }
            Self::Server(server) => {
                let experiment = post_json(server, EXPERIMENTS_PATH, file)?;
                match experiment["experiment_id"].as_str() {
                    Some(id) => Ok(id.to_owned()),
                    None => failed("the server's response contains no experiment ID"),
                }
            }
        }
    }

    /// Continues a stopped experiment.
    ///
    /// # Errors
    /// Returns an error if no experiment has this ID, or if the experiment is already completed.
    pub(super) async fn resume(&self, id: &str) -> Outcome {
        match self {
            Self::Local(session) => {
                let origin = RequestOrigin::local(clock::now());
                let experiments = session.app.experiments();
                experiments
                    .resume(&session.caller, &parse_id(id)?, &origin)
                    .await?;
            }
            Self::Server(server) => {
                server.post(&format!("{EXPERIMENTS_PATH}/{id}/resume"), &json!({}))?;
            }
        }
        Ok(())
    }

    /// Stops an experiment and keeps its results.
    async fn cancel(&self, id: &str) -> Outcome {
        match self {
            Self::Local(session) => {
                let experiments = session.app.experiments();
                experiments.cancel(&session.caller, &parse_id(id)?).await?;
            }
            Self::Server(server) => {
                server.post(&format!("{EXPERIMENTS_PATH}/{id}/cancel"), &json!({}))?;
            }
        }
        Ok(())
    }

    /// Shows an experiment's progress until the experiment ends. Ctrl-C stops the experiment.
    ///
    /// # Errors
    /// Returns an error if no experiment has this ID, or if the server can no longer be reached.
    pub(super) async fn follow(&self, id: &str) -> Outcome {
        let mut source = match self {
            Self::Local(session) => {
                let experiments = session.app.experiments();
                let watch = experiments
                    .watch(&session.caller.user, &parse_id(id)?)
                    .await?;
                ProgressSource::Local(watch)
            }
            Self::Server(server) => ProgressSource::Server(
                server.events(format!("{EXPERIMENTS_PATH}/{id}/events"), LAST_EVENTS),
            ),
        };
        let mut bar = ProgressBar::default();
        loop {
            tokio::select! {
                next = source.next() => match next? {
                    Some(progress) => bar.show(&progress),
                    None => break,
                },
                _ = tokio::signal::ctrl_c() => {
                    bar.end();
                    print_progress("stopping");
                    self.cancel(id).await?;
                }
            }
        }
        bar.end();
        Ok(())
    }

    /// Returns an experiment with its report but without its cases.
    ///
    /// # Errors
    /// Returns an error if no experiment has this ID.
    pub(super) async fn show(&self, id: &str) -> Result<Value, CommandFailure> {
        match self {
            Self::Local(session) => Ok(shape::full_json(&view(session, id).await?)),
            Self::Server(server) => server.get(&format!("{EXPERIMENTS_PATH}/{id}")),
        }
    }

    /// Returns an experiment as `json`, `csv`, or `markdown` text.
    ///
    /// # Errors
    /// Returns an error if no experiment has this ID or the format is unknown.
    pub(super) async fn export(&self, id: &str, format: &str) -> Result<String, CommandFailure> {
        match self {
            Self::Local(session) => {
                match handlers::export_file(&view(session, id).await?, format) {
                    Some((text, ..)) => Ok(text),
                    None => usage("the format must be json, csv, or markdown"),
                }
            }
            Self::Server(server) => {
                server.text(&format!("{EXPERIMENTS_PATH}/{id}/export?format={format}"))
            }
        }
    }
}

/// The source of an experiment's progress events.
enum ProgressSource {
    Local(experiments::ExperimentWatch),
    Server(tokio::sync::mpsc::Receiver<Result<(String, Value), CommandFailure>>),
}

impl ProgressSource {
    /// Returns the next progress event, or `None` when the experiment has ended.
    async fn next(&mut self) -> Result<Option<Value>, CommandFailure> {
        match self {
            Self::Local(watch) => Ok(watch.next().await.map(|progress| json!(progress))),
            Self::Server(events) => match events.recv().await.transpose()? {
                Some((kind, data)) if kind == "experiment.progress" => Ok(Some(data)),
                _ => Ok(None),
            },
        }
    }
}

fn post_json(
    server: &RemoteSession,
    path: &str,
    file: &ExperimentFile,
) -> Result<Value, CommandFailure> {
    let reply = server.post_fields(path, &file.body)?;
    reply.map_err(|why| file.lines.explain_refusal(&why))
}

fn parse_id(id: &str) -> Result<ExperimentId, Error> {
    ExperimentId::parse(id).ok_or_else(Error::missing)
}

async fn view(session: &LocalSession, id: &str) -> Result<ExperimentView, CommandFailure> {
    let experiments = session.app.experiments();
    Ok(experiments
        .show(&session.caller.user, &parse_id(id)?)
        .await?)
}

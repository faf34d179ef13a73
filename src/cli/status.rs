//! What `quire` prints about an installation: when a server starts, or on its own while one is running.

use super::local_address::{public_url, running_server};
use super::local_session::{self, LocalSession};
use super::outcome::{CommandFailure, Outcome};
use crate::app::App;
use crate::config::Config;
use crate::domain::model::Availability;
use crate::log;

/// Maximum number of models named on one line.
const MAX_NAMED_MODELS: usize = 3;

/// Prints four lines about the server that uses the data folder: its address, the data, the accounts, and the models
/// with the next step.
///
/// # Errors
/// Returns an error if the data folder cannot be read.
pub(super) async fn print(config: Config) -> Outcome {
    log::configure(log::LogLevel::Error, config.log_json);
    let page = public_url(&config);
    let address = running_server(&config).unwrap_or_else(|| page.clone());
    super::print(format!("Quire is listening on {address}"))?;
    let home = LocalSession::open_to_read_or_empty(config, None).await;
    let home = match home {
        Ok(home) => home,
        Err(CommandFailure::Failed(why)) if why == local_session::NO_ACCOUNT => {
            return print_lines(&[format!(
                "There is no account yet: create the first one at {page}/login"
            )]);
        }
        Err(failure) => return Err(failure),
    };
    let accounts = home.app.accounts().users(1, None).await?;
    let account = match accounts.first() {
        Some(_) => format!("Sign in at {page}/login"),
        None => format!("There is no account yet: create the first one at {page}/login"),
    };
    home.app.discovery().probe_local_servers().await;
    let [data, models] = installation_lines(&home.app);
    let outcome = print_lines(&[data, account, models]);
    home.app.close().await;
    outcome
}

fn print_lines(lines: &[String]) -> Outcome {
    lines.iter().try_for_each(super::print)
}

/// Two lines about an opened installation: the location of its data, and the models that are ready.
pub(super) fn installation_lines(app: &App) -> [String; 2] {
    let folder = &app.config.data_dir;
    let shown = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
    [
        format!("The data is in {}", shown.display()),
        models_line(app),
    ]
}

fn models_line(app: &App) -> String {
    let listed = app.models().list(None);
    let ready = listed
        .iter()
        .filter(|(_, state)| *state == Availability::Ready);
    let real: Vec<&str> = ready
        .clone()
        .filter(|(model, _)| !model.mock)
        .map(|(model, _)| model.id.as_str())
        .collect();
    let next = "quire ask \"What is a quire?\"";
    if real.is_empty()
        && let Some(line) = missing_models_line(app)
    {
        return line;
    }
    match (real.len(), ready.count()) {
        (0, 0) => "No model is ready: set OPENAI_API_KEY, or see quire help providers".to_owned(),
        (0, demo) => format!(
            "{demo} demo models are ready; for real ones, set OPENAI_API_KEY or see quire help providers"
        ),
        (1..=MAX_NAMED_MODELS, _) => format!("Ready: {}. Next: {next}", real.join(", ")),
        (more, _) => format!("{more} models are ready. Next: {next}"),
    }
}

/// Returns the line about providers that are configured but whose models are not known; `None` if there are none.
fn missing_models_line(app: &App) -> Option<String> {
    let mut providers = app.models().providers(None);
    providers.retain(|provider| provider.configured);
    let names: Vec<&str> = providers.iter().map(|one| one.id.as_str()).collect();
    let names = names.join(", ");
    if providers.iter().any(|one| one.checked.is_none()) {
        return Some(format!(
            "Asking {names} for models; quire models lists them"
        ));
    }
    if !providers.is_empty() {
        return Some(format!(
            "No model of {names} is ready: quire doctor says why"
        ));
    }
    (app.discovery().stored_version() > 0)
        .then(|| "Models are ready for accounts that have added their own providers".to_owned())
}

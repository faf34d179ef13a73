//! Prints the state of an installation when a server starts, or when one is already running.

use super::args::CommandCall;
use super::local_address::{public_url, running_server};
use super::models::ServerModels;
use super::outcome::Outcome;
use crate::app::App;
use crate::config::Config;
use crate::domain::model::Availability;
use crate::log;

/// Maximum number of models listed by name.
const MAX_NAMED_MODELS: usize = 3;

/// Prints four lines about the running server: its address, the data folder, where to sign in, and the available
/// models.
///
/// # Errors
/// Returns an error if the database cannot be read or stdout cannot be written.
pub(super) async fn print(call: &CommandCall, config: Config) -> Outcome {
    log::configure(log::LogLevel::Error, config.log_json);
    let page = public_url(&config);
    let address = running_server(&config).unwrap_or_else(|| page.clone());
    super::print(format!("Quire is listening on {address}"))?;
    super::print(data_line(&config))?;
    let app = App::open_alongside_server(config)?;
    let outcome = print_state(call, &app, &page).await;
    app.close().await;
    outcome
}

async fn print_state(call: &CommandCall, app: &App, page: &str) -> Outcome {
    let accounts = app.accounts().users(1, None).await?;
    super::print(match accounts.first() {
        Some(_) => format!("Sign in at {page}/login"),
        None => format!("There is no account yet: create the first one at {page}/login"),
    })?;
    // The running server's settings may differ from this command's.
    if let Ok(Some(models_of_server)) = ServerModels::fetch(call, &app.config).await {
        return super::print(server_models_line(&models_of_server));
    }
    app.discovery().probe_local_servers().await;
    super::print(models_line(app))
}

/// Returns two lines about an opened installation: where its data is stored, and which models are ready.
pub(super) fn summary_lines(app: &App) -> [String; 2] {
    [data_line(&app.config), models_line(app)]
}

fn data_line(config: &Config) -> String {
    let folder = &config.data_dir;
    let absolute_path = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
    format!("The data is in {}", absolute_path.display())
}

fn server_models_line(models_of_server: &ServerModels) -> String {
    let ready = models_of_server
        .models
        .iter()
        .filter(|model| model["available"] == true);
    let real = ready.clone().filter(|model| model["mock"] != true);
    let real: Vec<&str> = real.filter_map(|model| model["id"].as_str()).collect();
    if real.is_empty() && !models_of_server.providers.is_empty() {
        let names: Vec<&str> = models_of_server
            .providers
            .iter()
            .map(|(id, _)| id.as_str())
            .collect();
        return format!(
            "No model from {} is ready: `quire models` says why",
            names.join(", ")
        );
    }
    ready_line(&real, ready.count())
}

fn models_line(app: &App) -> String {
    let models = app.models().list(None);
    let ready = models
        .iter()
        .filter(|(_, state)| *state == Availability::Ready);
    let real: Vec<&str> = ready
        .clone()
        .filter(|(model, _)| !model.mock)
        .map(|(model, _)| model.id.as_str())
        .collect();
    if real.is_empty()
        && let Some(line) = missing_models_line(app)
    {
        return line;
    }
    ready_line(&real, ready.count())
}

/// Returns the line about the models that are ready: the IDs of the real ones if there are few, otherwise their number.
fn ready_line(real: &[&str], all: usize) -> String {
    let next = "quire ask \"What is a quire?\"";
    match (real.len(), all) {
        (0, 0) => "No model is ready: set OPENAI_API_KEY, or see `quire help providers`".to_owned(),
        (0, demo) => format!(
            "{demo} demo models are ready; for real models, set OPENAI_API_KEY or see `quire help providers`"
        ),
        (1..=MAX_NAMED_MODELS, _) => format!("Ready: {}. Next: {next}", real.join(", ")),
        (more, _) => format!("{more} models are ready. Next: {next}"),
    }
}

/// Returns the line about configured providers whose models are unknown, or `None` if there are none.
fn missing_models_line(app: &App) -> Option<String> {
    let mut providers = app.models().providers(None);
    providers.retain(|provider| provider.configured);
    let names: Vec<&str> = providers
        .iter()
        .map(|provider| provider.id.as_str())
        .collect();
    let names = names.join(", ");
    if providers
        .iter()
        .any(|provider| provider.checked_at.is_none())
    {
        return Some(format!(
            "Asking {names} for models; `quire models` lists them"
        ));
    }
    if !providers.is_empty() {
        return Some(format!(
            "No model from {names} is ready: `quire doctor` says why"
        ));
    }
    (app.discovery().stored_count() > 0)
        .then(|| "Models are ready for accounts that have added their own providers".to_owned())
}

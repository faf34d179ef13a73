//! `quire models`: lists the available models, by asking every provider.

use serde_json::{Value, json};

use super::args::CommandCall;
use super::local_session::LocalSession;
use super::{Outcome, block_on, print};
use crate::domain::model::{Availability, Model};
use crate::log;

/// Lists the models.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.at_most(0)?;
    let config = call.config()?;
    log::configure(log::LogLevel::Error, config.log_json);
    block_on(async {
        let home = LocalSession::to_look(config, call.value("as")).await?;
        home.app.discovery().probe().await;
        let models = home.app.models().list(Some(&home.caller.user));
        let outcome = list(call, &models);
        home.app.close().await;
        outcome
    })
}

fn list(call: &CommandCall, models: &[(Model, Availability)]) -> Outcome {
    if call.has("json") {
        let rows: Vec<Value> = models.iter().map(shape).collect();
        return print(json!({ "models": rows }));
    }
    let width = models
        .iter()
        .map(|(model, _)| model.id.chars().count())
        .max();
    for (model, state) in models {
        let price = match &model.price {
            Some(price) => format!(
                "${} input, ${} output per million tokens",
                price.input, price.output
            ),
            None => "price unknown".to_owned(),
        };
        print(format!(
            "{:width$}  {:<12}  {:>9}  {price}",
            model.id,
            state.as_str(),
            model.context_window,
            width = width.unwrap_or_default()
        ))?;
    }
    Ok(())
}

fn shape((model, state): &(Model, Availability)) -> Value {
    json!({
        "id": model.id, "name": model.name, "provider": model.provider, "status": state.as_str(),
        "context_window": model.context_window, "price": model.price, "vision": model.vision,
    })
}

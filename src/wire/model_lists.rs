//! Parses providers' own model lists. Some lists include metadata, such as context windows, prices, and supported
//! parameters.

use serde_json::Value;

use super::ApiFormat;
use crate::domain::money::Price;
use crate::domain::time::Timestamp;

/// Maximum number of models that are read from one list.
const MAX_MODELS: usize = 1_000;

/// A model as its provider's list describes it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListedModel {
    /// The name that the provider uses for the model.
    pub name: String,
    /// Context window, in tokens; 0 if the list does not give it.
    pub context_window: u64,
    /// Price of the model, if the list gives it.
    pub price: Option<Price>,
    /// Whether the model accepts images, if the list says so.
    pub vision: Option<bool>,
    /// Supported parameters, by their names in the parameter glossary; empty if the list does not give them.
    pub parameters: Vec<String>,
    /// Release date, in seconds since 1970; 0 if the list does not give it.
    pub created: i64,
}

/// Parses the models in a provider's response, at most 1,000. Returns `None` if the response contains no list.
pub fn parse_models(kind: ApiFormat, body: &str) -> Option<Vec<ListedModel>> {
    let value: Value = crate::domain::json::parse(body).ok()?;
    let list = [&value["data"], &value["models"], &value]
        .into_iter()
        .find_map(Value::as_array)?;
    let listed_models = list.iter().filter_map(|model| match kind {
        ApiFormat::Gemini => parse_gemini_row(model),
        ApiFormat::Ollama => named_model(&model["name"]),
        ApiFormat::OpenAi | ApiFormat::Responses | ApiFormat::Anthropic => parse_row(model),
    });
    Some(listed_models.take(MAX_MODELS).collect())
}

fn named_model(name: &Value) -> Option<ListedModel> {
    let name = name.as_str()?;
    let is_valid = !name.is_empty()
        && name.len() <= 200
        && !name.chars().any(|c| c.is_control() || c.is_whitespace());
    is_valid.then(|| ListedModel {
        name: name.to_owned(),
        ..ListedModel::default()
    })
}

/// Parses a row of a list. OpenAI's list contains only names; OpenRouter, Together, vLLM, and Anthropic add their own
/// fields.
fn parse_row(model: &Value) -> Option<ListedModel> {
    let mut listed_model = named_model(&model["id"])?;
    let windows = [
        "context_length",
        "max_model_len",
        "max_context_length",
        "context_window",
        "max_input_tokens",
    ];
    listed_model.context_window = windows
        .iter()
        .find_map(|name| model[*name].as_u64())
        .unwrap_or(0);
    let created_at = model["created_at"].as_str().and_then(Timestamp::parse);
    let created_at = created_at.map(|at| at.millis() / 1_000);
    listed_model.created = model["created"].as_i64().or(created_at).unwrap_or(0);
    listed_model.price = parse_price(&model["pricing"]);
    let inputs = model["architecture"]["input_modalities"].as_array();
    listed_model.vision = inputs.map(|inputs| inputs.iter().any(|input| input == "image"));
    let supported = model["supported_parameters"].as_array();
    for field in supported.into_iter().flatten().filter_map(Value::as_str) {
        let glossary_name = match field {
            "reasoning" => "reasoning_effort",
            "temperature" | "top_p" | "top_k" | "max_tokens" | "stop" | "seed"
            | "presence_penalty" | "frequency_penalty" => field,
            _ => continue,
        };
        listed_model.parameters.push(glossary_name.to_owned());
    }
    Some(listed_model)
}

/// Parses OpenRouter's prices, which are strings that contain dollars per token.
fn parse_price(pricing: &Value) -> Option<Price> {
    let dollars = |name: &str| {
        let value: f64 = pricing[name].as_str()?.parse().ok()?;
        // A negative price means that it depends on a model chosen later. A price above one cent per token is an error
        // in the list.
        (0.0..=0.01).contains(&value).then_some(value * 1e6)
    };
    Some(Price {
        input: dollars("prompt")?,
        output: dollars("completion")?,
        cached_input: dollars("input_cache_read"),
        long: None,
    })
}

fn parse_gemini_row(model: &Value) -> Option<ListedModel> {
    let methods = model["supportedGenerationMethods"].as_array();
    if methods.is_some_and(|methods| !methods.iter().any(|method| method == "generateContent")) {
        return None;
    }
    let name = model["name"].as_str()?;
    let mut listed_model = named_model(&Value::from(name.strip_prefix("models/").unwrap_or(name)))?;
    listed_model.context_window = model["inputTokenLimit"].as_u64().unwrap_or(0);
    Some(listed_model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_with_and_without_metadata_are_parsed() {
        let openrouter = r#"{"data":[{"id":"a/b","context_length":128000,"architecture":{"input_modalities":["text","image"]},"pricing":{"prompt":"0.000003","completion":"0.000015","input_cache_read":"0.0000003"},"supported_parameters":["temperature","reasoning","tools"]},{"id":"auto","pricing":{"prompt":"-1","completion":"-1"}}]}"#;
        let models = parse_models(ApiFormat::OpenAi, openrouter).expect("a list");
        assert_eq!(
            (models[0].context_window, models[0].vision),
            (128_000, Some(true))
        );
        let price = models[0].price.expect("a price");
        assert!((price.input - 3.0).abs() < 1e-9 && (price.output - 15.0).abs() < 1e-9);
        assert_eq!(models[0].parameters, ["temperature", "reasoning_effort"]);
        assert_eq!((models[1].price, models[1].vision), (None, None));
        let gemini = r#"{"models":[{"name":"models/gemini-3-pro","inputTokenLimit":1048576,"supportedGenerationMethods":["generateContent"]},{"name":"models/embedding-1","supportedGenerationMethods":["embedContent"]}]}"#;
        let models = parse_models(ApiFormat::Gemini, gemini).expect("a list");
        assert_eq!(
            (models.len(), &*models[0].name, models[0].context_window),
            (1, "gemini-3-pro", 1_048_576)
        );
        let ollama = r#"{"models":[{"name":"llama3.2:3b","model":"llama3.2:3b","details":{"family":"llama"}}]}"#;
        assert_eq!(
            parse_models(ApiFormat::Ollama, ollama).expect("a list")[0].name,
            "llama3.2:3b"
        );
        for (body, count) in [
            (r#"{"data":[]}"#, Some(0)),
            (r#"[{"id":"x"}]"#, Some(1)),
            (r#"{"data":[{"id":"a b"},{"id":""},{"id":7},{}]}"#, Some(0)),
            ("{}", None),
            ("<html>", None),
        ] {
            let model_count = parse_models(ApiFormat::OpenAi, body).map(|list| list.len());
            assert_eq!(model_count, count, "{body}");
        }
    }
}

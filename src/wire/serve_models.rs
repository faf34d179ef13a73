//! Model lists of Quire's own APIs: OpenAI's list with additional fields from OpenRouter's, and Anthropic's list.

use serde_json::{Map, Value, json};

use crate::domain::model::Model;
use crate::domain::money::Price;
use crate::domain::parameters::GLOSSARY;
use crate::domain::time::Timestamp;

/// A value that a client can send as `model`.
#[derive(Debug, Clone, Copy)]
pub struct ServedModel<'a> {
    /// The ID that clients send.
    pub id: &'a str,
    /// The provider, or `quire` for a panel.
    pub owner: &'a str,
    /// Creation time; the start time of the server if unknown.
    pub created: Timestamp,
    /// The model; `None` for a panel.
    pub model: Option<&'a Model>,
    /// Set if the provider no longer lists the model. The inner value is the model's successor, if one is known.
    pub retired: Option<Option<&'a str>>,
    /// The models of a recipe that no longer exist or that their provider no longer lists.
    pub retired_members: &'a [String],
}

/// Encodes a row of OpenAI's list, with the fields of OpenRouter's list (openrouter.ai/docs/api/api-reference/models).
/// Unknown values are null, not zero.
pub fn openai_row(listed: &ServedModel) -> Value {
    let created = listed.created.millis() / 1_000;
    let mut row =
        json!({ "id": listed.id, "object": "model", "created": created, "owned_by": listed.owner });
    let name = listed.model.map_or(listed.id, |model| &model.name);
    // A model is assumed to accept images unless it is known not to.
    let accepts_images = listed
        .model
        .is_some_and(|model| model.vision != Some(false));
    let (inputs, modality) = match accepts_images {
        true => (json!(["text", "image"]), "text+image->text"),
        false => (json!(["text"]), "text->text"),
    };
    let context = listed.model.and_then(|model| nonzero(model.context_window));
    let max_output_tokens = listed.model.and_then(|model| nonzero(model.max_output));
    let row_fields = json!({
        "name": name, "canonical_slug": listed.id, "description": "",
        "context_length": context,
        "architecture": {
            "modality": modality, "input_modalities": inputs, "output_modalities": ["text"],
            "tokenizer": "Other", "instruct_type": null,
        },
        "pricing": listed.model.and_then(|model| model.price).map(encode_pricing),
        "top_provider": {
            "context_length": context, "max_completion_tokens": max_output_tokens, "is_moderated": false,
        },
        "per_request_limits": null,
        "supported_parameters": supported_parameters(listed.model),
    });
    if let (Some(row), Value::Object(row_fields)) = (row.as_object_mut(), row_fields) {
        row.extend(row_fields);
    }
    mark_retired(&mut row, listed);
    row
}

fn mark_retired(row: &mut Value, listed: &ServedModel) {
    if let Some(successor) = listed.retired {
        row["retired"] = json!(true);
        row["successor"] = json!(successor);
    }
    if !listed.retired_members.is_empty() {
        row["retired_models"] = json!(listed.retired_members);
    }
}

fn nonzero(count: u64) -> Option<u64> {
    (count > 0).then_some(count)
}

// Encodes prices, in US dollars per token, as strings. OpenRouter uses strings to avoid floating-point numbers.
fn encode_pricing(price: Price) -> Value {
    let mut prices = Map::new();
    let mut add_price = |name: &str, dollars: f64| {
        prices.insert(name.to_owned(), json!(per_token(dollars)));
    };
    add_price("prompt", price.input);
    add_price("completion", price.output);
    if let Some(cached) = price.cached_input {
        add_price("input_cache_read", cached);
    }
    Value::Object(prices)
}

fn per_token(dollars_per_million: f64) -> String {
    let text = format!("{:.12}", dollars_per_million / 1e6);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

/// Returns the supported parameters by OpenRouter's names. A model with unknown capabilities is sent all parameters;
/// those that it refuses are omitted from then on.
fn supported_parameters(model: Option<&Model>) -> Vec<&'static str> {
    let accepts = |name: &str| match model {
        Some(model) if !model.parameters.is_empty() => {
            model.parameters.iter().any(|parameter| parameter == name)
        }
        _ => true,
    };
    let all = GLOSSARY.iter().map(|entry| entry.name);
    let mut names: Vec<&str> = all
        .filter(|name| *name != "timeout_s" && accepts(name))
        .collect();
    if names.contains(&"reasoning_effort") {
        names.extend(["reasoning", "include_reasoning"]);
    }
    names.extend([
        "tools",
        "tool_choice",
        "response_format",
        "structured_outputs",
    ]);
    names
}

/// Encodes a row of Anthropic's list.
pub fn anthropic_row(listed: &ServedModel) -> Value {
    let model = listed.model;
    let mut row = json!({
        "type": "model", "id": listed.id, "display_name": model.map_or(listed.id, |model| &model.name),
        "created_at": listed.created, "max_input_tokens": model.and_then(|model| nonzero(model.context_window)),
        "max_tokens": model.and_then(|model| nonzero(model.max_output)), "capabilities": null,
    });
    mark_retired(&mut row, listed);
    row
}

/// Returns the page of Anthropic's list that a client requests with `limit`, `after_id`, and `before_id`.
pub fn anthropic_page(
    rows: Vec<Value>,
    limit: usize,
    after: Option<&str>,
    before: Option<&str>,
) -> Value {
    let place = |id: &str| rows.iter().position(|row| row["id"] == id);
    let (start, end) = match (after, before) {
        (Some(after), _) => (
            place(after).map_or(rows.len(), |place| place + 1),
            rows.len(),
        ),
        (None, Some(before)) => {
            let end = place(before).unwrap_or(0);
            (end.saturating_sub(limit), end)
        }
        (None, None) => (0, rows.len()),
    };
    let end_of_page = end.min(start + limit);
    let has_more = match (after, before) {
        (None, Some(_)) => start > 0,
        _ => end_of_page < end,
    };
    let page = rows.get(start..end_of_page).unwrap_or_default();
    let id = |row: Option<&Value>| row.map_or(Value::Null, |row| row["id"].clone());
    json!({
        "data": page, "has_more": has_more, "first_id": id(page.first()), "last_id": id(page.last()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served_model<'a>(id: &'a str, model: Option<&'a Model>) -> ServedModel<'a> {
        ServedModel {
            id,
            owner: "p",
            created: Timestamp::from_millis(1_700_000_000_000),
            model,
            retired: None,
            retired_members: &[],
        }
    }

    #[test]
    fn a_retired_model_is_marked_with_its_successor() {
        let retired_model = ServedModel {
            retired: Some(Some("p/n")),
            ..served_model("p/m", None)
        };
        for row in [openai_row(&retired_model), anthropic_row(&retired_model)] {
            assert_eq!(row["retired"], true);
            assert_eq!(row["successor"], "p/n");
        }
        assert!(
            openai_row(&served_model("p/m", None))
                .get("retired")
                .is_none()
        );
    }

    #[test]
    fn unknown_prices_are_null_not_zero() {
        let model = Model {
            id: "p/m".into(),
            name: "M".into(),
            ..Model::default()
        };
        let row = openai_row(&served_model("p/m", Some(&model)));
        assert_eq!(
            (&row["pricing"], &row["context_length"]),
            (&Value::Null, &Value::Null)
        );
        assert!(
            row["supported_parameters"]
                .as_array()
                .unwrap()
                .contains(&json!("top_k"))
        );
    }

    #[test]
    fn prices_are_per_token_without_rounding() {
        for (price, text) in [
            (2.5, "0.0000025"),
            (0.0, "0"),
            (0.075, "0.000000075"),
            (15.0, "0.000015"),
        ] {
            assert_eq!(per_token(price), text);
        }
    }

    #[test]
    fn lists_are_paged_in_both_directions() {
        let rows: Vec<Value> = ["a", "b", "c"]
            .iter()
            .map(|id| anthropic_row(&served_model(id, None)))
            .collect();
        for (limit, after, before, ids, more) in [
            (20, None, None, vec!["a", "b", "c"], false),
            (2, None, None, vec!["a", "b"], true),
            (2, Some("b"), None, vec!["c"], false),
            (1, None, Some("c"), vec!["b"], true),
            (1, Some("nothing"), None, vec![], false),
        ] {
            let page = anthropic_page(rows.clone(), limit, after, before);
            let listed_ids: Vec<_> = page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["id"].clone())
                .collect();
            assert_eq!(
                (listed_ids, &page["has_more"]),
                (ids.into_iter().map(Value::from).collect(), &json!(more))
            );
        }
    }
}

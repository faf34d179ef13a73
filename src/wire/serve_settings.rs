//! The settings of a Responses request, as they are repeated in its response objects. Contains every field that
//! OpenAI's published schema requires. A field that the request omits has its documented default.

use serde_json::{Map, Value, json};

use super::serve_tools::OfferedTools;
use crate::domain::tools::Tool;

/// Returns the defaults of the fields that are repeated unchanged.
fn default_settings() -> Value {
    json!({
        "instructions": null, "metadata": {}, "temperature": 1.0, "top_p": 1.0, "presence_penalty": 0,
        "frequency_penalty": 0, "top_logprobs": 0, "max_output_tokens": null, "max_tool_calls": null,
        "parallel_tool_calls": true, "truncation": "disabled", "safety_identifier": null,
        "prompt_cache_key": null, "user": null,
    })
}

/// Returns the settings that response objects repeat. `offered` contains the parsed tools of the request.
pub(super) fn response_settings(
    fields: &Map<String, Value>,
    offered: &OfferedTools,
) -> Map<String, Value> {
    let field = |name: &str| fields.get(name).filter(|value| !value.is_null());
    let mut settings = Map::new();
    if let Value::Object(defaults) = default_settings() {
        for (name, absent) in defaults {
            let value = field(&name).cloned().unwrap_or(absent);
            settings.insert(name, value);
        }
    }
    let mut text = field("text").cloned().unwrap_or_else(|| json!({}));
    if text["format"].is_null() {
        text["format"] = json!({ "type": "text" });
    }
    let reasoning = |name: &str| field("reasoning").map_or(Value::Null, |it| it[name].clone());
    let tools = offered.tools.as_deref();
    let tools: Vec<Value> = tools
        .map_or(&[][..], |tools| &tools.list)
        .iter()
        .map(encode_tool)
        .collect();
    let choice = match tools.is_empty() {
        true => json!("auto"),
        false => field("tool_choice").cloned().unwrap_or(json!("auto")),
    };
    let rest = [
        ("text", text),
        (
            "reasoning",
            json!({ "effort": reasoning("effort"), "summary": reasoning("summary") }),
        ),
        ("tools", Value::Array(tools)),
        ("tool_choice", choice),
        // Always the same: responses are never stored, run in the background, or continued from a previous response,
        // and there is only the default service tier.
        ("store", json!(false)),
        ("background", json!(false)),
        ("service_tier", json!("default")),
        ("previous_response_id", Value::Null),
    ];
    settings.extend(rest.map(|(name, value)| (name.to_owned(), value)));
    settings
}

fn encode_tool(tool: &Tool) -> Value {
    let description = Some(&tool.description).filter(|text| !text.is_empty());
    json!({
        "type": "function", "name": tool.name, "description": description,
        "parameters": tool.parameters, "strict": tool.strict,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::serve_tools::{self, ToolShape};

    fn parsed_settings(body: &Value) -> Map<String, Value> {
        let fields = body.as_object().unwrap();
        response_settings(
            fields,
            &serve_tools::parse_tools(fields, ToolShape::Flat).unwrap(),
        )
    }

    #[test]
    fn sent_settings_are_repeated_and_others_have_defaults() {
        let settings = parsed_settings(&json!({
            "temperature": 0.2, "top_p": null, "metadata": { "a": "b" }, "reasoning": { "effort": "low" },
            "text": { "verbosity": "low" }, "store": true, "tool_choice": "required",
            "tools": [{ "type": "function", "name": "f" }, { "type": "web_search" }],
        }));
        for (name, value) in [
            ("temperature", json!(0.2)),
            ("top_p", json!(1.0)),
            ("metadata", json!({ "a": "b" })),
            ("reasoning", json!({ "effort": "low", "summary": null })),
            (
                "text",
                json!({ "verbosity": "low", "format": { "type": "text" } }),
            ),
            ("store", json!(false)),
            ("tool_choice", json!("required")),
            ("max_output_tokens", Value::Null),
        ] {
            assert_eq!(settings[name], value, "{name}");
        }
        let tools = settings["tools"].as_array().unwrap();
        assert_eq!(tools.len(), 1);
        assert_eq!(tools[0]["parameters"], Value::Null);
    }
}

//! The fields of a call that can affect its answer, by name. They form the cache key, and explain a cache miss when a
//! call differs slightly from an earlier one.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::crypto;
use crate::domain::chat::{Format, Message, MessageRole, ModelRequest};
use crate::domain::parameters::Parameters;

/// Version of the key format; incremented when the meaning of stored answers changes.
const KEY_VERSION: u32 = 2;

/// The canonical content of each field, by the field's name.
#[derive(Debug, Clone, PartialEq)]
pub struct CanonicalFields(BTreeMap<&'static str, Value>);

/// Why a call missed the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheMiss {
    /// Nothing was cached for this owner when the call was made.
    NoStoredAnswer,
    /// The most similar cached call differs in these fields.
    Differs(Vec<String>),
}

impl CanonicalFields {
    /// Collects the fields of a call to an endpoint. Destructures the whole request, so that the compiler flags any new
    /// field that is not handled here.
    pub fn from_request(endpoint: &str, request: &ModelRequest) -> Self {
        let ModelRequest {
            model,
            messages,
            parameters,
            // The messages already contain the brief.
            brief: _,
            // The deadline does not change a complete answer.
            deadline: _,
            format,
            tools,
            passthrough,
            // These change the cost but not the content.
            is_prefix_reused: _,
            is_live: _,
            sample,
        } = request;
        let mut fields = BTreeMap::from([
            ("schema", json!([KEY_VERSION, env!("CARGO_PKG_VERSION")])),
            ("provider", json!(endpoint)),
            ("model", json!(model)),
            ("sample", json!(sample)),
            ("instructions and documents", message_texts(messages, true)),
            ("question", message_texts(messages, false)),
            ("pictures", image_hashes(messages)),
            ("answer format", format_fields(format.as_ref())),
        ]);
        if tools.is_some() {
            fields.insert("tools", json!(tools));
        }
        if let Some(passthrough) = passthrough {
            fields.insert("other fields", json!(passthrough));
        }
        fields.extend(parameter_fields(parameters));
        Self(fields)
    }

    /// Serializes all fields, identically for identical content.
    pub fn canonical(&self) -> String {
        json!(self.0).to_string()
    }

    /// Returns a short hash of each field, stored to explain later misses.
    pub fn hashes(&self) -> BTreeMap<String, String> {
        let hash = |value: &Value| {
            let digest = crypto::sha256::hash(value.to_string().as_bytes());
            crypto::hex(&digest[..6])
        };
        (self.0.iter())
            .map(|(name, value)| ((*name).to_owned(), hash(value)))
            .collect()
    }

    /// Returns the names of the fields that differ from the stored hashes.
    pub fn differing_fields(&self, stored: &BTreeMap<String, String>) -> Vec<String> {
        let own_hashes = self.hashes();
        let names = own_hashes
            .keys()
            .chain(stored.keys().filter(|name| !own_hashes.contains_key(*name)));
        names
            .filter(|name| own_hashes.get(*name) != stored.get(*name))
            .cloned()
            .collect()
    }
}

fn message_texts(messages: &[Message], is_system: bool) -> Value {
    let message = |message: &Message| {
        let Message {
            role,
            text,
            images: _,
            calls,
            result_of,
            reasoning,
            reasoning_items,
            name,
            // These change the cost but not the content.
            cache_marks: _,
        } = message;
        let has_thought = !reasoning.is_empty() || !reasoning_items.is_empty();
        if let Some(name) = name {
            return json!([
                role,
                text,
                calls,
                result_of,
                reasoning,
                reasoning_items,
                name
            ]);
        }
        match (calls.as_slice(), result_of, has_thought) {
            ([], None, false) => json!([role, text]),
            (_, _, false) => json!([role, text, calls, result_of]),
            _ => json!([role, text, calls, result_of, reasoning, reasoning_items]),
        }
    };
    messages
        .iter()
        .filter(|message| (message.role == MessageRole::System) == is_system)
        .map(message)
        .collect()
}

// Returns a hash of each image, with its media type and the index of its message.
fn image_hashes(messages: &[Message]) -> Value {
    let mut all = Vec::new();
    for (turn, message) in messages.iter().enumerate() {
        for image in &message.images {
            let hash = crypto::sha256::hash(image.base64.as_bytes());
            all.push(json!([turn, image.media_type, crypto::hex(&hash)]));
        }
    }
    all.into()
}

fn format_fields(format: Option<&Format>) -> Value {
    format.map_or(
        Value::Null,
        |Format {
             name,
             schema,
             strict,
             any,
             // This is derived from the schema.
             compiled: _,
         }| json!([name, schema, strict, any]),
    )
}

fn parameter_fields(parameters: &Parameters) -> [(&'static str, Value); 9] {
    let Parameters {
        temperature,
        top_p,
        top_k,
        max_tokens,
        stop,
        seed,
        presence_penalty,
        frequency_penalty,
        reasoning_effort,
        timeout_s: _,
    } = parameters;
    [
        ("temperature", json!(temperature)),
        ("top_p", json!(top_p)),
        ("top_k", json!(top_k)),
        ("max_tokens", json!(max_tokens)),
        ("stop", json!(stop)),
        ("seed", json!(seed)),
        ("presence_penalty", json!(presence_penalty)),
        ("frequency_penalty", json!(frequency_penalty)),
        ("reasoning_effort", json!(reasoning_effort)),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::chat::{Brief, Image};

    fn request() -> ModelRequest {
        ModelRequest {
            model: "x/y".into(),
            messages: vec![
                Message::new(MessageRole::System, "rules"),
                Message::new(MessageRole::User, "question"),
            ],
            parameters: Parameters::default(),
            brief: Brief::default(),
            deadline: Duration::from_secs(1),
            format: None,
            tools: None,
            passthrough: None,
            is_prefix_reused: false,
            is_live: false,
            sample: 0,
        }
    }

    /// A change to a single field: the field's name, and a function that makes the change.
    type Change = (&'static str, fn(&mut ModelRequest, u32));

    const FIELD_CHANGES: &[Change] = &[
        ("model", |request, n| request.model = format!("x/{n}")),
        ("sample", |request, n| request.sample = n + 1),
        ("instructions and documents", |request, n| {
            request.messages[0].text = format!("rules {n}")
        }),
        ("question", |request, n| {
            request.messages[1].text = format!("question {n}")
        }),
        ("question", |request, n| {
            request
                .messages
                .push(Message::new(MessageRole::Assistant, n.to_string()));
        }),
        ("pictures", |request, n| {
            let base64 = n.to_string().into();
            request.messages[1].images = vec![Image {
                media_type: "image/png".into(),
                base64,
            }];
        }),
        ("answer format", |request, n| {
            request.format = Some(Format {
                name: "a".into(),
                schema: json!({ "title": n }),
                ..Format::default()
            });
        }),
        ("temperature", |request, n| {
            request.parameters.temperature = Some(f64::from(n) / 7.0)
        }),
        ("top_p", |request, n| {
            request.parameters.top_p = Some(f64::from(n) / 7.0)
        }),
        ("top_k", |request, n| request.parameters.top_k = Some(n)),
        ("max_tokens", |request, n| {
            request.parameters.max_tokens = Some(n)
        }),
        ("stop", |request, n| {
            request.parameters.stop = vec![n.to_string()]
        }),
        ("seed", |request, n| {
            request.parameters.seed = Some(n.into())
        }),
        ("presence_penalty", |request, n| {
            request.parameters.presence_penalty = Some(f64::from(n))
        }),
        ("frequency_penalty", |request, n| {
            request.parameters.frequency_penalty = Some(f64::from(n))
        }),
        ("reasoning_effort", |request, n| {
            request.parameters.reasoning_effort = Some(n.to_string())
        }),
    ];

    proptest! {
        #[test]
        fn changing_any_one_field_changes_the_key_and_names_the_field(
            which in 0..FIELD_CHANGES.len(), base in 0..FIELD_CHANGES.len(), n in any::<u32>(), m in any::<u32>(),
        ) {
            let n = n % 1_000_000;
            let mut one = request();
            FIELD_CHANGES[base].1(&mut one, m % 1_000_000 + 1_000_001);
            let mut two = one.clone();
            let (name, change) = FIELD_CHANGES[which];
            change(&mut two, n);
            let (one, two) = (CanonicalFields::from_request("e", &one), CanonicalFields::from_request("e", &two));
            prop_assert_ne!(one.canonical(), two.canonical());
            prop_assert_eq!(two.differing_fields(&one.hashes()), [name.to_owned()]);
        }
    }

    #[test]
    fn fields_that_cannot_change_the_answer_are_not_in_the_key() {
        let first = CanonicalFields::from_request("e", &request());
        let mut second = request();
        second.deadline = Duration::from_secs(9);
        second.is_prefix_reused = true;
        second.parameters.timeout_s = Some(9);
        assert_eq!(first, CanonicalFields::from_request("e", &second));
        assert_ne!(
            first,
            CanonicalFields::from_request("f", &second),
            "another address"
        );
        assert_eq!(
            CanonicalFields::from_request("f", &second).differing_fields(&first.hashes()),
            ["provider"]
        );
    }
}

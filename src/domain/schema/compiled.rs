//! The compiled form of a schema, kept with the schema. Compiling costs more than most validations, so everything that
//! belongs to one request shares the compiled form. Also remembers texts that conformed, because one answer is checked
//! in several places, some of which run on the async runtime's threads.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::Validator;
use serde_json::Value;

/// Maximum number of texts that are remembered as conforming.
const MAX_KNOWN_TEXTS: usize = 64;
/// Maximum size in bytes of a schema that may be compiled on the async runtime's threads. Without regular expressions,
/// this takes well under a millisecond.
const SMALL_SCHEMA_BYTES: usize = 2 * 1024;

/// The shared compiled form, which is empty until it is first needed. All values compare as equal, because the compiled
/// form is derived from the schema.
#[derive(Clone, Default)]
pub struct Compiled(Arc<SharedSchema>);

#[derive(Default)]
struct SharedSchema {
    validator: OnceLock<Result<Validator, String>>,
    /// Hashes of texts that conformed. They belong to one request, so the author of a text with a colliding
    /// hash deceives only themselves.
    conforming_hashes: Mutex<VecDeque<u64>>,
}

impl Compiled {
    /// Returns the validator of this schema. The first call compiles it.
    ///
    /// # Errors
    /// Returns, as a phrase, why the schema is invalid.
    pub(super) fn validator(&self, schema: &Value) -> Result<&Validator, String> {
        let compiled = self.0.validator.get_or_init(|| super::compile(schema));
        compiled.as_ref().map_err(Clone::clone)
    }

    /// Checks that a schema can be used: it is limited in size, self-contained, and valid, and it accepts an
    /// object at the top level.
    ///
    /// # Errors
    /// Returns, as a phrase, the first problem and its location.
    pub fn check(&self, schema: &Value) -> Result<(), String> {
        super::check(schema, self)
    }

    /// Validates a value against a schema that has passed `check`. Work is limited to about 50 ms: a
    /// validation that could take longer is rejected without being tried.
    ///
    /// # Errors
    /// Returns the first error with its location, but without the value itself.
    pub fn validate(&self, schema: &Value, value: &Value) -> Result<(), String> {
        super::validate(schema, self, value)
    }

    /// Returns the JSON object in a model's answer exactly as written, if it conforms to the schema.
    ///
    /// # Errors
    /// Returns the first problem of the answer, so that the model can repair it.
    pub fn conforming<'t>(&self, schema: &Value, text: &'t str) -> Result<&'t str, String> {
        if self.is_known(text) {
            return Ok(text);
        }
        let (json_text, value) = super::locate_json(text).ok_or("there is no JSON object in it")?;
        self.validate(schema, &value)?;
        self.remember(json_text);
        Ok(json_text)
    }

    /// Whether this text, taken as a whole, is an object that is known to conform.
    fn is_known(&self, text: &str) -> bool {
        let hash = hash(text);
        self.with_known_texts(|known| known.contains(&hash))
    }

    fn remember(&self, text: &str) {
        let hash = hash(text);
        self.with_known_texts(|known| {
            if known.len() >= MAX_KNOWN_TEXTS {
                known.pop_front();
            }
            known.push_back(hash);
        });
    }

    fn with_known_texts<T>(&self, with: impl FnOnce(&mut VecDeque<u64>) -> T) -> T {
        let mut known_hashes = self
            .0
            .conforming_hashes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        with(&mut known_hashes)
    }

    #[cfg(test)]
    fn is_compiled(&self) -> bool {
        self.0.validator.get().is_some()
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

impl PartialEq for Compiled {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compiled")
    }
}

/// Whether compiling a schema may take too long for a thread of the async runtime.
pub fn is_large(schema: &Value) -> bool {
    let mut bytes = 0;
    let has_patterns = add_size(schema, &mut bytes);
    has_patterns || bytes > SMALL_SCHEMA_BYTES
}

/// Adds up the approximate size of a schema, until it is large. Returns true as soon as a regular expression is found.
fn add_size(part: &Value, bytes: &mut usize) -> bool {
    *bytes += 4;
    if *bytes > SMALL_SCHEMA_BYTES {
        return false;
    }
    match part {
        Value::String(text) => {
            *bytes += text.len();
            false
        }
        Value::Array(items) => items.iter().any(|item| add_size(item, bytes)),
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            *bytes += name.len();
            matches!(name.as_str(), "pattern" | "patternProperties") || add_size(value, bytes)
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::chat::Format;

    fn format() -> Format {
        Format {
            name: "a".into(),
            schema: json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } }),
            ..Format::default()
        }
    }

    #[test]
    fn clones_of_a_format_compile_once() {
        let format = format();
        let (early, late) = (format.clone(), format.clone());
        assert!(!early.compiled.is_compiled());
        assert_eq!(format.check(), Ok(()));
        assert!(early.compiled.is_compiled() && late.compiled.is_compiled());
        assert!(std::ptr::eq(
            early.compiled.validator(&early.schema).expect("valid"),
            late.compiled.validator(&late.schema).expect("valid"),
        ));
        // A stored schema is compiled when it is first needed.
        let stored_format: Format = serde_json::from_value(json!(format)).expect("stored");
        assert_eq!(stored_format, format);
        assert!(!stored_format.compiled.is_compiled());
        assert!(
            stored_format.conforming("{\"n\": 1}").is_ok() && stored_format.compiled.is_compiled()
        );
    }

    #[test]
    fn only_complete_conforming_texts_are_remembered() {
        let format = format();
        let object = "{\"n\":1}";
        let with_prefix = format!("Here: {object}");
        assert_eq!(format.conforming(&with_prefix), Ok(object));
        assert!(format.compiled.is_known(object) && !format.compiled.is_known(&with_prefix));
        assert!(format.conforming("{\"n\":\"x\"}").is_err());
        assert!(!format.compiled.is_known("{\"n\":\"x\"}"));
        for n in 0..2 * MAX_KNOWN_TEXTS {
            assert!(format.conforming(&format!("{{\"n\":{n}}}")).is_ok());
        }
        assert_eq!(
            format.compiled.with_known_texts(|known| known.len()),
            MAX_KNOWN_TEXTS
        );
    }

    #[test]
    fn large_schemas_and_patterns_compile_off_the_runtime() {
        let long: Vec<String> = (0..200).map(|n| format!("name number {n}")).collect();
        for (schema, large) in [
            (json!({ "type": "object" }), false),
            (format().schema, false),
            (json!({ "properties": { "a": { "pattern": "^a" } } }), true),
            (json!({ "patternProperties": {} }), true),
            (json!({ "enum": long }), true),
            (json!({ "enum": vec![1; 1_000] }), true),
        ] {
            assert_eq!(is_large(&schema), large, "{schema}");
        }
    }
}

//! Identifiers made of a kind and a ULID, such as `analysis_01JD…`. They can be sorted by creation time.

use std::fmt;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use super::time::Timestamp;

/// Encodes 48 bits of time and 80 random bits as a ULID of 26 characters.
pub fn ulid(now: Timestamp, random: u128) -> String {
    Ulid::from_parts(now.millis().max(0) as u64, random).to_string()
}

/// Whether the text is a ULID in uppercase, as Quire writes it. The library would also accept lowercase.
fn is_ulid(text: &str) -> bool {
    Ulid::from_string(text).is_ok_and(|ulid| ulid.array_to_str(&mut [0; ulid::ULID_LEN]) == text)
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Creates an ID from the time and the low 80 bits of `random`.
            pub fn new(now: Timestamp, random: u128) -> Self {
                Self(format!(concat!($prefix, "_{}"), ulid(now, random)))
            }
            /// Parses an ID in exactly the form that `new` creates.
            pub fn parse(text: &str) -> Option<Self> {
                let rest = text.strip_prefix(concat!($prefix, "_"))?;
                is_ulid(rest).then(|| Self(text.to_owned()))
            }
            /// Returns the whole ID, including the prefix.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
        impl TryFrom<String> for $name {
            type Error = &'static str;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text).ok_or(concat!("not a ", $prefix, " id"))
            }
        }
    )*};
}

ids! {
    /// Identifies an account.
    UserId = "user";
    /// Identifies a signed-in browser or program.
    SessionId = "session";
    /// Identifies an API key, without being the key itself.
    KeyId = "key";
    /// Identifies an uploaded document.
    DocumentId = "document";
    /// Identifies one run of a pattern by a panel.
    AnalysisId = "analysis";
    /// Identifies a provider added at run time.
    ProviderId = "provider";
    /// Identifies a recipe.
    RecipeId = "recipe";
    /// Identifies an experiment.
    ExperimentId = "experiment";
    /// Identifies a chunked upload in progress.
    UploadId = "upload";
    /// Identifies a conversation, which is a tree of analyses.
    ThreadId = "thread";
    /// Identifies a project: threads with common instructions and documents.
    ProjectId = "project";
}

impl ThreadId {
    /// Returns the ID of the thread that an analysis begins. It uses the same ULID, so that it can be derived
    /// at any time.
    pub fn from_first_analysis(analysis: &AnalysisId) -> Self {
        let ulid = analysis.as_str().trim_start_matches("analysis_");
        Self(format!("thread_{ulid}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_round_trip() {
        let early = AnalysisId::new(Timestamp::from_millis(1_000), u128::MAX);
        let late = AnalysisId::new(Timestamp::from_millis(2_000), 0);
        assert!(early < late);
        assert_eq!(AnalysisId::parse(early.as_str()), Some(early.clone()));
        assert_eq!(early.as_str().len(), "analysis_".len() + 26);
    }

    #[test]
    fn the_ulid_spec_example_encodes_as_published() {
        assert!(ulid(Timestamp::from_millis(1_469_918_176_385), 0).starts_with("01ARYZ6S41"));
    }

    #[test]
    fn other_texts_are_not_ids() {
        for text in [
            "",
            "user_",
            "document_01ARYZ6S410000000000000000",
            "user_01ARYZ6S41000000000000000O",
            "user_81ARYZ6S410000000000000000",
            "user_../../etc/passwd",
            "USER_01ARYZ6S410000000000000000",
        ] {
            assert_eq!(UserId::parse(text), None, "{text}");
        }
    }
}

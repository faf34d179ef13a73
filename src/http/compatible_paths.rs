//! Paths of the compatible APIs (OpenAI, Anthropic) as clients write them: with and without `/v1`, with extra
//! slashes, or under a wrong base URL.

use std::borrow::Cow;

/// Paths of the compatible APIs, without `/v1`.
pub(super) const COMPATIBLE_PATHS: &[&str] = &[
    "/models",
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/responses",
    "/messages",
    "/messages/count_tokens",
];

/// Returns the canonical path of a compatible API: base URLs come with and without `/v1` and with doubled slashes,
/// and some clients end every path with a slash. `None` for other paths.
pub fn canonical_path(path: &str) -> Option<String> {
    let single = collapse_slashes(path);
    let without_slash = single.strip_suffix('/').unwrap_or(&single);
    let below_v1 = (without_slash.strip_prefix("/v1")).filter(|rest| rest.starts_with('/'));
    let endpoint = below_v1.unwrap_or(without_slash);
    let is_known = COMPATIBLE_PATHS.contains(&endpoint) || endpoint.starts_with("/models/");
    is_known.then(|| format!("/v1{endpoint}"))
}

/// Returns the path that a client with a wrong base URL meant, given for example `/v1/v1/messages` or
/// `/api/v1/models`.
pub fn intended_path(path: &str) -> Option<String> {
    let single = collapse_slashes(path);
    let without_slash = single.strip_suffix('/').unwrap_or(&single);
    let is_own_api = without_slash.starts_with("/api/") && !without_slash.starts_with("/api/v1/");
    let suffixes = COMPATIBLE_PATHS
        .iter()
        .filter(|known| !is_own_api && without_slash.ends_with(*known));
    // The longest match: `/chat/completions` before `/completions`.
    let known = suffixes.max_by_key(|known| known.len())?;
    Some(format!("/v1{known}"))
}

fn collapse_slashes(path: &str) -> Cow<'_, str> {
    if !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut single = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !single.ends_with('/') {
            single.push(c);
        }
    }
    Cow::Owned(single)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_base_url_is_recognized() {
        for (path, right) in [
            ("/v1/v1/chat/completions", Some("/v1/chat/completions")),
            ("/api/v1/completions", Some("/v1/completions")),
            ("/openai//v1/models/", Some("/v1/models")),
            ("/v1/moderations", None),
            ("/api/nothing/models", None),
            ("/v1", None),
        ] {
            assert_eq!(intended_path(path).as_deref(), right, "{path}");
        }
    }
}

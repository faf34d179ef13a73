//! Paths of the OpenAI- and Anthropic-compatible APIs in the variants that clients use: with or without `/v1`, with
//! extra slashes, or below a wrong base URL.

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

/// Returns the canonical form of a path of the compatible APIs, which starts with `/v1`, or `None` for any other path.
/// Accepts paths without `/v1`, with doubled slashes, or with a trailing slash, because clients and their base URLs
/// differ.
pub fn canonical_path(path: &str) -> Option<String> {
    let single = collapse_slashes(path);
    let without_slash = single.strip_suffix('/').unwrap_or(&single);
    let path_under_v1 = (without_slash.strip_prefix("/v1")).filter(|rest| rest.starts_with('/'));
    let endpoint = path_under_v1.unwrap_or(without_slash);
    let is_known = COMPATIBLE_PATHS.contains(&endpoint) || endpoint.starts_with("/models/");
    is_known.then(|| format!("/v1{endpoint}"))
}

/// Returns the path that a client with a wrong base URL meant, for a path such as `/v1/v1/messages` or
/// `/api/v1/models`. Returns `None` if that is unclear.
pub fn intended_path(path: &str) -> Option<String> {
    let single = collapse_slashes(path);
    let without_slash = single.strip_suffix('/').unwrap_or(&single);
    let is_own_api = without_slash.starts_with("/api/") && !without_slash.starts_with("/api/v1/");
    let suffixes = COMPATIBLE_PATHS
        .iter()
        .filter(|known| !is_own_api && without_slash.ends_with(*known));
    // The longest match wins, so that `/chat/completions` takes precedence over `/completions`.
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

//! The base path: the path of `PUBLIC_URL`, such as `/quire`, under which a proxy serves Quire. It is removed from
//! requests, unless the proxy has already removed it, and added to the addresses in responses. All other code uses
//! paths without the base path.

use hyper::Uri;
use hyper::header::{HeaderValue, LOCATION};

use super::reply::Reply;

/// Returns a request's URI without the base path, or `None` if the URI is not below the base path.
pub(super) fn strip_base_path(uri: &Uri, base: &str) -> Option<Uri> {
    let target = uri.path_and_query()?.as_str();
    let rest = target.strip_prefix(base).filter(|_| !base.is_empty())?;
    let target = match rest.as_bytes().first() {
        Some(b'/') => rest.to_owned(),
        None | Some(b'?') => format!("/{rest}"),
        Some(_) => return None,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Adds the base path to a `Location` header that points to this server.
pub(super) fn add_to_location(reply: &mut Reply, base: &str) {
    if base.is_empty() {
        return;
    }
    let location = reply.headers_mut().get(LOCATION);
    let location = location.and_then(|location| location.to_str().ok());
    let full_location =
        location.filter(|location| location.starts_with('/') && !location.starts_with("//"));
    let full_location =
        full_location.and_then(|location| HeaderValue::from_str(&format!("{base}{location}")).ok());
    if let Some(full_location) = full_location {
        reply.headers_mut().insert(LOCATION, full_location);
    }
}

/// Adds the base path to the links in an HTML page, and sets it as `data-base` for the page's scripts.
pub(super) fn add_to_page(html: &str, base: &str) -> String {
    html.replace("href=\"/", &format!("href=\"{base}/"))
        .replace("src=\"/", &format!("src=\"{base}/"))
        .replacen("<html ", &format!("<html data-base=\"{base}\" "), 1)
}

/// Adds the base path to the addresses in the web app manifest: all strings that begin with a slash.
pub(super) fn add_to_manifest(json: &str, base: &str) -> String {
    json.replace("\"/", &format!("\"{base}/"))
}

/// Sets the server URL of the OpenAPI description to the base path.
pub(super) fn add_to_openapi(json: &str, base: &str) -> String {
    json.replacen(r#"{"url":"/"}"#, &format!(r#"{{"url":"{base}"}}"#), 1)
}

/// Adds the base path to the targets of a `Link` header.
pub(super) fn add_to_links(links: &str, base: &str) -> String {
    links.replace("</", &format!("<{base}/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RESERVED_PATHS;
    use crate::http::assets;
    use crate::http::compatible_paths::COMPATIBLE_PATHS;
    use crate::http::routes::ROUTES;

    #[test]
    fn requests_lose_the_base_once() {
        for (uri, expected) in [
            ("/quire", Some("/")),
            ("/quire?a=/quire", Some("/?a=/quire")),
            ("/quire/", Some("/")),
            ("/quire/api/health?x=1", Some("/api/health?x=1")),
            ("/quire/quire/login", Some("/quire/login")),
            (
                "http://a.example/quire/login",
                Some("http://a.example/login"),
            ),
            ("/quirelogin", None),
            ("/login", None),
            ("/", None),
        ] {
            let uri: Uri = uri.parse().expect(uri);
            let stripped = strip_base_path(&uri, "/quire").map(|uri| uri.to_string());
            assert_eq!(stripped.as_deref(), expected, "{uri}");
            assert_eq!(strip_base_path(&uri, ""), None);
        }
    }

    #[test]
    fn all_addresses_of_the_shell_get_the_base() {
        let html = add_to_page(
            &assets::embedded_text("index.html").expect("a page"),
            "/quire",
        );
        assert!(html.contains("<html data-base=\"/quire\" "));
        for (at, _) in html.match_indices("=\"/") {
            let address = &html[at + 2..];
            let is_within = address.starts_with("/quire/") || address.starts_with("/quire\"");
            assert!(is_within, "{}", address.lines().next().unwrap_or_default());
        }
        let manifest = assets::embedded_text("manifest.webmanifest").expect("a manifest");
        let manifest = add_to_manifest(&manifest, "/quire");
        assert!(manifest.contains("\"/quire/\"") && !manifest.contains("\"/assets"));
        let openapi = assets::embedded_text("openapi.json").expect("a description");
        assert!(add_to_openapi(&openapi, "/quire").contains(r#"{"url":"/quire"}"#));
        let links = add_to_links("</assets/a.js>; rel=modulepreload, </b>", "/quire");
        assert_eq!(links, "</quire/assets/a.js>; rel=modulepreload, </quire/b>");
    }

    #[test]
    fn no_route_begins_like_an_allowed_base() {
        let routes = ROUTES.iter().map(|route| route.path);
        for path in routes.chain(COMPATIBLE_PATHS.iter().copied()) {
            let first = path.split('/').nth(1).unwrap_or_default();
            let is_listed = first.is_empty() || RESERVED_PATHS.contains(&first);
            assert!(is_listed, "{path}");
        }
    }
}

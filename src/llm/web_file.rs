//! Downloads a file from the web, for a document that is given as a URL. Only public addresses and the networks in
//! `OUTBOUND_ALLOW` are allowed, which also applies to the targets of redirects. Blocks.

use std::io::Read;
use std::time::Duration;

use ureq::http::header::LOCATION;
use ureq::http::{StatusCode, Uri};

use super::{LlmSettings, blocking_client};
use crate::domain::network::{AddressScope, Network};

/// Maximum number of redirects that are followed.
const MAX_REDIRECTS: usize = 5;
/// Timeout for the first byte of a file, and between its pieces.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens the file at an HTTP or HTTPS URL. Returns the file's name, and a reader that ends after at most `max_bytes`
/// bytes. `authorities` is PEM text with certificate authorities that replace the built-in ones.
///
/// # Errors
/// Returns the reason, as a sentence fragment, if the address is invalid or not allowed, there are too many redirects,
/// or the server does not respond or refuses the request.
pub fn open_web_file(
    address: &str,
    max_bytes: u64,
    allowed: &[Network],
    authorities: Option<String>,
) -> Result<(String, Box<dyn Read + Send>), String> {
    let settings = LlmSettings {
        first_token: READ_TIMEOUT,
        idle_timeout: READ_TIMEOUT,
        allowed_networks: allowed.to_vec(),
        authorities,
        ..LlmSettings::default()
    };
    let agent = blocking_client::agent(&settings, AddressScope::Public);
    let mut uri = web_address(address)?;
    for _ in 0..=MAX_REDIRECTS {
        // A new connection is used for each redirect, because the server may have closed the previous one without
        // notice.
        let request = agent.get(uri.clone()).config();
        let request = request.max_idle_age(Duration::ZERO).build();
        let response =
            request
                .call()
                .map_err(|error| match blocking_client::is_refusal(&error) {
                    true => "its address is not public; OUTBOUND_ALLOW permits networks".to_owned(),
                    false => error.to_string(),
                })?;
        let status = response.status();
        if status.is_redirection() {
            let to = response.headers().get(LOCATION);
            let to = to.and_then(|to| to.to_str().ok()).unwrap_or_default();
            uri = redirect_target(&uri, to)?;
            continue;
        }
        if status != StatusCode::OK {
            return Err(format!(
                "the server answers with status {}",
                status.as_u16()
            ));
        }
        let body = response
            .into_body()
            .into_with_config()
            .limit(max_bytes)
            .reader();
        return Ok((file_name(&uri), Box::new(body)));
    }
    Err(format!("it redirects more than {MAX_REDIRECTS} times"))
}

fn web_address(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|_| "not a valid address".to_owned())?;
    match uri.scheme_str() {
        Some("http" | "https") if uri.host().is_some() => Ok(uri),
        _ => Err("not an http or https address".to_owned()),
    }
}

/// Returns the target of a redirect. The target may be relative to the URL that redirects to it.
fn redirect_target(from: &Uri, to: &str) -> Result<Uri, String> {
    if to.contains("://") {
        return web_address(to);
    }
    let scheme = from.scheme_str().unwrap_or("https");
    let host = from.authority().map_or("", |authority| authority.as_str());
    let folder = from
        .path()
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    match to {
        "" => Err("it redirects to nowhere".to_owned()),
        to if to.starts_with("//") => web_address(&format!("{scheme}:{to}")),
        to if to.starts_with('/') => web_address(&format!("{scheme}://{host}{to}")),
        to => web_address(&format!("{scheme}://{host}{folder}/{to}")),
    }
}

/// Returns the name of the file at a URL: the last path segment or, if that is empty, the host with the extension
/// `.html`.
fn file_name(uri: &Uri) -> String {
    let last = uri.path().rsplit('/').next().unwrap_or_default();
    match last {
        "" => format!("{}.html", uri.host().unwrap_or("page")),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_joined_and_named() {
        let from: Uri = "https://a.example/docs/one.pdf?x=1"
            .parse()
            .expect("an address");
        assert_eq!(file_name(&from), "one.pdf");
        for (to, expected) in [
            ("two.pdf", "https://a.example/docs/two.pdf"),
            ("/three.pdf", "https://a.example/three.pdf"),
            ("//b.example/four", "https://b.example/four"),
            ("http://c.example/", "http://c.example/"),
        ] {
            assert_eq!(
                redirect_target(&from, to).map(|uri| uri.to_string()),
                Ok(expected.to_owned())
            );
        }
        assert!(redirect_target(&from, "file:///etc/passwd").is_err());
        let bare_uri: Uri = "https://a.example".parse().expect("an address");
        assert_eq!(file_name(&bare_uri), "a.example.html");
    }

    #[test]
    fn private_addresses_are_refused() {
        for address in [
            "http://127.0.0.1:9/x",
            "http://[::1]/x",
            "ftp://a.example/x",
            "nonsense",
        ] {
            let result = open_web_file(address, 1, &[], None).map(|_| ());
            assert!(result.is_err(), "{address}");
        }
        let why = open_web_file("http://10.0.0.1/x", 1, &[], None).map(|_| ());
        assert!(why.is_err_and(|why| why.contains("not public")));
    }
}

//! AWS Signature Version 4 in request headers, for S3-compatible stores. Pure: the caller passes the time and sends the
//! request. Does not support presigned URLs, chunked signing, or services other than S3.
//!
//! Implemented here because the existing crates contain more than we need: rusty-s3 only presigns URLs, and depends
//! on url, idna, hmac, sha2, and jiff. We already depend on ring.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::hmac;

use super::{hex, sha256};
use crate::domain::time::Timestamp;

/// SHA-256 of an empty body.
pub const EMPTY_BODY_HASH: &str =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The AWS credentials that a request is signed with.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// Access key ID (public).
    pub key: &'a str,
    /// Secret access key.
    pub secret: &'a str,
    /// Session token of temporary credentials.
    pub token: Option<&'a str>,
}

/// The request to sign.
#[derive(Clone, Copy)]
pub struct SignedRequest<'a> {
    /// HTTP method, in uppercase.
    pub method: &'a str,
    /// Path, encoded as sent; see [`path`].
    pub path: &'a str,
    /// Query string, encoded as sent; see [`query`].
    pub query: &'a str,
    /// Headers to sign. Names are in lowercase and must include `host`.
    pub headers: &'a [(&'a str, &'a str)],
    /// SHA-256 of the body, in hexadecimal.
    pub payload: &'a str,
}

/// Signs a request and returns the headers to add.
pub fn sign(
    request: &SignedRequest<'_>,
    credentials: &Credentials<'_>,
    region: &str,
    now: Timestamp,
) -> Vec<(&'static str, String)> {
    let time = format_time(now);
    let day = time.get(..8).unwrap_or_default();
    let mut added = vec![
        ("x-amz-content-sha256", request.payload.to_owned()),
        ("x-amz-date", time.clone()),
    ];
    if let Some(token) = credentials.token {
        added.push(("x-amz-security-token", token.to_owned()));
    }
    let request_headers = request.headers.iter().copied();
    let added_headers = added.iter().map(|(name, value)| (*name, value.as_str()));
    let mut headers: Vec<(&str, &str)> = request_headers.chain(added_headers).collect();
    headers.sort_unstable();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}:{}\n", collapse_spaces(value)))
        .collect();
    let SignedRequest {
        method,
        path,
        query,
        payload,
        ..
    } = request;
    let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{payload}");
    let scope = format!("{day}/{region}/s3/aws4_request");
    let hash = hex(&sha256::hash(canonical.as_bytes()));
    let text = format!("{ALGORITHM}\n{time}\n{scope}\n{hash}");
    let mut key = format!("AWS4{}", credentials.secret).into_bytes();
    for part in [day, region, "s3", "aws4_request", &text] {
        let signing_key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        key = hmac::sign(&signing_key, part.as_bytes()).as_ref().to_vec();
    }
    let signature = hex(&key);
    let credential = format!("{}/{scope}", credentials.key);
    let authorization =
        format!("{ALGORITHM} Credential={credential},SignedHeaders={names},Signature={signature}");
    added.push(("authorization", authorization));
    added
}

/// Percent-encodes each segment of a path, for sending and signing.
pub fn path(text: &str) -> String {
    let parts: Vec<String> = text.split('/').map(percent_encode).collect();
    parts.join("/")
}

/// Percent-encodes the pairs of a query string and sorts them, for sending and signing.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut pairs: Vec<(String, String)> = pairs
        .iter()
        .map(|(name, value)| (percent_encode(name), percent_encode(value)))
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

fn percent_encode(text: &str) -> String {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Trims spaces at both ends and collapses runs of spaces, as the canonical form requires.
fn collapse_spaces(value: &str) -> String {
    let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Formats a time in the ISO 8601 basic format: `20130524T000000Z`.
fn format_time(now: Timestamp) -> String {
    let text = now.to_string();
    let digits = text.chars().take(19).filter(|c| !matches!(c, '-' | ':'));
    digits.chain(['Z']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE_CREDENTIALS: Credentials<'_> = Credentials {
        key: "AKIAIOSFODNN7EXAMPLE",
        secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        token: None,
    };

    fn midnight() -> Timestamp {
        Timestamp::parse("2013-05-24T00:00:00Z").expect("a moment")
    }

    fn authorization(request: &SignedRequest<'_>, credentials: &Credentials<'_>) -> String {
        let added_headers = sign(request, credentials, "us-east-1", midnight());
        let header = added_headers
            .into_iter()
            .find(|(name, _)| *name == "authorization");
        header.expect("it is signed").1
    }

    fn check(request: &SignedRequest<'_>, signed: &str, signature: &str) {
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders={signed},Signature={signature}"
        );
        assert_eq!(authorization(request, &EXAMPLE_CREDENTIALS), expected);
    }

    fn get<'a>(
        path: &'a str,
        query: &'a str,
        headers: &'a [(&'a str, &'a str)],
    ) -> SignedRequest<'a> {
        SignedRequest {
            method: "GET",
            path,
            query,
            headers,
            payload: EMPTY_BODY_HASH,
        }
    }

    // From "Examples: signature calculations" in the AWS documentation.
    #[test]
    fn matches_the_published_examples() {
        let host = ("host", "examplebucket.s3.amazonaws.com");
        check(
            &get("/test.txt", "", &[host, ("range", "bytes=0-9")]),
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        );
        let usual_headers = "host;x-amz-content-sha256;x-amz-date";
        check(
            &get("/", &query(&[("lifecycle", "")]), &[host]),
            usual_headers,
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        );
        check(
            &get("/", &query(&[("prefix", "J"), ("max-keys", "2")]), &[host]),
            usual_headers,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        );
        let put_request = SignedRequest {
            method: "PUT",
            path: &path("/test$file.text"),
            query: "",
            headers: &[
                host,
                ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ],
            payload: &hex(&sha256::hash(b"Welcome to Amazon S3.")),
        };
        check(
            &put_request,
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        );
    }

    #[test]
    fn session_tokens_are_signed_and_spaces_normalized() {
        let temporary = Credentials {
            token: Some("lent"),
            ..EXAMPLE_CREDENTIALS
        };
        let text = authorization(&get("/", "", &[("host", "h")]), &temporary);
        assert!(text.contains(";x-amz-date;x-amz-security-token,"), "{text}");
        assert_eq!(
            authorization(
                &get("/", "", &[("host", "h"), ("range", " a   b ")]),
                &EXAMPLE_CREDENTIALS
            ),
            authorization(
                &get("/", "", &[("host", "h"), ("range", "a b")]),
                &EXAMPLE_CREDENTIALS
            ),
        );
    }

    #[test]
    fn object_names_of_any_kind_are_encoded() {
        for (text, sent) in [
            ("/a b/ü~-._/c", "/a%20b/%C3%BC~-._/c"),
            ("/a+b=c&d", "/a%2Bb%3Dc%26d"),
        ] {
            assert_eq!(path(text), sent);
        }
        let pairs = [("prefix", "a/b c"), ("list-type", "2"), ("é", "*")];
        assert_eq!(query(&pairs), "%C3%A9=%2A&list-type=2&prefix=a%2Fb%20c");
    }
}

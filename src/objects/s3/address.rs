//! Bucket settings: `s3://bucket/prefix` and the environment variables that every S3 tool reads. Explains in a
//! sentence how to fix a missing or invalid setting.

use std::fmt;
use std::time::Duration;

use ureq::http::Uri;

/// Everything needed to connect to a bucket.
#[derive(Clone)]
pub struct BucketSettings {
    pub(super) is_https: bool,
    /// Host and port, as in the `host` header.
    pub(super) host: String,
    /// Path before the key, including the bucket's name unless that is part of the host. Has a leading slash and no
    /// trailing one, or is empty.
    pub(super) base: String,
    pub(super) bucket: String,
    /// Prefix of all keys, with a trailing slash, or empty.
    pub(super) prefix: String,
    pub(super) region: String,
    pub(super) key: String,
    pub(super) secret: String,
    pub(super) token: Option<String>,
    /// PEM text of the certificate authorities to trust instead of the built-in ones.
    pub authorities: Option<String>,
    pub(super) timeouts: BucketTimeouts,
}

/// Timeouts and retry pauses.
#[derive(Clone)]
pub(super) struct BucketTimeouts {
    pub connect: Duration,
    /// Timeout per chunk, in either direction.
    pub chunk: Duration,
    pub pauses: Vec<Duration>,
}

impl BucketSettings {
    /// Shortens the timeouts and retry pauses for a command whose user waits for each response.
    pub fn with_interactive_timeouts(mut self) -> Self {
        self.timeouts = BucketTimeouts {
            connect: Duration::from_secs(5),
            chunk: Duration::from_secs(20),
            pauses: [200, 800].map(Duration::from_millis).into(),
        };
        self
    }
}

impl Default for BucketTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            chunk: Duration::from_secs(60),
            pauses: [200, 800, 2000].map(Duration::from_millis).into(),
        }
    }
}

impl fmt::Debug for BucketSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(
            f,
            "s3://{}/{} at {scheme}://{}{} in {}",
            self.bucket, self.prefix, self.host, self.base, self.region
        )
    }
}

/// Parses an `s3://` address and reads the other settings from environment variables.
///
/// # Errors
/// Returns a sentence that names the invalid or missing setting.
pub fn address(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<BucketSettings, String> {
    let variable = |name: &str| {
        let value = env(name)?.trim().to_owned();
        (!value.is_empty()).then_some(value)
    };
    let (bucket, prefix) = bucket_and_prefix(text)?;
    let (key, secret) = match (
        variable("AWS_ACCESS_KEY_ID"),
        variable("AWS_SECRET_ACCESS_KEY"),
    ) {
        (Some(key), Some(secret)) => (key, secret),
        (None, Some(_)) => return Err("AWS_ACCESS_KEY_ID is not set".into()),
        (Some(_), None) => return Err("AWS_SECRET_ACCESS_KEY is not set".into()),
        (None, None) => {
            return Err("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set".into());
        }
    };
    let token = variable("AWS_SESSION_TOKEN");
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let region = region.unwrap_or_else(|| "us-east-1".to_owned());
    let is_valid = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !region.chars().all(is_valid) {
        return Err(format!(
            "AWS_REGION is {region:?}, which is not a valid region"
        ));
    }
    // These values become headers, and the HTTP library would print an invalid one in its error.
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", Some(&key)),
        ("AWS_SECRET_ACCESS_KEY", Some(&secret)),
        ("AWS_SESSION_TOKEN", token.as_ref()),
    ] {
        if value.is_some_and(|value| !value.chars().all(|c| c.is_ascii_graphic())) {
            return Err(format!("{name} contains characters that no key has"));
        }
    }
    let endpoint_setting = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]
        .into_iter()
        .find_map(|name| Some((name, variable(name)?)));
    let (is_https, host, base) = match endpoint_setting {
        Some((name, url)) => {
            let (is_https, host, base) = endpoint(name, &url)?;
            (is_https, host, format!("{base}/{bucket}"))
        }
        None => {
            let (host, base) = amazon_endpoint(&bucket, &region);
            (true, host, base)
        }
    };
    Ok(BucketSettings {
        is_https,
        host,
        base,
        bucket,
        prefix,
        region,
        key,
        secret,
        token,
        authorities: None,
        timeouts: BucketTimeouts::default(),
    })
}

fn bucket_and_prefix(text: &str) -> Result<(String, String), String> {
    let rest = text
        .strip_prefix("s3://")
        .ok_or_else(|| format!("{text:?} does not begin with s3://"))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(is_valid) || bucket.starts_with('.')
    {
        return Err(format!(
            "{text:?} names no bucket: use s3://bucket/prefix, where a bucket's name has 3 to 63 letters, digits, \
             dots, and hyphens"
        ));
    }
    if prefix.contains(['?', '#']) {
        return Err(format!(
            "{text:?} has parameters: set AWS_ENDPOINT_URL, AWS_REGION, and so on instead"
        ));
    }
    let prefix = prefix.trim_matches('/');
    if prefix.len() > 512 || prefix.chars().any(char::is_control) {
        return Err("the prefix is longer than 512 bytes or contains control characters".into());
    }
    if prefix.is_empty() {
        return Ok((bucket.to_owned(), String::new()));
    }
    if prefix
        .split('/')
        .any(|part| matches!(part, "" | "." | ".."))
    {
        return Err(format!("{text:?} has an empty part, or one of only dots"));
    }
    Ok((bucket.to_owned(), format!("{prefix}/")))
}

fn endpoint(name: &str, url: &str) -> Result<(bool, String, String), String> {
    let invalid = || {
        format!("{name} is {url:?}, which is not a valid URL; use https://host or http://host:9000")
    };
    // The address is not printed, because the text before `@` may be a password.
    if url.contains('@') {
        return Err(format!(
            "{name} contains an @: set the key as AWS_ACCESS_KEY_ID instead"
        ));
    }
    let uri: Uri = url.parse().map_err(|_| invalid())?;
    let is_https = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(invalid()),
    };
    let host = uri
        .host()
        .filter(|host| !host.is_empty())
        .ok_or_else(invalid)?;
    if uri.query().is_some() {
        return Err(invalid());
    }
    let default_port = if is_https { 443 } else { 80 };
    let host = match uri.port_u16() {
        Some(port) if port != default_port => format!("{host}:{port}"),
        _ => host.to_owned(),
    };
    let base = uri.path().trim_end_matches('/');
    Ok((is_https, host, base.to_owned()))
}

/// Returns the host and base path of a bucket on Amazon S3. A bucket whose name contains a dot goes into the path,
/// because Amazon's certificates do not cover it as part of the host.
fn amazon_endpoint(bucket: &str, region: &str) -> (String, String) {
    let domain = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    if bucket
        .chars()
        .all(|c| c == '-' || c.is_ascii_lowercase() || c.is_ascii_digit())
    {
        (format!("{bucket}.s3.{region}.{domain}"), String::new())
    } else {
        (format!("s3.{region}.{domain}"), format!("/{bucket}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST_CREDENTIALS: &str = "AWS_ACCESS_KEY_ID=AKIA AWS_SECRET_ACCESS_KEY=hidden";

    fn parse_with(text: &str, variables: &str) -> Result<BucketSettings, String> {
        address(text, &|name| {
            let mut pairs = variables.split(' ').filter_map(|pair| pair.split_once('='));
            let (_, value) = pairs.find(|(found, _)| *found == name)?;
            Some(value.to_owned())
        })
    }

    #[test]
    fn addresses_are_parsed() {
        for (text, extra_settings, expected) in [
            (
                "s3://bucket",
                "",
                "s3://bucket/ at https://bucket.s3.us-east-1.amazonaws.com in us-east-1",
            ),
            (
                "s3://bucket/a b/ü/",
                "AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=x",
                "s3://bucket/a b/ü/ at https://bucket.s3.eu-central-1.amazonaws.com in eu-central-1",
            ),
            (
                "s3://my.bucket/x",
                "AWS_DEFAULT_REGION=cn-north-1",
                "s3://my.bucket/x/ at https://s3.cn-north-1.amazonaws.com.cn/my.bucket in cn-north-1",
            ),
            (
                "s3://bucket/x",
                "AWS_ENDPOINT_URL=http://127.0.0.1:9000/",
                "s3://bucket/x/ at http://127.0.0.1:9000/bucket in us-east-1",
            ),
            (
                "s3://bucket/x",
                "AWS_ENDPOINT_URL_S3=https://a.example:443/storage/v1/s3 AWS_ENDPOINT_URL=http://b.example AWS_REGION=auto",
                "s3://bucket/x/ at https://a.example/storage/v1/s3/bucket in auto",
            ),
        ] {
            let read = parse_with(text, &format!("{TEST_CREDENTIALS} {extra_settings}"));
            assert_eq!(format!("{:?}", read.expect(text)), expected, "{text}");
        }
    }

    #[test]
    fn errors_name_the_missing_variable() {
        for (text, variables, expected) in [
            (
                "s3://bucket",
                "",
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set",
            ),
            (
                "s3://bucket",
                "AWS_ACCESS_KEY_ID=A",
                "AWS_SECRET_ACCESS_KEY is not set",
            ),
            (
                "s3://bucket",
                "AWS_SECRET_ACCESS_KEY=A",
                "AWS_ACCESS_KEY_ID is not set",
            ),
            (
                "https://bucket",
                TEST_CREDENTIALS,
                "does not begin with s3://",
            ),
            ("s3://", TEST_CREDENTIALS, "names no bucket"),
            ("s3:///prefix", TEST_CREDENTIALS, "names no bucket"),
            ("s3://a,b,c/prefix", TEST_CREDENTIALS, "names no bucket"),
            (
                "s3://bucket/x?endpoint=y",
                TEST_CREDENTIALS,
                "has parameters",
            ),
            ("s3://bucket/x//y", TEST_CREDENTIALS, "an empty part"),
            ("s3://bucket/../y", TEST_CREDENTIALS, "an empty part"),
            ("s3://bucket/a\nb", TEST_CREDENTIALS, "control characters"),
            (
                "s3://bucket",
                "AWS_ENDPOINT_URL=localhost:9000",
                "AWS_ENDPOINT_URL is",
            ),
            (
                "s3://bucket",
                "AWS_ENDPOINT_URL_S3=ftp://host",
                "AWS_ENDPOINT_URL_S3 is",
            ),
            (
                "s3://bucket",
                "AWS_ENDPOINT_URL=https://a:hidden@host",
                "contains an @",
            ),
            ("s3://bucket", "AWS_REGION=a/b", "AWS_REGION is"),
            (
                "s3://bucket",
                "AWS_SESSION_TOKEN=hidden\u{e9}",
                "AWS_SESSION_TOKEN contains",
            ),
        ] {
            let variables = match variables {
                "" => String::new(),
                one if one.starts_with("AWS_ACCESS") || one.starts_with("AWS_SECRET") => one.into(),
                more => format!("{TEST_CREDENTIALS} {more}"),
            };
            let why = parse_with(text, &variables).expect_err(text);
            assert!(why.contains(expected), "{why}");
            assert!(!why.contains("hidden"), "{why}");
        }
    }
}

//! Network checks: ports, host names, certificates, and proxies in front of the server. Listens briefly on each
//! free port; requests the public address only if one is set.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::health::{self, HealthResult};
use super::{CheckResult, CheckState, finding};
use crate::clock;
use crate::config::Config;
use crate::domain::time::Timestamp;
use crate::llm::{Remote, RemoteError};
use crate::tls::Files;

/// Path of a test endpoint that sends a few events at intervals. If they arrive all at once, a proxy has buffered them.
const TICKS_PATH: &str = "/api/internal/ticks";
/// If events arrive at a shorter average interval than this, a proxy has buffered them: they are sent at four times
/// this interval.
const MIN_TICK_INTERVAL: Duration = Duration::from_millis(60);

/// Runs the checks. Blocks, for several seconds if a peer does not respond.
pub(super) fn examine(config: &Config) -> Vec<CheckResult> {
    let mut findings = Vec::new();
    let mut is_serving = false;
    for (name, port) in [("PORT", Some(config.port)), ("UI_PORT", config.ui_port)] {
        let Some(port) = port.filter(|port| *port != 0) else {
            continue;
        };
        let address = SocketAddr::new(config.host, port);
        let bound = TcpListener::bind(address)
            .map(drop)
            .map_err(|error| error.kind());
        let reachable = SocketAddr::new(health::reachable_address(config.host), port);
        let found = check_port(name, address, bound, || {
            health::probe_at(reachable, config.tls.is_some())
        });
        is_serving |= found.1;
        findings.push(found.0);
    }
    findings.extend(check_names(config));
    findings.push(check_authorities(config));
    findings.extend(
        config
            .tls
            .as_ref()
            .map(|files| check_certificate(files, clock::now())),
    );
    if let Some(url) = &config.public_url {
        findings.extend(check_public_url(url, config, is_serving));
    }
    findings
}

/// Returns the finding for a port, and whether a Quire server listens there.
fn check_port(
    name: &str,
    address: SocketAddr,
    bound: Result<(), ErrorKind>,
    ask: impl FnOnce() -> HealthResult,
) -> (CheckResult, bool) {
    let (state, text, is_serving) = match bound {
        Ok(()) => (CheckState::Ok, format!("{address} is free"), false),
        Err(ErrorKind::AddrInUse) => match ask() {
            Ok(answer) if answer.accepts_requests() => {
                let text = format!("Quire {} is running at {address}", answer.version);
                (CheckState::Ok, text, true)
            }
            Ok(answer) => {
                let text = format!("Quire at {address} reports a problem: {}", answer.message);
                (CheckState::Failed, text, true)
            }
            Err(_) => {
                let text = format!(
                    "{address} is used by another program: stop it (ss -ltnp shows which), or set {name} to another port"
                );
                (CheckState::Failed, text, false)
            }
        },
        Err(ErrorKind::PermissionDenied) => {
            let text = format!(
                "this user may not listen on {address}: use a port above 1023, or grant the permission (setcap cap_net_bind_service=+ep)"
            );
            (CheckState::Failed, text, false)
        }
        Err(ErrorKind::AddrNotAvailable) => {
            let text = format!(
                "this machine has no address {}: set HOST to one of its addresses, or to 0.0.0.0",
                address.ip()
            );
            (CheckState::Failed, text, false)
        }
        Err(other) => (
            CheckState::Failed,
            format!("cannot listen on {address}: {other}"),
            false,
        ),
    };
    (finding("port", state, text), is_serving)
}

/// Checks that the host names of configured addresses can be resolved, except those of well-known providers, which are
/// resolved when they are called.
fn check_names(config: &Config) -> Vec<CheckResult> {
    let base_urls = config
        .providers
        .iter()
        .filter_map(|provider| provider.base_url.as_deref());
    let mut hosts: Vec<&str> = base_urls
        .chain(config.public_url.as_deref())
        .filter_map(host_of)
        .collect();
    hosts.sort_unstable();
    hosts.dedup();
    let unknown = |host: &&str| {
        (*host, 0)
            .to_socket_addrs()
            .map_or(true, |mut all| all.next().is_none())
    };
    let (unknown, known): (Vec<&str>, Vec<&str>) = hosts.into_iter().partition(unknown);
    let mut findings = Vec::new();
    if !unknown.is_empty() {
        let text = format!(
            "{} cannot be resolved: check the spelling and /etc/resolv.conf (in a container: the --dns option)",
            unknown.join(", ")
        );
        findings.push(finding("names", CheckState::Failed, text));
    }
    if !known.is_empty() {
        findings.push(finding(
            "names",
            CheckState::Ok,
            format!("{} can be resolved", known.join(", ")),
        ));
    }
    findings
}

/// Returns the host name of a URL; `None` for an IP address, which needs no lookup.
fn host_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let host = match authority.starts_with('[') {
        true => return None,
        false => authority.split(':').next()?,
    };
    (!host.is_empty() && host.parse::<IpAddr>().is_err()).then_some(host)
}

fn check_authorities(config: &Config) -> CheckResult {
    let text = match &config.authorities {
        None => {
            "the built-in certificate authorities are trusted, not those of this machine".to_owned()
        }
        Some(pem) => {
            let count = pem.matches("-----BEGIN CERTIFICATE-----").count();
            format!("only the authorities in QUIRE_CA_FILE are trusted; certificates: {count}")
        }
    };
    finding("authorities", CheckState::Ok, text)
}

/// Remaining validity below which a certificate calls for a warning. Certificates are usually renewed a month
/// before they expire, so two weeks before, the renewal is overdue.
const EXPIRY_WARNING: Duration = Duration::from_secs(14 * 86_400);

fn check_certificate(files: &Files, now: Timestamp) -> CheckResult {
    let (state, text) = match files.until() {
        Err(why) => (CheckState::Failed, why),
        Ok(until) => {
            let shown = files.certificate.display();
            let days = until.since(now).as_secs() / 86_400;
            let advice =
                "renew it (certbot renew); a running server loads the new one automatically";
            match until {
                _ if until < now => {
                    let text = format!("the certificate in {shown} expired on {until}; {advice}");
                    (CheckState::Failed, text)
                }
                _ if until.since(now) < EXPIRY_WARNING => {
                    let text =
                        format!("the certificate in {shown} expires in {days} days; {advice}");
                    (CheckState::Warning, text)
                }
                _ => {
                    let text = format!("the one in {shown} is valid until {until}, {days} days");
                    (CheckState::Ok, text)
                }
            }
        }
    };
    finding("certificate", state, text)
}

/// Checks that the public address leads to a Quire server, through any proxy, and that events arrive without buffering.
fn check_public_url(url: &str, config: &Config, is_serving: bool) -> Vec<CheckResult> {
    if !is_serving {
        let text =
            format!("{url} is checked only while the server runs: start it and run this again");
        return vec![finding("public address", CheckState::Warning, text)];
    }
    let remote = Remote::new(url, "", config.authorities.clone());
    match remote.get("/api/health") {
        Ok(value) if value["database"]["engine"].is_string() => {}
        Ok(_) => {
            return vec![failed_check(
                url,
                "the program that responds there is not Quire",
            )];
        }
        Err(RemoteError::Unreachable(why) | RemoteError::Refused(_, why)) => {
            return vec![failed_check(url, &why)];
        }
    }
    let reached = finding(
        "public address",
        CheckState::Ok,
        format!("{url} reaches Quire"),
    );
    let mut arrived: Vec<Instant> = Vec::new();
    let followed = remote.events(TICKS_PATH, 0, |_, _, _| {
        arrived.push(clock::instant());
        true
    });
    let streamed = match followed {
        Err(RemoteError::Unreachable(why) | RemoteError::Refused(_, why)) => {
            failed_check(url, &why)
        }
        Ok(()) => check_streaming(&arrived),
    };
    vec![reached, streamed]
}

fn failed_check(url: &str, why: &str) -> CheckResult {
    let text = format!("{url}: {why}; check the proxy in front of Quire, and PUBLIC_URL");
    finding("public address", CheckState::Failed, text)
}

fn check_streaming(arrived: &[Instant]) -> CheckResult {
    let first_to_last = match (arrived.first(), arrived.last()) {
        (Some(first), Some(last)) => last.saturating_duration_since(*first),
        _ => Duration::ZERO,
    };
    let gaps = arrived.len().saturating_sub(1) as u32;
    if gaps > 0 && first_to_last >= MIN_TICK_INTERVAL * gaps {
        return finding(
            "streaming",
            CheckState::Ok,
            "events arrive as soon as they are sent",
        );
    }
    let text = "events arrive all at once because a proxy buffers responses; nginx: proxy_buffering off; Cloudflare and other caches: do not cache or transform text/event-stream";
    finding("streaming", CheckState::Failed, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_extracted() {
        for (url, expected) in [
            ("https://api.example.com/v1", Some("api.example.com")),
            ("http://u:p@lab:8000", Some("lab")),
            ("http://127.0.0.1:80/", None),
            ("http://[::1]:80/", None),
            ("nothing", None),
        ] {
            assert_eq!(host_of(url), expected, "{url}");
        }
    }

    #[test]
    fn ports_in_use_are_reported() {
        let address: SocketAddr = "0.0.0.0:80".parse().expect("an address");
        let quire = |status: &str| {
            let status = status.to_owned();
            move || {
                Ok(health::HealthProbe {
                    status,
                    message: "m".to_owned(),
                    version: "1".to_owned(),
                })
            }
        };
        let see = |bound, respond: &dyn Fn() -> HealthResult| {
            let (finding, is_serving) = check_port("PORT", address, bound, respond);
            (finding.state, is_serving)
        };
        let (healthy, unhealthy) = (quire("warning"), quire("error"));
        let taken = Err(ErrorKind::AddrInUse);
        assert_eq!(see(Ok(()), &|| Err(String::new())), (CheckState::Ok, false));
        assert_eq!(see(taken, &|| healthy.clone()()), (CheckState::Ok, true));
        assert_eq!(
            see(taken, &|| unhealthy.clone()()),
            (CheckState::Failed, true)
        );
        assert_eq!(
            see(taken, &|| Err(String::new())),
            (CheckState::Failed, false)
        );
        let denied = Err(ErrorKind::PermissionDenied);
        assert_eq!(
            see(denied, &|| healthy.clone()()),
            (CheckState::Failed, false)
        );
    }

    #[test]
    fn buffered_events_are_detected() {
        let start = clock::instant();
        let after = |millis: &[u64]| -> Vec<Instant> {
            millis
                .iter()
                .map(|ms| start + Duration::from_millis(*ms))
                .collect()
        };
        assert_eq!(
            check_streaming(&after(&[0, 250, 500, 750])).state,
            CheckState::Ok
        );
        assert_eq!(
            check_streaming(&after(&[0, 1, 2, 3])).state,
            CheckState::Failed
        );
        assert_eq!(check_streaming(&after(&[750])).state, CheckState::Failed);
        assert_eq!(check_streaming(&[]).state, CheckState::Failed);
    }
}

//! Tests that certificate files are read, invalid ones refused, and renewed ones reloaded.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("quire-tls-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    fn files(&self) -> Files {
        Files {
            certificate: self.0.join("chain.pem"),
            key: self.0.join("key.pem"),
        }
    }
    fn write(&self, certificate: &str, key: &str) {
        fs::write(self.files().certificate, certificate).unwrap();
        fs::write(self.files().key, key).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Creates a certificate that expires on the first day of the year `until`, and its key, both as PEM.
fn create_certificate(until: i32) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["quire.example".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn now() -> Timestamp {
    Timestamp::parse("2026-06-01T00:00:00Z").unwrap()
}

fn open_error(folder: &Folder) -> String {
    let open_result = CertificateResolver::open(folder.files(), now());
    open_result.err().expect("it is refused")
}

#[test]
fn the_expiry_of_a_certificate_is_read() {
    let folder = Folder::new("until");
    for (year, expected) in [
        (2030, "2030-01-01T00:00:00.000Z"),
        (2060, "2060-01-01T00:00:00.000Z"),
    ] {
        let (certificate, key) = create_certificate(year);
        folder.write(&certificate, &key);
        assert_eq!(folder.files().until().unwrap().to_string(), expected);
    }
}

#[test]
fn errors_name_the_unusable_file() {
    let folder = Folder::new("faults");
    let missing = open_error(&folder);
    assert!(missing.contains("chain.pem: No such file"), "{missing}");
    let (certificate, key) = create_certificate(2030);
    let (expired_certificate, expired_key) = create_certificate(2025);
    let truncated = &certificate[..certificate.len() / 2];
    let large = "x".repeat(2 << 20);
    let empty = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";
    for (certificate, key, expected) in [
        ("", key.as_str(), "no PEM certificate in"),
        (truncated, &key, "is damaged"),
        (empty, &key, "is damaged"),
        (&large, &key, "larger than 1 MiB"),
        (&key, &key, "no PEM certificate in"),
        (&certificate, "", "no PEM private key in"),
        (&certificate, &certificate, "no PEM private key in"),
        (
            &certificate,
            &expired_key,
            "does not match the first certificate",
        ),
        (
            &expired_certificate,
            &expired_key,
            "expired at 2025-01-01T00:00:00.000Z; renew it",
        ),
    ] {
        folder.write(certificate, key);
        let message = open_error(&folder);
        assert!(message.contains(expected), "{message}");
        assert!(message.contains(".pem"), "{message}");
    }
}

#[test]
fn a_valid_renewal_replaces_and_an_invalid_one_does_not() {
    let folder = Folder::new("renewal");
    let touched = |later: u64| {
        // Some file systems store times in whole seconds.
        let file = fs::File::open(folder.files().certificate).unwrap();
        let when = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + later);
        file.set_modified(when).unwrap();
    };
    let (certificate, key) = create_certificate(2030);
    folder.write(&certificate, &key);
    touched(0);
    let resolver = CertificateResolver::open(folder.files(), now()).unwrap();
    let first = || resolver.current.0.read().unwrap().cert[0].clone();
    let before = first();
    assert_eq!(
        resolver.refresh(false, now()),
        Ok(None),
        "nothing has changed"
    );

    let (newer_certificate, newer_key) = create_certificate(2031);
    folder.write(&newer_certificate, &key);
    touched(1);
    let message = resolver.refresh(false, now()).unwrap_err();
    assert!(message.contains("does not match"), "{message}");
    assert_eq!(first(), before, "what held is still shown");
    assert!(
        resolver.refresh(true, now()).is_err(),
        "asked for, it is tried again"
    );

    folder.write(&newer_certificate, &newer_key);
    touched(2);
    let until = resolver.refresh(false, now()).unwrap().expect("it is new");
    assert_eq!(until.to_string(), "2031-01-01T00:00:00.000Z");
    assert_ne!(first(), before);
    assert_eq!(resolver.refresh(false, now()), Ok(None));
}

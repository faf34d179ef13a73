//! Tests the bucket client over a real socket against a server that verifies every signature and simulates the failures
//! of buckets.

use std::fs;
use std::io::Write as _;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use self::server::{BUCKET, Bucket, BucketFault, Conditions, KEY, SECRET};
use super::address::BucketTimeouts;
use super::*;

#[path = "../../../tests/api/support/s3.rs"]
#[allow(dead_code, reason = "the tests of the whole server use the rest")]
mod server;

/// Creates a target with short timeouts.
fn target(bucket: &Bucket, address: &str, change: impl FnOnce(&mut BucketSettings)) -> S3 {
    let variables = bucket.environment();
    let env = |name: &str| {
        let found = variables.iter().find(|(found, _)| *found == name);
        found.map(|(_, value)| value.clone())
    };
    let mut settings = super::address(address, &env).expect("an address");
    settings.timeouts = BucketTimeouts {
        connect: Duration::from_secs(10),
        chunk: Duration::from_secs(10),
        pauses: vec![Duration::ZERO; 3],
    };
    change(&mut settings);
    S3::open(settings)
}

fn plain(bucket: &Bucket) -> S3 {
    target(bucket, &format!("s3://{BUCKET}/p"), |_| {})
}

fn file(bytes: &[u8]) -> File {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("quire-s3-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    let write = File::create(&path).and_then(|mut file| file.write_all(bytes));
    write.expect("written");
    let file = File::open(&path).expect("it is there");
    fs::remove_file(path).expect("removed");
    file
}

fn read(target: &S3, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut reader = target.get(name)?;
    let read = reader.read_to_end(&mut bytes);
    read.map_err(|error| TargetError::Failed(error.to_string()))?;
    Ok(bytes)
}

fn names(target: &S3, beginning: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    target.list(beginning, &mut |entry| {
        names.push(format!("{} {}", entry.name, entry.bytes));
    })?;
    Ok(names)
}

#[test]
fn files_are_complete_or_absent() {
    let bucket = Bucket::new();
    bucket.set_page_size(2);
    for prefix in ["", "/p", "/a b/ü & <c>+%41"] {
        let target = target(&bucket, &format!("s3://{BUCKET}{prefix}"), |_| {});
        bucket.store_directly(&format!("{}ltx/", &target.settings().prefix), b"");
        assert_eq!(target.put("ltx/0/b", &file(b"two"), true), Ok(()));
        assert_eq!(
            target.put("ltx/0/b", &file(b"three"), true),
            Err(TargetError::Taken)
        );
        assert_eq!(target.put("ltx/9/a", &file(b"nine"), false), Ok(()));
        assert_eq!(target.put("ltx/9/a", &file(b"nine!"), false), Ok(()));
        assert_eq!(target.put("ltx/0/a", &file(b""), true), Ok(()));
        let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        assert_eq!(target.put("ltx/9/b c", &file(&large), true), Ok(()));
        assert_eq!(
            names(&target, "ltx/").expect("a list"),
            ["ltx/0/a 0", "ltx/0/b 3", "ltx/9/a 5", "ltx/9/b c 3000000"]
        );
        assert_eq!(
            names(&target, "ltx/0/").expect("a list"),
            ["ltx/0/a 0", "ltx/0/b 3"]
        );
        assert_eq!(names(&target, "none/").expect("a list").len(), 0);
        assert_eq!(read(&target, "ltx/0/b"), Ok(b"two".to_vec()));
        assert_eq!(read(&target, "ltx/0/a"), Ok(Vec::new()));
        assert!(read(&target, "ltx/9/b c") == Ok(large), "it comes back");
        assert_eq!(read(&target, "ltx/0/c"), Err(TargetError::Missing));
        assert_eq!(target.remove("ltx/0/b"), Ok(()));
        assert_eq!(target.remove("ltx/0/b"), Ok(()));
        assert_eq!(read(&target, "ltx/0/b"), Err(TargetError::Missing));
        for out in ["../x", "/x", "a//b", "a/../../x", "", "."] {
            assert!(
                matches!(target.get(out), Err(TargetError::Refused(_))),
                "{out}"
            );
        }
    }
}

#[test]
fn a_listing_is_requested_page_by_page() {
    let bucket = Bucket::new();
    bucket.set_page_size(2);
    for name in ["p/a", "p/b", "p/c", "p/d", "p/e", "q/f"] {
        bucket.store_directly(name, b"1");
    }
    let listed_names = names(&plain(&bucket), "").expect("a list");
    assert_eq!(listed_names, ["a 1", "b 1", "c 1", "d 1", "e 1"]);
    assert_eq!(bucket.requests().len(), 3);
}

#[test]
fn transient_failures_are_retried() {
    let busy = BucketFault::Says(503, "SlowDown", "Please reduce your request rate.");
    let faults = [
        busy.clone(),
        BucketFault::Says(500, "InternalError", "We encountered an internal error."),
        BucketFault::Says(429, "TooManyRequests", "Later."),
        BucketFault::Says(400, "RequestTimeout", "Nothing came."),
        BucketFault::Half,
        BucketFault::Lost,
    ];
    let bucket = Bucket::new();
    let target = plain(&bucket);
    for fault in faults {
        let twice = |method| {
            bucket.fail_next(method, fault.clone());
            bucket.fail_next(method, busy.clone());
        };
        twice("PUT");
        assert_eq!(target.put("a", &file(b"some bytes"), true), Ok(()));
        twice("GET");
        assert_eq!(read(&target, "a"), Ok(b"some bytes".to_vec()));
        twice("DELETE");
        assert_eq!(target.remove("a"), Ok(()));
        assert_eq!(names(&target, ""), Ok(Vec::new()));
    }
    for _ in 0..4 {
        bucket.fail_next("PUT", busy.clone());
    }
    bucket.requests();
    let why = "the store says SlowDown: Please reduce your request rate".to_owned();
    let result = target.put("a", &file(b"some bytes"), false);
    assert_eq!(result, Err(TargetError::Failed(why)));
    assert_eq!(bucket.requests().len(), 4);
}

#[test]
fn permanent_failures_are_reported_without_retry() {
    let bucket = Bucket::new();
    let target = plain(&bucket);
    // The first put has shown that the store supports conditions.
    assert_eq!(target.put("known", &file(b"x"), true), Ok(()));
    assert_eq!(target.remove("known"), Ok(()));
    let error = BucketFault::Says;
    for (fault, parts) in [
        (
            error(403, "AccessDenied", "Access Denied"),
            ["AccessDenied: Access Denied;", "PutObject"],
        ),
        (
            error(403, "InvalidAccessKeyId", "No."),
            ["InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"],
        ),
        (
            error(403, "QuotaExceeded", "Full."),
            ["QuotaExceeded: Full;", "is full"],
        ),
        (
            error(507, "XMinioStorageFull", "Full."),
            ["XMinioStorageFull", "is full"],
        ),
        (
            error(400, "EntityTooLarge", "5 GB."),
            ["EntityTooLarge", "files this large"],
        ),
        (
            error(403, "RequestTimeTooSkewed", "Far."),
            ["RequestTimeTooSkewed", "clock"],
        ),
        (
            error(400, "ExpiredToken", "Old."),
            ["ExpiredToken", "temporary"],
        ),
        (
            error(404, "NoSuchBucket", "None."),
            ["NoSuchBucket", "create the bucket copies"],
        ),
        (
            error(301, "PermanentRedirect", "There."),
            ["PermanentRedirect", "AWS_REGION"],
        ),
        (
            error(
                400,
                "AuthorizationHeaderMalformed",
                "x</Message><Region>eu-west-9</Region><Message>",
            ),
            ["AuthorizationHeaderMalformed", "set AWS_REGION=eu-west-9"],
        ),
        (error(403, "Odd", SECRET), ["Odd: …;", "allowed"]),
        (
            BucketFault::Page(404, "<html>no</html>"),
            ["404", "may not be an S3-compatible store"],
        ),
        (BucketFault::Page(302, ""), ["302", "redirects"]),
    ] {
        type Call = (&'static str, fn(&S3) -> Result<()>);
        let calls: [Call; 4] = [
            ("PUT", |target| target.put("a", &file(b"bytes"), true)),
            ("GET", |target| target.get("a").map(drop)),
            ("GET", |target| target.list("", &mut |_| {})),
            ("DELETE", |target| target.remove("a")),
        ];
        for (method, call) in calls {
            bucket.fail_next(method, fault.clone());
            bucket.requests();
            let Err(TargetError::Refused(why)) = call(&target) else {
                panic!("{method} {parts:?} is refused")
            };
            assert!(
                parts.iter().all(|part| why.contains(part)),
                "{method}: {why}"
            );
            assert!(!why.contains(SECRET) && why.chars().count() < 400, "{why}");
            assert_eq!(bucket.requests().len(), 1, "{why}");
        }
    }
    assert_eq!(bucket.files().len(), 0);
}

#[test]
fn a_large_file_is_refused_before_it_is_sent() {
    let bucket = Bucket::new();
    bucket.fail_next(
        "PUT",
        BucketFault::Says(403, "AccessDenied", "Access Denied"),
    );
    let result = plain(&bucket).put("a", &file(&vec![7; 4 << 20]), true);
    assert!(matches!(result, Err(TargetError::Refused(_))), "{result:?}");
}

#[test]
fn a_wrong_secret_is_reported_and_not_shown() {
    let bucket = Bucket::new();
    let address = format!("s3://{BUCKET}/p");
    let target = target(&bucket, &address, |settings| {
        settings.secret = "another".into();
        settings.token = Some("lent".into());
    });
    let result = target.put("a", &file(b"bytes"), true);
    let Err(TargetError::Refused(why)) = result else {
        panic!("{result:?}")
    };
    assert!(
        why.contains("AWS_SECRET_ACCESS_KEY does not match"),
        "{why}"
    );
    let debug_text = format!("{:?} {why}", target.settings());
    for secret in [KEY, "another", "lent"] {
        assert!(!debug_text.contains(secret), "{debug_text}");
    }
}

#[test]
fn a_broken_download_resumes_or_fails() {
    let bucket = Bucket::new();
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n % 249) as u8).collect();
    bucket.store_directly("p/a", &bytes);
    let target = plain(&bucket);
    bucket.fail_next("GET", BucketFault::Half);
    bucket.fail_next("GET", BucketFault::Half);
    assert_eq!(read(&target, "a"), Ok(bytes.clone()));
    assert_eq!(bucket.requests().len(), 3);
    for _ in 0..4 {
        bucket.fail_next("GET", BucketFault::Half);
    }
    let Err(TargetError::Failed(why)) = read(&target, "a") else {
        panic!("the end is missing")
    };
    assert!(
        why.contains("93750 of 100000") || why.contains("isconnect"),
        "{why}"
    );
    // The object is replaced between the two requests of the download.
    bucket.fail_next("GET", BucketFault::Half);
    let mut reader = target.get("a").expect("it begins");
    bucket.store_directly("p/a", &bytes[1..]);
    let error = reader.read_to_end(&mut Vec::new()).expect_err("not mixed");
    assert_eq!(
        error.to_string(),
        "the object was replaced while it was read"
    );
}

#[test]
fn a_lost_response_is_not_mistaken_for_another_writer() {
    let bucket = Bucket::new();
    let target = plain(&bucket);
    bucket.fail_next("PUT", BucketFault::Lost);
    assert_eq!(target.put("a", &file(b"ours"), true), Ok(()));
    bucket.fail_next("PUT", BucketFault::Says(500, "InternalError", ""));
    assert_eq!(
        target.put("a", &file(b"theirs"), true),
        Err(TargetError::Taken)
    );
    for _ in 0..4 {
        let conflict = "ConditionalRequestConflict";
        bucket.fail_next("PUT", BucketFault::Says(409, conflict, "Both."));
    }
    assert_eq!(
        target.put("b", &file(b"ours"), true),
        Err(TargetError::Taken)
    );
}

#[test]
fn a_store_without_conditions_is_checked_first() {
    for (conditions, expected) in [
        (
            Conditions::Kept,
            &["HEAD a", "PUT a", "PUT a", "PUT a", "PUT b"][..],
        ),
        (
            Conditions::Refused,
            &[
                "HEAD a", "PUT a", "HEAD a", "PUT a", "HEAD a", "HEAD b", "PUT b",
            ],
        ),
        (
            Conditions::Ignored,
            &["HEAD a", "PUT a", "PUT a", "HEAD a", "HEAD b", "PUT b"],
        ),
    ] {
        let bucket = Bucket::new();
        bucket.set_conditions(conditions);
        let target = plain(&bucket);
        assert_eq!(target.put("a", &file(b"one"), true), Ok(()));
        assert_eq!(
            target.put("a", &file(b"two"), true),
            Err(TargetError::Taken)
        );
        assert_eq!(target.put("b", &file(b"two"), true), Ok(()));
        let expand_placeholder = |line: &&str| line.replace(' ', &format!(" /{BUCKET}/p/"));
        let expected: Vec<String> = expected.iter().map(expand_placeholder).collect();
        assert_eq!(bucket.requests(), expected);
        assert_eq!(bucket.files()["p/a"], b"one");
    }
}

/// Tests a real S3-compatible store if `REPLICA_STORE` is set: see `make replica`.
#[test]
fn a_real_store_works() {
    let Ok(place) = std::env::var("REPLICA_STORE") else {
        return;
    };
    let settings = super::address(&place, &|name| std::env::var(name).ok());
    let settings = settings.expect("an address");
    let forged = BucketSettings {
        secret: "another".into(),
        ..settings.clone()
    };
    let (target, forged) = (S3::open(settings), S3::open(forged));
    let large: Vec<u8> = (0..9_000_000_u32).map(|n| (n % 251) as u8).collect();
    for n in 0..1002 {
        let name = format!("many/{n:04}");
        assert_eq!(target.put(&name, &file(name.as_bytes()), true), Ok(()));
    }
    assert_eq!(
        target.put("many/0000", &file(b"x"), true),
        Err(TargetError::Taken)
    );
    assert_eq!(target.put("one/a b+ü", &file(&large), true), Ok(()));
    assert_eq!(target.put("one/none", &file(b""), true), Ok(()));
    assert_eq!(target.put("one/none", &file(b""), false), Ok(()));
    assert_eq!(names(&target, "many/").expect("a list").len(), 1002);
    let listed_names = names(&target, "one/").expect("a list");
    assert_eq!(listed_names, ["one/a b+ü 9000000", "one/none 0"]);
    assert!(read(&target, "one/a b+ü") == Ok(large), "it comes back");
    assert_eq!(read(&target, "one/none"), Ok(Vec::new()));
    assert_eq!(read(&target, "many/0007"), Ok(b"many/0007".to_vec()));
    assert_eq!(read(&target, "many/x"), Err(TargetError::Missing));
    for n in 0..1002 {
        assert_eq!(target.remove(&format!("many/{n:04}")), Ok(()));
    }
    assert_eq!(target.remove("many/0000"), Ok(()));
    assert_eq!(names(&target, "many/"), Ok(Vec::new()));
    let put_result = forged.put("one/x", &file(b"x"), false);
    let conditions = ["not tried", "kept", "missing: asked before"];
    let conditions = conditions[usize::from(target.conditions.load(Ordering::Relaxed))];
    eprintln!(
        "1004 files put, listed, read and removed; conditions: {conditions}; a wrong secret: {put_result:?}"
    );
}

#[test]
fn a_silent_server_is_a_failure() {
    let bucket = Bucket::new();
    let target = target(&bucket, &format!("s3://{BUCKET}/p"), |settings| {
        settings.timeouts.chunk = Duration::from_millis(50);
        settings.timeouts.pauses.truncate(1);
    });
    for _ in 0..2 {
        bucket.fail_next("GET", BucketFault::Late(Duration::from_secs(2)));
    }
    assert!(matches!(read(&target, "a"), Err(TargetError::Failed(_))));
    drop(bucket);
    assert!(matches!(read(&target, "a"), Err(TargetError::Failed(_))));
}

//! Tests which request heads are accepted and which are refused. Each input is also split into chunks of various sizes.

use proptest::prelude::*;

use super::*;

/// Feeds bytes to a guard in chunks of this size. Returns the bytes that the guard passed on and, if there was a
/// refusal, its reason.
fn feed(bytes: &[u8], chunk_size: usize) -> (Vec<u8>, Option<HeadRefusal>) {
    let (mut guard, mut passed) = (HeadGuard::new(), Vec::new());
    for chunk in bytes.chunks(chunk_size.max(1)) {
        let mut input = guard.take_partial_head();
        input.extend_from_slice(chunk);
        let (length, refusal) = guard.scan(&input);
        passed.extend_from_slice(&input[..length]);
        if refusal.is_some() {
            return (passed, refusal);
        }
    }
    (passed, None)
}

fn head(lines: &str) -> Vec<u8> {
    format!("GET /x?y=1 HTTP/1.1\r\n{lines}\r\n").into_bytes()
}

#[test]
fn sequential_requests_pass() {
    let mut bytes = b"\r\n".to_vec();
    for one in [
        "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /%7Ba%7D HTTP/1.0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Length: 5\r\n\r\na\nb\rc",
        "POST / HTTP/1.1\r\nhost: a.b:80\r\ntransfer-encoding: Chunked\r\n\r\n\
         5;x=y\r\n\n\r\n\r\n\r\na \r\n0123456789\r\n0\r\nx-end: 1\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: x\r\nx-text: gr\u{fc}n\r\nx-empty:\r\n\r\n",
        "GET http://x/y HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET HTTPS://[::1]:80?y HTTP/1.1\r\nhost: y\r\n\r\n",
        "DELETE / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
    ] {
        bytes.extend_from_slice(one.as_bytes());
    }
    for chunk_size in [1, 2, 3, 7, 64, 10_000] {
        assert_eq!(
            feed(&bytes, chunk_size),
            (bytes.clone(), None),
            "{chunk_size}"
        );
    }
}

#[test]
fn ambiguous_heads_are_refused() {
    let good = head("host: x\r\n");
    for lines in [
        "",
        "host: x\r\nhost: x\r\n",
        "host: x\r\nHOST: y\r\n",
        "host: \r\n",
        "host: a b\r\n",
        "host: a/b\r\n",
        "host: user@a\r\n",
        "host: a:b\r\n",
        "host: a:99999\r\n",
        "host: a,b\r\n",
        "host: a..b\r\n",
        "host: x\r\nhost:\r\n",
        "host: [::1\r\n",
        "host: ::1\r\n",
        "host: x\r\nDummy: x\nContent-Length: 23\r\n",
        "host: x\r\nDummy: x\rContent-Length: 23\r\n",
        "host: x\n",
        "host: x\r\n folded\r\n",
        "host: x\r\nx-name : 1\r\n",
        "host: x\r\nx name: 1\r\n",
        "host: x\r\n: 1\r\n",
        "host: x\r\nno colon\r\n",
        "host: x\r\nx-nul: \0\r\n",
        "host: x\r\ncontent-length: 2\r\ncontent-length: 2\r\n",
        "host: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n",
        "host: x\r\ncontent-length: 2, 2\r\n",
        "host: x\r\ncontent-length: +2\r\n",
        "host: x\r\ncontent-length: \r\n",
        "host: x\r\ncontent-length: 9999999999999999999\r\n",
        "host: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n",
        "host: x\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n",
        "host: x\r\ntransfer-encoding: identity, chunked\r\n",
        "host: x\r\ntransfer-encoding: chunked, chunked\r\n",
        "host: x\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "host: x\r\ntransfer-encoding: identity\r\n",
        "host: x\r\ntransfer-encoding: \u{b}chunked\r\n",
    ] {
        let bytes = [good.clone(), head(lines), good.clone()].concat();
        for chunk_size in [1, 5, 10_000] {
            let (passed, refusal) = feed(&bytes, chunk_size);
            assert_eq!(passed, good, "{lines:?} {chunk_size}");
            assert!(
                matches!(refusal, Some(Malformed(_))),
                "{lines:?} {refusal:?}"
            );
        }
    }
}

#[test]
fn request_lines_are_checked() {
    for (line, refusal) in [
        ("GET / HTTP/2.0", HeadRefusal::Version),
        ("PRI * HTTP/2.0", HeadRefusal::Version),
        (
            "GET / ICY",
            Malformed("the request line has no HTTP version"),
        ),
        (
            "GET  / HTTP/1.1",
            Malformed("the request line does not have three parts"),
        ),
        (
            "GET /",
            Malformed("the request line does not have three parts"),
        ),
        ("G\"T / HTTP/1.1", Malformed("the method is not a token")),
        (
            "GET /\u{1}x HTTP/1.1",
            Malformed("the address is malformed"),
        ),
        (
            "GET /gr\u{fc}n HTTP/1.1",
            Malformed("the address is malformed"),
        ),
        ("\u{16}\u{3}\u{1}", Malformed("this is not an HTTP request")),
        ("GET * HTTP/1.1", Malformed("the address is malformed")),
        ("GET x:80 HTTP/1.1", Malformed("the address is malformed")),
        ("GET /x#y HTTP/1.1", Malformed("the address is malformed")),
        ("CONNECT /x HTTP/1.1", Malformed("the address is malformed")),
        (
            "GET ftp://x/ HTTP/1.1",
            Malformed("the address is malformed"),
        ),
        (
            "GET http:/// HTTP/1.1",
            Malformed("the address is malformed"),
        ),
        (
            "GET http://user@x/ HTTP/1.1",
            Malformed("the address is malformed"),
        ),
        (
            "GET http://x:99999/ HTTP/1.1",
            Malformed("the address is malformed"),
        ),
        (
            "GET http://a,b/ HTTP/1.1",
            Malformed("the address is malformed"),
        ),
    ] {
        let bytes = format!("{line}\r\nhost: x\r\n\r\n");
        assert_eq!(feed(bytes.as_bytes(), 10_000).1, Some(refusal), "{line:?}");
    }
    // The input is refused even before the line is complete.
    assert_eq!(
        feed(b"\x16\x03\x01", 1).1,
        Some(Malformed("this is not an HTTP request"))
    );
}

#[test]
fn a_head_is_bounded() {
    let long = format!("host: x\r\nx: {}\r\n", "y".repeat(MAX_HEAD_BYTES));
    let many_fields = format!("host: x\r\n{}", "x: y\r\n".repeat(MAX_FIELDS));
    for lines in [long, many_fields] {
        assert_eq!(feed(&head(&lines), 1_000).1, Some(HeadRefusal::TooLarge));
    }
    let endless = vec![b'x'; 2 * MAX_HEAD_BYTES];
    assert_eq!(feed(&endless, 100).1, Some(HeadRefusal::TooLarge));
    let largest = format!("host: x\r\n{}", "x: y\r\n".repeat(MAX_FIELDS - 1));
    assert_eq!(feed(&head(&largest), 1_000).1, None);
}

#[test]
fn a_broken_chunk_ends_the_input() {
    let begin = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    for body in [
        "\r\n",
        "x\r\n",
        "1\n1\r\n0\r\n\r\n",
        "1;a\nb\r\n1\r\n0\r\n\r\n",
        "1\r\n12\r\n0\r\n\r\n",
        "1\r\n1\n0\r\n\r\n",
        "1111111111111111\r\n",
        "0\r\nx: 1\n\r\n",
        "0\r\n\n",
    ] {
        let bytes = format!("{begin}{body}");
        let (passed, refusal) = feed(bytes.as_bytes(), 10_000);
        assert_eq!(refusal, Some(HeadRefusal::Body), "{body:?}");
        let bytewise = feed(bytes.as_bytes(), 1);
        assert_eq!(bytewise, (passed, refusal), "{body:?}");
    }
}

proptest! {
    /// Splitting the bytes differently does not change the result.
    #[test]
    fn chunk_size_does_not_matter(
        parts in prop::collection::vec(prop::sample::select(vec![
            "GET / HTTP/1.1\r\n", "POST /a HTTP/1.0\r\n", "host: x\r\n", "host: y", "\r\n", "\n", "\r", " ",
            "content-length: 3\r\n", "transfer-encoding: chunked\r\n", "3\r\nabc\r\n", "0\r\n\r\n", "abc", "x: y\r\n",
        ]), 0..20),
        chunk_size in 1_usize..20,
    ) {
        let bytes = parts.concat().into_bytes();
        let at_once = feed(&bytes, bytes.len().max(1));
        let in_chunks = feed(&bytes, chunk_size);
        prop_assert_eq!(at_once.1, in_chunks.1);
        prop_assert_eq!(at_once.0, in_chunks.0);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), chunk_size in 1_usize..50) {
        let (passed, _) = feed(&bytes, chunk_size);
        prop_assert!(bytes.starts_with(&passed));
    }
}

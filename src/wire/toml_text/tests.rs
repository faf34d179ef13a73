//! Compares parsed values with those from another TOML parser, and tests the lines of errors.

use serde_json::{Value, json};

use super::*;

fn value(text: &str) -> Value {
    parse_toml(text)
        .unwrap_or_else(|error| panic!("{text}: {error:?}"))
        .value
}

#[test]
fn agrees_with_another_toml_reader() {
    let long = "\"\"\"";
    for text in [
        "a = 1\nb = 'x' # c\n\n[t]\n\"q r\" = true\nx.y.z = -2.5e3",
        "[[s]]\nname = \"a\"\n[[s]]\nname = \"b\"\n[s.in]\nk = 1\n[[s.more]]\nz = 0\n[[s.more]]",
        "a = [1, 2,\n # c\n 3,\n]\nb = [[], [\"x\"], {c = 1, d.e = 'f'}]\ne = {}",
        "a = 0xFF\nb = 0o17\nc = 0b11\nd = 1_000\ne = +5\nf = 1e3\ng = 0.5\nh = -0",
        &format!(
            "a = {long}\nfirst\n  second {{x}}{long}\nb = {long}one \\\n   two{long}\nc = {long}\"q\"{long}\""
        ),
        "a = '''\nno \\escape 'here' '''\nb = '''x'''''\nc = \"\\u00e4\\U0001F600\\t\\\\\"",
        "a.b = 1\na.c = 2\n[x.y]\nz = 1\n[x]\nw = 2",
        "# only a comment",
        "",
    ] {
        let other: Value = toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(value(text), other, "{text}");
    }
}

#[test]
fn embedded_patterns_read_alike() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../assets/patterns");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("the patterns") {
        let text = std::fs::read_to_string(entry.expect("a file").path()).expect("a pattern");
        let other: Value = toml::from_str(&text).expect("another reader takes it");
        assert_eq!(value(&text), other);
        count += 1;
    }
    assert!(count >= 18, "{count}");
}

#[test]
fn errors_name_their_line() {
    for (text, line, words) in [
        ("a = 1\na = 2", 2, "duplicate key: a"),
        ("a = 1\n[a]", 2, "duplicate key: a"),
        ("[a]\n[a]", 2, "duplicate key: a"),
        ("a = []\n[[a]]", 2, "duplicate key: a"),
        ("[[a]]\nb = 1\n[a.b]", 3, "duplicate key: b"),
        ("a = \"x\ny", 1, "invalid basic string"),
        ("a = \"x\nb = 1", 1, "invalid basic string, expected `\"`"),
        ("x = 1\na = \"\"\"x\ny\n", 2, "expected `\"` three times"),
        ("a = 'x", 1, "invalid literal string, expected `'`"),
        (
            "a = [1, 2\nb = 3",
            2,
            "missing comma between array elements",
        ),
        ("a 1", 1, "key with no value, expected `=`"),
        ("a = ", 1, "must be quoted"),
        ("= 1", 1, "keys cannot be empty"),
        (
            "a = 1 b = 2",
            1,
            "unexpected key or value, expected newline",
        ),
        ("a = 2026-11-23", 1, "2026-11-23 is a date"),
        (
            "a = yes",
            1,
            "string values must be quoted, expected literal string: yes",
        ),
        ("a = 01", 1, "leading zero"),
        ("a = 1__0", 1, "`_` may only go between digits"),
        ("a = 1.", 1, "invalid fraction, expected digits"),
        ("a = inf", 1, "inf is not a finite number"),
        ("a = \"\\x\"", 1, "unicode hexadecimal value"),
        ("a = \"\\ud800\"", 1, "unicode hexadecimal value"),
        (
            "a = \"\u{1}\"",
            1,
            "expected non-double-quote visible characters",
        ),
        ("a = {b = 1, b = 2}", 1, "duplicate key: b"),
        ("a = {b = 1\nc = 2}", 2, "missing comma"),
        ("[a\nb = 1", 1, "unclosed table, expected `]`"),
        (
            "a = 99999999999999999999",
            1,
            "99999999999999999999 does not fit in 64 bits",
        ),
    ] {
        let error = parse_toml(text)
            .err()
            .unwrap_or_else(|| panic!("{text} was taken"));
        assert!(
            error.line == line && error.message.contains(words),
            "{text}: {error:?}"
        );
        assert!(
            toml::from_str::<Value>(text).is_err() || text.contains("2026") || text.contains("inf"),
            "{text}"
        );
    }
}

#[test]
fn lines_are_recorded_by_path() {
    let parsed = parse_toml("id = 1\r\n\r\n[[stages]]\r\nname = 'x'\r\nprompt = \"\"\"\r\na\r\n\"\"\"\r\n[[stages]]\r\nwho = 2\r\nlist = [\r\n1,\r\n{name = 2}]").expect("read");
    for (path, line) in [
        ("id", 1),
        ("stages.0", 3),
        ("stages.0.name", 4),
        ("stages.0.prompt", 5),
        ("stages.1", 8),
        ("stages.1.who", 9),
        ("stages.1.list", 10),
        ("stages.1.list.0", 11),
        ("stages.1.list.1.name", 12),
    ] {
        assert_eq!(parsed.lines.get(path), Some(&line), "{path}");
    }
    assert_eq!(parsed.value["stages"][0]["prompt"], json!("a\n"));
}

#[test]
fn a_long_key_is_not_copied_for_each_value() {
    let name = "n".repeat(100_000);
    let parsed =
        parse_toml(&format!("{name} = [{}]\nlast = 1", "1,".repeat(10_000))).expect("read");
    let bytes: usize = parsed.lines.keys().map(String::len).sum();
    assert_eq!((bytes, parsed.lines.get("last")), (4, Some(&2)));
}

#[test]
fn depth_is_bounded_without_a_panic() {
    let deep = format!("a = {}", "[".repeat(100_000));
    assert_eq!(
        parse_toml(&deep).err().map(|error| error.message),
        Some("nested too deep".to_owned())
    );
    assert!(parse_toml(&format!("a = {}", "{b=".repeat(100_000))).is_err());
    assert!(parse_toml(&format!("{}a = 1", "a.".repeat(100_000))).is_err());
    // The parser itself accepts these 6,400 nested tables, which cannot be freed without overflowing the stack.
    let dotted = format!("{{{}b = ", "b.".repeat(78)).repeat(78);
    for (open, close) in [
        (dotted.clone(), "}".repeat(78)),
        (dotted.replace('{', "{] "), String::new()),
    ] {
        assert_eq!(
            parse_toml(&format!("a = {open}1{close}"))
                .err()
                .map(|error| error.message),
            Some("nested too deep".to_owned())
        );
    }
    let wide_array = format!(
        "a = [{}]\n{}",
        "[0.5, 1.5],\n".repeat(1_000),
        "[t.u.v]\n[t.u.w]\n"
    );
    assert_eq!(parse_toml(&wide_array).err(), None);
    let valid_toml = "a.b = [1, {c = \"ä\\u00e4\"}]\n[[s]]\nx = '''y'''\n[s.t]\nz = 1.5e-3 # c\n";
    for (at, _) in valid_toml.char_indices() {
        let _ = parse_toml(&valid_toml[..at]);
        let _ = parse_toml(&valid_toml[at..]);
        let _ = parse_toml(&format!("{}\"{}", &valid_toml[..at], &valid_toml[at..]));
    }
}

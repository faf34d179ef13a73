//! A short version of the fuzz targets that does not require any tools: a thousand times, real inputs are damaged in
//! ways that a seed determines, and must then pass the same checks. `MUTATIONS=100000 cargo test --test mutation` runs
//! longer.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

#[path = "../fuzz/checks.rs"]
mod checks;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Maximum length of an input, in bytes. Longer inputs would only take more time, because what breaks a parser is
/// usually short.
const MAX_BYTES: usize = 4096;

/// Fragments that are hard for parsers.
const HARD_FRAGMENTS: &[&[u8]] = &[
    b"\n\n",
    b"\r\n",
    b"\r",
    b"data: ",
    b"event: error\n",
    b"[DONE]",
    b"\0",
    b"\xEF\xBB\xBF",
    b"\xFF\xFE",
    b"\xC3",
    b"\xED\xA0\x80",
    b"\xF0\x9F\x98\x80",
    b"{",
    b"}",
    b"[[[[[[[[",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"1e999",
    b"-1",
    b"18446744073709551616",
    b"null",
    b"<think>",
    b"</think>",
    b"<",
    b"<!--",
    b"<script>",
    b"&#x110000;",
    b"&amp",
    b",",
    b";",
    b"\t",
    b"\x0C",
    b"\"\"",
    b" OR ",
    b"NEAR(",
    b"*",
    b"\xE2\x80\xAE",
    b".",
    b"=",
    b"\"index\":7",
    b"\"choices\":[]",
    b"\"error\":{\"code\":402}",
    b"\"usage\":{\"prompt_tokens\":18446744073709551615}",
    b"\"usage\":{\"input_tokens\":18446744073709551615,\"cache_read_input_tokens\":9}",
    b"\"usageMetadata\":{\"promptTokenCount\":1e30,\"candidatesTokenCount\":18446744073709551615}",
    b"\"type\":\"response.completed\"",
    b"\"finishReason\":\"STOP\"",
    b"{\"done\":true}\n",
];

/// Random number generator (SplitMix64), so that the damage is the same in every run.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
    fn number_below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
    fn span(&mut self, bytes: &[u8]) -> (usize, usize) {
        let (one, other) = (
            self.number_below(bytes.len() + 1),
            self.number_below(bytes.len() + 1),
        );
        // Most ranges are short, but some have any length.
        let end = if self.number_below(4) == 0 {
            one.max(other)
        } else {
            one.min(other) + self.number_below(16)
        };
        (one.min(other), end.min(bytes.len()).max(one.min(other)))
    }
}

fn damage_bytes(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], chance: &mut SplitMix64) {
    let at = chance.number_below(bytes.len() + 1);
    let (from, to) = chance.span(bytes);
    match chance.number_below(7) {
        0 if at < bytes.len() => bytes[at] ^= 1 << chance.number_below(8),
        1 if at < bytes.len() => bytes[at] = chance.next() as u8,
        2 => drop(bytes.drain(from..to)),
        3 => {
            let second = bytes[from..to].to_vec();
            bytes.splice(at..at, second);
        }
        4 => {
            let other = &seeds[chance.number_below(seeds.len())];
            let (from, to) = chance.span(other);
            bytes.splice(at..at, other[from..to].to_vec());
        }
        5 => bytes.truncate(at),
        _ => {
            let fragment = HARD_FRAGMENTS[chance.number_below(HARD_FRAGMENTS.len())];
            bytes.splice(at..at, fragment.to_vec());
        }
    }
    bytes.truncate(MAX_BYTES);
}

/// Returns the beginning, the middle, and the end of each real file in tests/data.
fn load_seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = vec![
        b"What does \"clause 7\" say about (damages OR costs)?".to_vec(),
        b"PORT = 8080\nHOST=\"127.0.0.1\" # here\nCORS_ORIGINS = https://a.example, https://b.example\n".to_vec(),
        br#"[{"id":"local","kind":"openai","base_url":"http://127.0.0.1:1/v1","models":["a"],"concurrency":2}]"#.to_vec(),
        b"id = \"mine\"\nname = 'Mine'\npanel = [1, 0x2]\n[[stages]]\nname = \"initial\"\nprompt = \"\"\"\n{question}\\\n \"\"\"\n[[stages]]\nname = \"ultra\"\nprompt = '''{peers}'''\n".to_vec(),
        br#"{"id":"mine","name":"Mine","panel":[1,2],"stages":[{"name":"initial","prompt":"{question}"},
{"name":"ultra","who":"synthesiser","prompt":"{peers}"}]}"#.to_vec(),
        b"question;answer;category\n\"What is 1,5 + 1?\";2.5;sums\n\"And\nnow?\";(B);x\n".to_vec(),
        b"{\"input\":[{\"role\":\"user\",\"content\":\"q\"}],\"ideal\":[\"-1,234.5e3\"]}\n{\"prompt\":\"b\"}\n".to_vec(),
        br#"{"solution":"s","reason":"r","better":"A","accuracy":4,"completeness":"8/10","relevance":9,"clarity":1}"#.to_vec(),
        br#"{"name":"n","space":[{"dial":"model","values":["a/b",["a/b","c/d"]]},{"dial":"temperature","values":[null,0.5]}],"base":{"parameters":{}},"current":{"temperature":0.5},"evaluator":{"kind":"pairwise","model":"j/k"},"objective":{"kind":"weighted","dollar":1,"second":0.1},"budget":{"evaluations":9},"indifference":0.02,"wrong":0.1,"seed":1}"#.to_vec(),
        br#"{"error":{"message":"Rate limit","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#.to_vec(),
        b"*4\r\n:1\r\n$5\r\nhello\r\n$-1\r\n*1\r\n+OK\r\n-ERR no\r\n".to_vec(),
    ];
    for folder in ["streams", "documents"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data")
            .join(folder);
        let mut paths: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .collect();
        paths.sort();
        for path in paths {
            let bytes = std::fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            for from in [0, middle, bytes.len().saturating_sub(1500)] {
                seeds.push(bytes[from..bytes.len().min(from + 1500)].to_vec());
            }
        }
    }
    seeds
}

fn feed_mutated(name: &str) {
    let (_, check) = checks::ALL
        .iter()
        .find(|(known, _)| *known == name)
        .unwrap();
    let rounds = std::env::var("MUTATIONS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(600);
    let seeds = load_seeds();
    let mut chance = SplitMix64(name.bytes().map(u64::from).sum());
    for round in 0..rounds {
        let mut bytes = seeds[round % seeds.len()].clone();
        // The seeds are used unchanged in the first rounds.
        if round >= seeds.len() {
            for _ in 0..=chance.number_below(6) {
                damage_bytes(&mut bytes, &seeds, &mut chance);
            }
        }
        let input = bytes.clone();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&bytes))) {
            eprintln!(
                "{name}, round {round}: {:?}",
                String::from_utf8_lossy(&input)
            );
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn mutated_sse_is_handled() {
    feed_mutated("sse");
}

#[test]
fn mutated_streams_are_handled() {
    feed_mutated("streams");
}

#[test]
fn mutated_provider_messages_are_handled() {
    feed_mutated("provider_words");
}

#[test]
fn mutated_documents_are_handled() {
    feed_mutated("extract");
}

#[test]
fn mutated_searches_are_handled() {
    feed_mutated("search");
}

#[test]
fn mutated_jwts_are_handled() {
    feed_mutated("jwt");
}

#[test]
fn mutated_settings_are_handled() {
    feed_mutated("settings");
}

#[test]
fn mutated_demo_prompts_are_handled() {
    feed_mutated("demo");
}

#[test]
fn mutated_redis_replies_are_handled() {
    feed_mutated("redis");
}

#[test]
fn every_check_has_a_fuzz_target_and_a_test() {
    for (name, _) in checks::ALL {
        let target =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/fuzz_targets/{name}.rs"));
        assert!(target.exists(), "no {}", target.display());
        let here = include_str!("mutation.rs");
        assert!(
            here.contains(&format!("feed_mutated(\"{name}\")")),
            "no test feeds {name}"
        );
    }
}

#[test]
fn mutated_patterns_are_handled() {
    feed_mutated("patterns");
}

#[test]
fn mutated_pdfs_are_handled() {
    feed_mutated("pdf");
}

#[test]
fn mutated_office_files_are_handled() {
    feed_mutated("office");
}

#[test]
fn mutated_rtf_is_handled() {
    feed_mutated("rtf");
}

#[test]
fn mutated_mail_is_handled() {
    feed_mutated("mail");
}

#[test]
fn mutated_archives_are_handled() {
    feed_mutated("archive");
}

#[test]
fn mutated_replica_files_are_handled() {
    feed_mutated("replica");
}

#[test]
fn mutated_findings_are_handled() {
    feed_mutated("findings");
}

#[test]
fn mutated_experiments_are_handled() {
    feed_mutated("experiments");
}

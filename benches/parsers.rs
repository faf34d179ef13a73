//! `make bench`: the speed of parsing external input, as CPU time per event: a hundred streams of fifty
//! tokens per second are five thousand events.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use quire::domain::chat::{Brief, ModelRequest};
use quire::domain::chunk::PageText;
use quire::domain::chunk::split_into_passages;
use quire::domain::parameters::Parameters;
use quire::domain::search::SearchQuery;
use quire::extract::{FileInput, ReadLimits, extract};
use quire::wire::sse::{SseDecoder, encode};
use quire::wire::{AnswerDecoder, ApiFormat};

const STREAM_BYTES: &str = include_str!("../tests/data/streams/deepseek-reasoning.sse");
const TEXT_FILE: &[u8] = include_bytes!("../tests/data/documents/gpl-3.txt");
const HTML_PAGE: &[u8] = include_bytes!("../tests/data/documents/libffi-the-basics.html");
/// Duration of each measurement, and of the warm-up before it.
const MEASURE_DURATION: Duration = Duration::from_millis(700);
/// Bytes per read from a socket.
const READ_SIZE: usize = 8 * 1024;

fn main() {
    let events = STREAM_BYTES.matches("\n\n").count();
    report("events, whole reads", STREAM_BYTES.len(), events, || {
        decode(STREAM_BYTES, READ_SIZE);
    });
    report(
        "events, 100 bytes at a time",
        STREAM_BYTES.len(),
        events,
        || {
            decode(STREAM_BYTES, 100);
        },
    );
    report(
        "chat completion, whole reads",
        STREAM_BYTES.len(),
        events,
        || {
            check_complete(STREAM_BYTES);
        },
    );
    report("events written", STREAM_BYTES.len(), events, || {
        let mut out = Vec::with_capacity(STREAM_BYTES.len());
        for (number, line) in STREAM_BYTES.lines().enumerate() {
            encode(&mut out, number as u64, "stage.delta", line);
        }
        black_box(out);
    });
    let limits = ReadLimits::default();
    report("plain text and its passages", TEXT_FILE.len(), 1, || {
        black_box(split_into_passages(&read_pages(
            TEXT_FILE,
            "gpl-3.txt",
            &limits,
        )));
    });
    report("HTML", HTML_PAGE.len(), 1, || {
        black_box(read_pages(HTML_PAGE, "page.html", &limits));
    });
    let question = "What does the licence say about source code that is conveyed over a network?";
    report("a question for the index", question.len(), 1, || {
        black_box(SearchQuery::parse(question));
    });
}

fn read_pages(bytes: &[u8], name: &str, limits: &ReadLimits) -> Vec<PageText> {
    let mut pages = Vec::new();
    let input = FileInput {
        bytes,
        name,
        encoding: None,
        limits,
    };
    let keep = &mut |page| {
        pages.push(page);
        true
    };
    extract(&input, keep).expect("readable");
    pages
}

fn decode(stream: &str, read: usize) {
    let mut decoder = SseDecoder::new(1 << 20);
    for piece in stream.as_bytes().chunks(read) {
        decoder.push(piece);
        while let Ok(Some(event)) = decoder.next_event() {
            black_box(event);
        }
    }
}

fn check_complete(body: &str) {
    let mut decoder = SseDecoder::new(1 << 20);
    let mut stream = AnswerDecoder::new(ApiFormat::OpenAi);
    for piece in body.as_bytes().chunks(READ_SIZE) {
        decoder.push(piece);
        while let Ok(Some(event)) = decoder.next_event() {
            black_box(stream.push(&event));
        }
    }
    let request = ModelRequest {
        model: "p/m".into(),
        messages: Vec::new(),
        parameters: Parameters::default(),
        brief: Brief::default(),
        deadline: MEASURE_DURATION,
        format: None,
        tools: None,
        passthrough: None,
        sample: 0,
        is_prefix_reused: false,
        is_live: false,
    };
    black_box(stream.finish(&request).1.expect("a whole answer"));
}

fn report(name: &str, bytes: usize, units: usize, run: impl Fn()) {
    let mut rounds = 0u32;
    for measured in [false, true] {
        rounds = 0;
        let start = Instant::now();
        while start.elapsed() < MEASURE_DURATION {
            run();
            rounds += 1;
        }
        if measured {
            let each = start.elapsed().as_secs_f64() / f64::from(rounds);
            let (rate, unit) = (bytes as f64 / each / 1e6, each / units as f64 * 1e6);
            println!("{name:<34} {rate:>9.1} MB/s   {unit:>9.2} us each");
        }
    }
    assert!(rounds > 0);
}

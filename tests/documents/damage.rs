//! Tests two hundred damaged files of each kind, the same in every run: bits are flipped, blocks are cut, doubled, or
//! cleared, and fragments are inserted that are hard to parse. In archives, the content of entries is damaged. Each
//! file is read in a process like the server's, and none may cause a panic, a crash, or the use of more resources than
//! allowed. `make mutations` reads all files. An ordinary run reads `ORDINARY_ROUNDS` of each kind, or the number that
//! `DAMAGED` sets.

use std::io::Write;
use std::process::{Command, Stdio};

use quire::extract::ReadLimits;
use quire::extract::child_protocol::{ARGUMENT, ReadRequest, ReportFrame};

use crate::manifest::load_samples;
use crate::pack;

/// Number of files of each kind that an ordinary run reads.
const ORDINARY_ROUNDS: usize = 25;
/// Maximum size of a file that is damaged, in bytes. Larger files would only take longer.
const MAX_BYTES: usize = 100 << 10;

const LIMITS: ReadLimits = ReadLimits {
    input: 4 << 20,
    text: 256 << 10,
    depth: 32,
    rows: 2_000,
    pages: 100,
};

/// Fragments that are hard to parse for readers of these formats.
const HARD_FRAGMENTS: &[&[u8]] = &[
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>",
    b"&b;",
    b"&#x110000;",
    b"&#0;",
    b"<w:tbl><w:tr><w:tc>",
    b"<w:p><w:r><w:t>",
    b" r=\"XFD1048577\"",
    b" r=\"A0\"",
    b"<c t=\"s\"><v>4294967296</v></c>",
    b" table:number-columns-repeated=\"2000000000\"",
    b" table:number-rows-repeated=\"2000000000\"",
    b" w:val=\"-1\"",
    b" Target=\"../../../../etc/passwd\"",
    b" Target=\"document.xml\"",
    b"/Length 4294967296",
    b"/Kids[1 0 R 2 0 R 3 0 R]",
    b"/Parent 1 0 R",
    b"/Count -1",
    b"/Filter[/FlateDecode/FlateDecode/ASCIIHexDecode]",
    b"/DecodeParms<</Columns 2147483647/Predictor 15>>",
    b"/Rotate 91",
    b"/W[8 8 8]",
    b"1 0 R",
    b"<<<<<<<<<<",
    b"[[[[[[[[[[",
    b"stream\n",
    b"endstream",
    b"BT 1e38 0 0 1e38 1e38 1e38 Tm",
    b"/Fm0 Do",
    b"q q q q q q q q",
    b"{\\rtf1{{{{{{{{{{",
    b"}}}}}}",
    b"\\bin2147483647 ",
    b"\\u-99999 ",
    b"\\'zz",
    b"\\trowd\\cellx-1\\cell\\row",
    b"Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"=?utf-8?B?//////?=",
    b"=?x?Q?=?=",
    b"<table><tr><td colspan=4294967295>",
    b"\0\0\0\0",
    b"\xFF\xFF\xFF\xFF",
    b"\xFF\xFE",
    b"\x0C",
    b"99999999999999999999",
];

/// Random number generator (SplitMix64), so that the damage is the same in every run.
pub struct Chance(pub u64);

impl Chance {
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

    fn block(&mut self, length: usize) -> std::ops::Range<usize> {
        let from = self.number_below(length);
        let most = if self.number_below(4) == 0 {
            length
        } else {
            64
        };
        from..length.min(from + self.number_below(most))
    }
}

fn damage_bytes(bytes: &mut Vec<u8>, chance: &mut Chance) {
    if bytes.is_empty() {
        return;
    }
    let at = chance.number_below(bytes.len());
    let block = chance.block(bytes.len());
    match chance.number_below(9) {
        0 => bytes[at] ^= 1 << chance.number_below(8),
        1 => bytes[at] = chance.next() as u8,
        2 => drop(bytes.drain(block)),
        3 => bytes.truncate(at),
        4 => bytes[block].fill(0),
        5 => {
            let second = bytes[block.clone()].to_vec();
            bytes.splice(at..at, second);
        }
        // Repeats a short block many times, so that a list or a nested structure becomes very long.
        6 => {
            let short = block.start..block.end.min(block.start + 24);
            let many = bytes[short].repeat(chance.number_below(2_000));
            bytes.splice(at..at, many);
        }
        _ => {
            let spice = HARD_FRAGMENTS[chance.number_below(HARD_FRAGMENTS.len())];
            bytes.splice(at..at, spice.to_vec());
        }
    }
}

/// Returns a damaged copy of a valid file.
pub fn damaged_copy(whole: &[u8], chance: &mut Chance) -> Vec<u8> {
    let rounds = 1 + chance.number_below(4);
    let mut bytes = whole.to_vec();
    let inside = chance.number_below(4) != 0;
    if inside
        && let Some(mut entries) = pack::read_directory(whole).filter(|entries| !entries.is_empty())
    {
        for _ in 0..rounds {
            let entry = chance.number_below(entries.len());
            damage_bytes(&mut entries[entry].1, chance);
        }
        if chance.number_below(8) == 0 {
            let removed_index = chance.number_below(entries.len());
            entries.remove(removed_index);
        }
        return pack::write_archive(&entries);
    }
    (0..rounds).for_each(|_| damage_bytes(&mut bytes, chance));
    bytes
}

/// A file's name and content.
pub type File = (String, Vec<u8>);

/// Returns small valid files, grouped by kind.
pub fn valid_files() -> Vec<(String, Vec<File>)> {
    let mut kinds: Vec<(String, Vec<File>)> = Vec::new();
    for sample in load_samples() {
        let (folder, bytes) = (sample.folder().to_owned(), sample.bytes());
        if bytes.len() > MAX_BYTES {
            continue;
        }
        let file = (sample.name().to_owned(), bytes);
        match kinds.iter_mut().find(|(kind, _)| *kind == folder) {
            Some((_, files)) => files.push(file),
            None => kinds.push((folder, vec![file])),
        }
    }
    kinds
}

pub fn round_count() -> usize {
    let response = std::env::var("DAMAGED").ok();
    response
        .and_then(|text| text.parse().ok())
        .unwrap_or(ORDINARY_ROUNDS)
}

/// Reads a file in the reading process. Returns an error that says what is wrong with the process or its output.
fn run_reader(name: &str, bytes: &[u8]) -> Result<(), String> {
    let job = ReadRequest {
        name: name.to_owned(),
        encoding: None,
        limits: LIMITS,
        memory: 256 << 20,
        cpu_s: 20,
        wall_s: 300,
        picture: None,
    };
    let mut reader = Command::new(env!("CARGO_BIN_EXE_quire"))
        .args([ARGUMENT, &serde_json::to_string(&job).unwrap()])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut file, copy) = (reader.stdin.take().unwrap(), bytes.to_vec());
    // If the reader has already exited, the write fails, which is not an error here.
    let sending = std::thread::spawn(move || drop(file.write_all(&copy)));
    let output = reader.wait_with_output().unwrap();
    sending.join().unwrap();
    let response = String::from_utf8_lossy(&output.stderr);
    let first = response.lines().take(3).collect::<Vec<_>>().join(" ");
    if !output.status.success() {
        return Err(format!("{}: {first}", output.status));
    }
    let mut from = output.stdout.as_slice();
    let (mut pages, mut text, mut last) = (0, 0, 0);
    while let Some(frame) = ReportFrame::read(&mut from).map_err(|error| error.to_string())? {
        match frame {
            ReportFrame::Page {
                number, text: page, ..
            } => {
                pages += 1;
                text += page.len();
                if number <= last {
                    return Err(format!("page {number} after page {last}"));
                }
                last = number;
            }
            ReportFrame::Progress { done, total } if done > total => {
                return Err(format!("{done} of {total} read"));
            }
            ReportFrame::Progress { .. } => {}
            ReportFrame::Done(told) => {
                let report = told.report();
                return match report.pages as usize == pages
                    && pages <= LIMITS.pages
                    && text <= LIMITS.text
                {
                    true => Ok(()),
                    false => Err(format!(
                        "{pages} pages, {text} bytes of text, told {}",
                        report.pages
                    )),
                };
            }
            ReportFrame::Refused { message, .. }
                if message.contains("the document reader failed") =>
            {
                return Err(format!("panicked: {first}"));
            }
            ReportFrame::Refused { .. } => return Ok(()),
            ReportFrame::Picture { .. } => return Err("nobody asked for a picture".to_owned()),
        }
    }
    Err("it ended without saying how".to_owned())
}

#[test]
fn damaged_files_affect_only_their_document() {
    let mut faults = Vec::new();
    for (kind, files) in valid_files() {
        let mut chance = Chance(kind.bytes().map(u64::from).sum());
        for round in 0..round_count() {
            let (name, whole) = &files[round % files.len()];
            let bytes = damaged_copy(whole, &mut chance);
            if let Err(error) = run_reader(name, &bytes) {
                save_failing_file(&kind, round, name, &bytes);
                faults.push(format!("{kind} {round}, made of {name}: {error}"));
            }
        }
        println!(
            "{kind}: {} damaged files, {} faults so far",
            round_count(),
            faults.len()
        );
    }
    assert!(faults.is_empty(), "{} faults: {faults:#?}", faults.len());
}

/// Saves a file that has caused a failure in the target folder, so that it can be inspected.
pub fn save_failing_file(kind: &str, round: usize, name: &str, bytes: &[u8]) {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("damaged");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{kind}-{round}-{name}")), bytes).unwrap();
}

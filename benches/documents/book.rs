//! A long PDF generated for each run: 2,000 pages of text set the way typesetters do, with kerning inside
//! words, every other page compressed. The words come from a real text, in an order that a seed determines.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

const TEXT: &str = include_str!("../../tests/data/documents/gpl-3.txt");
const LINES_PER_PAGE: usize = 58;
const WORDS_PER_LINE: usize = 15;
/// Pages per node of the page tree.
const PAGES_PER_NODE: usize = 50;

/// A generated PDF and the number of words in it.
pub struct Book {
    pub bytes: Vec<u8>,
    pub words: usize,
}

struct Writer {
    bytes: Vec<u8>,
    places: Vec<usize>,
}

impl Writer {
    /// Appends an object and returns its number: objects are numbered in the order in which they are written.
    fn object(&mut self, body: &[u8]) -> usize {
        self.places.push(self.bytes.len());
        let number = self.places.len();
        self.bytes.extend(format!("{number} 0 obj\n").bytes());
        self.bytes.extend(body);
        self.bytes.extend(b"\nendobj\n");
        number
    }
}

/// Returns an endless stream of words, drawn from the text in an order that a fixed seed determines.
fn words() -> impl Iterator<Item = &'static str> {
    let all: Vec<&str> = TEXT
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let mut state: u64 = 7;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        all[(state >> 33) as usize % all.len()]
    })
}

/// Returns a `TJ` array such as `[(ex)-12(ample )]TJ`: pieces of three letters with kerning between them.
fn text_array(words: &[&str]) -> String {
    let text = words.join(" ");
    let pieces: Vec<String> = text
        .as_bytes()
        .chunks(3)
        .map(|piece| format!("({})", String::from_utf8_lossy(piece)))
        .collect();
    format!("[{}]TJ T*\n", pieces.join("-12"))
}

pub fn create(pages: usize) -> Book {
    let mut writer = Writer {
        bytes: b"%PDF-1.4\n".to_vec(),
        places: Vec::new(),
    };
    let widths = vec!["520"; 95].join(" ");
    let font = writer.object(
        format!("<</Type/Font/Subtype/TrueType/BaseFont/Face/Encoding/WinAnsiEncoding/FirstChar 32/LastChar 126/Widths[{widths}]>>").as_bytes(),
    );
    let mut source = words();
    let (mut count, mut sheaves) = (0, Vec::new());
    let node_count = pages.div_ceil(PAGES_PER_NODE);
    // For each tree node, first its contents and pages, then the node itself. The root comes last; its number is
    // known in advance.
    let root = 1 + 2 * pages + node_count + 1;
    for sheaf in 0..node_count {
        let node_pages = PAGES_PER_NODE.min(pages - sheaf * PAGES_PER_NODE);
        let node = writer.places.len() + 2 * node_pages + 1;
        let mut kids = Vec::new();
        for page in 0..node_pages {
            let mut content = "BT /F 9 Tf 11 TL 50 780 Td\n".to_owned();
            for _ in 0..LINES_PER_PAGE {
                let words: Vec<&str> = source.by_ref().take(WORDS_PER_LINE).collect();
                content.push_str(&text_array(&words));
                count += words.len();
            }
            content.push_str("ET");
            let contents = writer.object(&stream(content.as_bytes(), page % 2 == 0));
            kids.push(writer.object(
                format!("<</Type/Page/Parent {node} 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F {font} 0 R>>>>/Contents {contents} 0 R>>").as_bytes(),
            ));
        }
        let kids: Vec<String> = kids.iter().map(|kid| format!("{kid} 0 R")).collect();
        sheaves.push(
            writer.object(
                format!(
                    "<</Type/Pages/Parent {root} 0 R/Count {node_pages}/Kids[{}]>>",
                    kids.join(" ")
                )
                .as_bytes(),
            ),
        );
    }
    let kids: Vec<String> = sheaves.iter().map(|kid| format!("{kid} 0 R")).collect();
    let tree =
        writer.object(format!("<</Type/Pages/Count {pages}/Kids[{}]>>", kids.join(" ")).as_bytes());
    assert_eq!(tree, root, "objects are numbered as they are written");
    let catalog = writer.object(format!("<</Type/Catalog/Pages {tree} 0 R>>").as_bytes());
    Book {
        bytes: finish_pdf(writer, catalog),
        words: count,
    }
}

fn stream(content: &[u8], packed: bool) -> Vec<u8> {
    let (filter, content) = if packed {
        let mut packer = ZlibEncoder::new(Vec::new(), Compression::default());
        packer.write_all(content).unwrap();
        ("/Filter/FlateDecode", packer.finish().unwrap())
    } else {
        ("", content.to_vec())
    };
    let mut body = format!("<</Length {}{filter}>>stream\n", content.len()).into_bytes();
    body.extend(content);
    body.extend(b"\nendstream");
    body
}

fn finish_pdf(writer: Writer, catalog: usize) -> Vec<u8> {
    let Writer { mut bytes, places } = writer;
    let start = bytes.len();
    let size = places.len() + 1;
    bytes.extend(format!("xref\n0 {size}\n0000000000 65535 f \n").bytes());
    for place in places {
        bytes.extend(format!("{place:010} 00000 n \n").bytes());
    }
    bytes.extend(
        format!("trailer<</Size {size}/Root {catalog} 0 R>>\nstartxref\n{start}\n%%EOF\n").bytes(),
    );
    bytes
}

//! Tests PDF pages that show content without using letters, or that hide letters that are in the file.

use std::fmt::Write as _;

use super::pdfs::pdf;
use super::{check_all, text_and_notes};

const BODY: &str = "BT /F 12 Tf 50 350 Td (Body words of the page here.) Tj ET ";

/// Returns slanted lines across the page, as in a plan or a diagram.
fn drawing() -> String {
    let mut lines = String::new();
    for step in 0..60 {
        let (from, to) = (40 + step * 5, 340 - step * 4);
        let _ = write!(lines, "{from} 60 m {to} 300 l S ");
    }
    lines
}

/// Returns the lines of a table, parallel to the axes, and rounded corners.
fn ruling() -> String {
    let mut lines = String::new();
    for step in 0..60 {
        let y = 60 + step * 4;
        let _ = write!(
            lines,
            "40 {y} m 340 {y} l S 40 {y} 300 4 re S {x} 60 m {x} 300 l S ",
            x = 40 + step * 5
        );
    }
    lines + "40 60 m 40 64 44 68 48 68 c S 340 60 m 340 64 336 68 332 68 c S "
}

#[test]
fn pages_name_drawings_and_hidden_words() {
    let page = |content: &str| pdf(&format!("{BODY}{content}"), "", "", &["<< >>"]);
    let words = "BT /F 12 Tf 50 300 Td (planted) Tj ET ";
    let annotated = |annotation: &str| pdf(BODY, "", "/Annots [6 0 R]", &[annotation]);
    let white = format!("1 g {words}");
    check_all(&[
        (
            "a drawing",
            "a.pdf",
            page(&drawing()),
            "",
            "drawings are not read on page 1",
        ),
        (
            "words under a black box",
            "a.pdf",
            page(&format!("{words} 0 g 40 290 200 30 re f")),
            "",
            "text under boxes is left out on page 1",
        ),
        (
            "words under a white box",
            "a.pdf",
            page(&format!("{words} 1 1 1 rg 40 290 200 30 re f")),
            "",
            "text under boxes is left out on page 1",
        ),
        (
            "white words",
            "a.pdf",
            page(&white),
            "",
            "invisible text is left out on page 1",
        ),
        (
            "a passage to be blacked out",
            "a.pdf",
            annotated(
                "<< /Type /Annot /Subtype /Redact /Rect [50 340 250 362] /OverlayText (planted) >>",
            ),
            "",
            "marked for redaction",
        ),
        (
            "words under an annotation's box",
            "a.pdf",
            pdf(
                &format!("{BODY}{words}"),
                "",
                "/Annots [6 0 R]",
                &[
                    "<< /Type /Annot /Subtype /Square /Rect [40 290 240 320] /AP << /N 7 0 R >> >>",
                    "<< /Type /XObject /Subtype /Form /BBox [0 0 200 30] /Length 24 >>\nstream\n0 g 0 0 200 30 re f     \nendstream",
                ],
            ),
            "",
            "text under boxes is left out on page 1",
        ),
    ]);
}

/// Text and drawings that only seem to be hidden are read without reporting an omission.
#[test]
fn visible_words_and_rulings_raise_no_alarm() {
    let words = "BT /F 12 Tf 50 300 Td (planted) Tj ET ";
    for (what, content) in [
        ("a table's ruling", format!("{}{words}", ruling())),
        (
            "a box before its words",
            format!("0.9 g 40 290 200 30 re f 0 g {words}"),
        ),
        (
            "white words on a symbol",
            format!(
                "BT /F 100 Tf 40 290 Td (\\225) Tj ET 1 g {}",
                words.replace("50 300", "45 300")
            ),
        ),
        (
            "white words on a dark box",
            format!("0 g 40 290 200 30 re f 1 g {words}"),
        ),
        (
            "a box beside the words",
            format!("{words} 0 g 240 290 100 30 re f"),
        ),
        (
            "a box that a clip keeps away",
            format!("{words} q 200 0 100 100 re W n 0 g 0 0 400 400 re f Q"),
        ),
        (
            "a transparent box",
            format!("{words} /G gs 1 1 0 rg 40 290 200 30 re f"),
        ),
        ("an underline", format!("{words} 0 g 50 297 60 1 re f")),
        ("a box without paint", format!("{words} 40 290 200 30 re n")),
    ] {
        let file = pdf(
            &format!("{BODY}{content}"),
            "",
            "/Group << /S /Transparency >>",
            &["<< >>"],
        );
        let file = String::from_utf8(file).unwrap().replace(
            "/Properties <<",
            "/ExtGState << /G << /ca 0.4 /BM /Multiply >> >> /Properties <<",
        );
        let (text, notes) = text_and_notes(file.as_bytes(), "a.pdf");
        assert!(
            text.contains("planted") && notes.is_empty(),
            "{what}: {text} {notes}"
        );
    }
}

/// A drawing that several pages share counts as decoration.
#[test]
fn a_repeated_drawing_is_decoration() {
    let content = format!("{BODY}{}", drawing());
    let mut kids = String::new();
    let mut objects = vec![String::new(); 2];
    for page in 0..4 {
        let at = 4 + 2 * page;
        let _ = write!(kids, "{at} 0 R ");
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 400] /Contents {} 0 R /Resources << /Font << /F 3 0 R >> >> >>",
            at + 1
        ));
        objects.push(format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ));
    }
    objects[0] = format!("<< /Type /Pages /Kids [{kids}] /Count 4 >>");
    objects[1] =
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_owned();
    let mut file = b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n".to_vec();
    for (index, object) in objects.iter().enumerate() {
        file.extend(format!("{} 0 obj\n{object}\nendobj\n", index + 2).bytes());
    }
    file.extend(b"trailer << /Root 1 0 R >>\n%%EOF");
    let (text, notes) = text_and_notes(&file, "a.pdf");
    assert!(
        text.contains("Body words") && !notes.contains("drawings"),
        "{text} {notes}"
    );
}

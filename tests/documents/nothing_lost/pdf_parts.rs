//! Tests that nothing is lost in the less common parts of PDF files: scripts, recordings, signatures, rich text, and
//! images.

use super::check_contains;
use super::pdfs::pdf;

#[test]
fn pdfs_lose_no_part() {
    const BODY: &str = "BT /F 12 Tf 50 350 Td (Body words of the page here.) Tj ET ";
    let rect = "/Rect [50 200 250 220] /Type /Annot";
    let annotated = |annotation: &str| pdf(BODY, "", "/Annots [6 0 R]", &[annotation]);
    for (what, file, text, note) in [
        (
            "document JavaScript",
            pdf(
                BODY,
                "/Names << /JavaScript << /Names [(planted) << /S /JavaScript /JS (app.alert) >>] >> >>",
                "",
                &["<< >>"],
            ),
            "",
            "program",
        ),
        (
            "open action",
            pdf(
                BODY,
                "/OpenAction << /S /JavaScript /JS (planted) >>",
                "",
                &["<< >>"],
            ),
            "",
            "program",
        ),
        (
            "a stamp",
            annotated(&format!(
                "<< {rect} /Subtype /Stamp /Name /Approved /Contents (planted) >>"
            )),
            "planted",
            "",
        ),
        (
            "a popup",
            annotated(&format!("<< {rect} /Subtype /Text /Contents (planted) >>")),
            "planted",
            "",
        ),
        (
            "a rich comment",
            annotated(&format!(
                "<< {rect} /Subtype /Text /RC (<body><p>planted</p></body>) >>"
            )),
            "planted",
            "comment",
        ),
        (
            "a reply",
            annotated(&format!(
                "<< {rect} /Subtype /Text /T (Bob) /Contents (planted) /IRT 7 0 R >>"
            )),
            "planted",
            "",
        ),
        (
            "a recording",
            annotated(&format!("<< {rect} /Subtype /RichMedia >>")),
            "",
            "recording",
        ),
        (
            "a screen",
            annotated(&format!("<< {rect} /Subtype /Screen >>")),
            "",
            "recording",
        ),
        (
            "a movie",
            annotated(&format!("<< {rect} /Subtype /Movie /T (planted) >>")),
            "",
            "recording",
        ),
        (
            "a sound",
            annotated(&format!("<< {rect} /Subtype /Sound >>")),
            "",
            "recording",
        ),
        (
            "a 3D model",
            annotated(&format!("<< {rect} /Subtype /3D >>")),
            "",
            "3D",
        ),
        (
            "a hidden annotation",
            annotated(&format!(
                "<< {rect} /Subtype /FreeText /F 2 /Contents (planted) >>"
            )),
            "",
            "invisible",
        ),
        (
            "a signature",
            annotated(&format!(
                "<< {rect} /Subtype /Widget /FT /Sig /T (s) /V << /Type /Sig /Name (planted) >> >>"
            )),
            "planted",
            "sign",
        ),
        (
            "a button",
            annotated(&format!(
                "<< {rect} /Subtype /Widget /FT /Btn /Ff 65536 /T (s) /MK << /CA (planted) >> >>"
            )),
            "planted",
            "",
        ),
        (
            "a rich field",
            annotated(&format!(
                "<< {rect} /Subtype /Widget /FT /Tx /T (s) /RV (<body><p>planted</p></body>) >>"
            )),
            "planted",
            "field",
        ),
        (
            "an array of choices",
            annotated(&format!(
                "<< {rect} /Subtype /Widget /FT /Ch /T (a) /Opt [[(1) (one)] [(2) (planted)]] /V [(2)] >>"
            )),
            "planted",
            "",
        ),
        (
            "actual text",
            pdf(
                "/Span << /ActualText (planted) >> BDC BT /F 12 Tf 50 350 Td (xyz) Tj ET EMC BT /F 12 Tf 50 300 Td (more words of body here) Tj ET",
                "",
                "",
                &["<< >>"],
            ),
            "planted",
            "",
        ),
        (
            "text in a form",
            pdf(
                &format!("{BODY} /X Do"),
                "",
                "/Resources << /Font << /F 5 0 R >> /XObject << /X 7 0 R >> >>",
                &[
                    "<< >>",
                    "<< /Type /XObject /Subtype /Form /BBox [0 0 400 400] /Resources << /Font << /F 5 0 R >> >> /Length 42 >>\nstream\nBT /F 12 Tf 50 100 Td (planted) Tj ET     \nendstream",
                ],
            ),
            "planted",
            "",
        ),
        (
            "white text",
            pdf(
                &format!("{BODY} 1 g BT /F 12 Tf 50 100 Td (planted) Tj ET"),
                "",
                "",
                &["<< >>"],
            ),
            "planted",
            "invisible",
        ),
        (
            "text off page",
            pdf(
                &format!("{BODY} BT /F 12 Tf 50 -100 Td (planted) Tj ET"),
                "",
                "",
                &["<< >>"],
            ),
            "",
            "invisible",
        ),
        (
            "clipped text",
            pdf(
                &format!("{BODY} q 0 0 1 1 re W n BT /F 12 Tf 50 100 Td (planted) Tj ET Q"),
                "",
                "",
                &["<< >>"],
            ),
            "planted",
            "",
        ),
        (
            "a picture",
            pdf(
                &format!("{BODY} q 100 0 0 100 0 0 cm /X Do Q"),
                "",
                "/Resources << /Font << /F 5 0 R >> /XObject << /X 7 0 R >> >>",
                &[
                    "<< >>",
                    "<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8 /Length 1 >>\nstream\nx\nendstream",
                ],
            ),
            "",
            "picture",
        ),
        (
            "a picture behind the text",
            pdf(
                &format!("{BODY} q 400 0 0 400 0 0 cm /X Do Q"),
                "",
                "/Resources << /Font << /F 5 0 R >> /XObject << /X 7 0 R >> >>",
                &[
                    "<< >>",
                    "<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8 /Length 1 >>\nstream\nx\nendstream",
                ],
            ),
            "",
            "picture",
        ),
        (
            "an inline picture",
            pdf(
                &format!("{BODY} q 300 0 0 300 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID x EI Q"),
                "",
                "",
                &["<< >>"],
            ),
            "",
            "picture",
        ),
        (
            "an article file (AF)",
            pdf(
                BODY,
                "/AF [7 0 R]",
                "",
                &[
                    "<< >>",
                    "<< /Type /Filespec /UF (a.txt) /EF << /F 8 0 R >> >>",
                    "<< /Length 13 >>\nstream\nplanted words\nendstream",
                ],
            ),
            "planted",
            "",
        ),
    ] {
        check_contains(what, &file, "a.pdf", text, note);
    }
}

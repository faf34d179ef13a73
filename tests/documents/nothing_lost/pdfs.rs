//! Tests that nothing is lost in PDF files: text, annotations, layers, and attachments.

use super::check_contains;

/// Returns a PDF with one page that has this content. `catalog` and `page` are additional entries of these objects. The
/// objects in `others` are numbered from 5.
pub fn pdf(content: &str, catalog: &str, page: &str, others: &[&str]) -> Vec<u8> {
    let mut objects = vec![
        format!("<< /Type /Catalog /Pages 2 0 R {catalog} >>"),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 400] /Contents 4 0 R /Resources << /Font << /F 5 0 R >> /Properties << /L 6 0 R >> >> {page} >>"
        ),
        format!(
            "<< /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        ),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
            .to_owned(),
    ];
    objects.extend(others.iter().map(|one| (*one).to_owned()));
    let mut bytes = b"%PDF-1.7\n".to_vec();
    let mut places = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        places.push(bytes.len());
        bytes.extend(format!("{} 0 obj\n{object}\nendobj\n", index + 1).bytes());
    }
    let table = bytes.len();
    bytes.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).bytes());
    for place in places {
        bytes.extend(format!("{place:010} 00000 n \n").bytes());
    }
    bytes.extend(
        format!(
            "trailer << /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF",
            objects.len() + 1
        )
        .bytes(),
    );
    bytes
}

#[test]
fn pdfs_lose_nothing() {
    const BODY: &str = "BT /F 12 Tf 50 350 Td (Body words of the page here.) Tj ET ";
    let formatted = |more: &str| format!("{BODY}{more}");
    let annotated = |annotation: &str| pdf(BODY, "", "/Annots [6 0 R]", &[annotation]);
    let rect = "/Rect [50 200 250 220] /Type /Annot";
    for (what, file, text, note) in [
        (
            "a layer that is off",
            pdf(
                &formatted("/OC /L BDC BT /F 12 Tf 50 300 Td (planted) Tj ET EMC"),
                "/OCProperties << /OCGs [6 0 R] /D << /OFF [6 0 R] >> >>",
                "",
                &["<< /Type /OCG /Name (x) >>"],
            ),
            "",
            "layers",
        ),
        (
            "invisible text",
            pdf(
                &formatted("BT /F 12 Tf 3 Tr 50 300 Td (planted) Tj ET"),
                "",
                "",
                &["<< >>"],
            ),
            "",
            "invisible",
        ),
        (
            "a power",
            pdf(
                &formatted("BT /F 12 Tf 50 300 Td (10) Tj 5 Ts (3) Tj 0 Ts ( people) Tj ET"),
                "",
                "",
                &["<< >>"],
            ),
            "10^3 people",
            "",
        ),
        (
            "a field",
            annotated(&format!(
                "<< {rect} /Subtype /Widget /FT /Tx /T (a) /V (planted) >>"
            )),
            "planted",
            "",
        ),
        (
            "a checked box",
            annotated(&format!(
                "<< {rect} /Subtype /Widget /FT /Btn /T (a) /AS /Yes >>"
            )),
            "[x]",
            "",
        ),
        (
            "a list",
            annotated(&format!(
                "<< {rect} /Subtype /Widget /FT /Ch /T (a) /Opt [(one) (planted)] /V (planted) >>"
            )),
            "[x] planted",
            "",
        ),
        (
            "a text on the page",
            annotated(&format!(
                "<< {rect} /Subtype /FreeText /Contents (planted) >>"
            )),
            "planted",
            "",
        ),
        (
            "a comment",
            annotated(&format!(
                "<< {rect} /Subtype /Highlight /T (Ann) /Contents (planted) >>"
            )),
            "[comment by Ann: planted]",
            "",
        ),
        (
            "an attached file",
            pdf(
                BODY,
                "/Names << /EmbeddedFiles << /Names [(a) 7 0 R] >> >>",
                "",
                &[
                    "<< >>",
                    "<< /Type /Filespec /UF (a.txt) /EF << /F 8 0 R >> >>",
                    "<< /Length 13 >>\nstream\nplanted words\nendstream",
                ],
            ),
            "planted words",
            "",
        ),
        (
            "a file pinned to the page",
            pdf(
                BODY,
                "",
                "/Annots [6 0 R]",
                &[
                    &format!(
                        "<< {rect} /Subtype /FileAttachment /FS << /UF (planted.bin) /EF << /F 7 0 R >> >> >>"
                    ),
                    "<< /Length 4 >>\nstream\n\x7FELF\nendstream",
                ],
            ),
            "",
            "planted.bin",
        ),
        (
            "an XFA form",
            pdf(
                BODY,
                "/AcroForm << /Fields [] /XFA [(datasets) 7 0 R] >>",
                "",
                &[
                    "<< >>",
                    "<< /Length 72 >>\nstream\n<xdp><datasets><data><form><Name>planted</Name></form></data></datasets></xdp>\nendstream",
                ],
            ),
            "planted",
            "",
        ),
    ] {
        check_contains(what, &file, "a.pdf", text, note);
    }
}

//! Small files made for these tests, one for each way in which extracted text can have another meaning than what the
//! file shows. For each file, the tests list text that must be extracted and text that must not be.

use crate::nothing_lost::pdfs::pdf;
use crate::nothing_lost::{container, docx, relations, run, text_and_notes};

/// A file: its name, its bytes, the texts that must be extracted, and the texts that must not be.
type Class<'a> = (&'a str, Vec<u8>, &'a [&'a str], &'a [&'a str]);

fn check(classes: &[Class<'_>]) {
    let mut faults = Vec::new();
    for (name, bytes, present, absent) in classes {
        let (text, notes) = text_and_notes(bytes, name);
        let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let has = |words: &&&str| text.contains(**words) || folded.contains(**words);
        let missing: Vec<_> = present.iter().filter(|words| !has(words)).collect();
        let wrong: Vec<_> = absent.iter().filter(has).collect();
        if !missing.is_empty() || !wrong.is_empty() {
            faults.push(format!(
                "{name}: missing {missing:?}, wrong {wrong:?}\n{text}\n{notes}"
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn encode(label: &str, text: &str) -> Vec<u8> {
    let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap();
    encoding.encode(text).0.into_owned()
}

fn encode_utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn texts_and_tables() {
    let russian =
        "Доклад о наводнении в долине реки. Вода поднялась на два метра, и жители покинули дома.\n";
    let stray = [
        b"Gr\xC3\xBC\xC3\x9Fe aus K\xC3\xB6ln\n".as_slice(),
        b"caf\xE9\n",
        "Ende – gut\n".as_bytes(),
    ]
    .concat();
    check(&[
        ("a.txt", stray, &["Grüße aus Köln", "Ende – gut", "café"], &["Ã"]),
        ("a.txt", encode("ibm866", russian), &["наводнении"], &[]),
        ("a.txt", encode("koi8-r", russian), &["наводнении"], &[]),
        ("a.txt", encode_utf16("The flooding of the valley was slow.\n"), &["flooding of the valley"], &["\0"]),
        ("a.txt", b"First line\rSecond line\r".to_vec(), &["First line\nSecond line"], &["\r"]),
        ("a.log", b"\x1B[31mERROR\x1B[0m disk full\nB\x08Bo\x08ol\x08ld\n".to_vec(), &["ERROR disk full", "Bold"], &["[31m", "\x08"]),
        ("a.txt", "Donau\u{AD}dampf\u{AD}schiff, zero\u{200B}width, w\u{2060}j\n".into(), &["Donaudampfschiff", "zerowidth", "wj"], &["\u{AD}"]),
        ("a.csv", b"sep=;\nName;Units\nWidget;12\n".to_vec(), &["Units: 12"], &["sep="]),
        ("a.csv", b"Report of May\n\nStation;Level\nA;12\nB;13\n".to_vec(), &["Level: 12", "Report of May"], &[]),
        ("a.csv", "\u{FEFF}Region;Umsatz\nSüd;1.234,50\n\"Gad;get\";2,0\n".into(), &["Umsatz: 1.234,50", "Region: Süd", "Gad;get"], &["\u{FEFF}"]),
        ("a.csv", b"Text;Betrag\nMiete, warm, Mai;1,5\nStrom, Gas;2,5\n".to_vec(), &["Text: Miete, warm, Mai", "Betrag: 1,5"], &[]),
        ("a.csv", b"Item|Units\nWidget|12\nGadget|13\n".to_vec(), &["Units: 12"], &[]),
        ("a.csv", encode("windows-1252", "Name,Ort\nJosé,Málaga\nJürgen,Köln\n"), &["José", "Ort: Málaga", "Köln"], &[]),
        ("a.srt", b"1\n00:00:01,000 --> 00:00:03,000\nWelcome\nback\n\n2\n00:00:04,000 --> 00:00:05,000\nNo.\n".to_vec(), &["Welcome back", "[00:00:04] No."], &["-->"]),
        ("a.ics", b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:The water ques\n tion in May\nDTSTART:20260301T090000Z\nEND:VEVENT\nEND:VCALENDAR\n".to_vec(), &["water question", "2026-03-01 09:00 UTC"], &["DTSTART"]),
        ("a.ipynb", br#"{"cells":[{"cell_type":"markdown","source":["Levels"]},{"cell_type":"code","execution_count":7,"source":["print(2)"],"outputs":[{"output_type":"stream","text":["2.0"]}]}],"nbformat":4}"#.to_vec(), &["Levels", "print(2)", "2.0"], &["execution_count"]),
        ("a.org", b"* One\n** Two\ntext\n".to_vec(), &["# One", "## Two"], &[]),
        ("a.rst", b"Title\n=====\n\ntext\n".to_vec(), &["# Title"], &["====="]),
        ("a.tex", b"\\documentclass{a}\\begin{document}\\section{Results}The \\emph{mean} is 5\\%.\\end{document}".to_vec(), &["## Results", "The mean is 5%."], &["documentclass"]),
    ]);
}

#[test]
fn web_pages_and_books() {
    let page = |body: &str| format!("<!doctype html><meta charset=utf-8>{body}").into_bytes();
    let book = |chapter: &str| {
        container(&[
            ("mimetype", "application/epub+zip"),
            (
                "META-INF/container.xml",
                "<container><rootfiles><rootfile full-path='c.opf'/></rootfiles></container>",
            ),
            (
                "c.opf",
                "<package><manifest><item id='a' href='a%20b.xhtml' media-type='application/xhtml+xml'/></manifest><spine><itemref idref='a' linear='no'/></spine></package>",
            ),
            ("a b.xhtml", chapter),
        ])
    };
    check(&[
        ("a.html", page("<p>10<sup>3</sup> people and 20<sup><a href='#n'>1</a></sup> million"), &["10^3 people", "20[1] million"], &["103", "201"]),
        ("a.html", page("<p>Price <s>100</s> <del>90</del> <ins>80</ins>"), &["~~100~~ 80"], &["90"]),
        ("a.html", page("<table><tr><th>Region<th>Quarter<tr><td rowspan=2>North<td>Q1<tr><td>Q2</table>"), &["Region: North | Quarter: Q2"], &["Region: Q2"]),
        ("a.html", page("<ol start=5><li>five<li>six</ol><input type=checkbox checked> yes"), &["5. five", "6. six", "[x] yes"], &["1. five"]),
        ("a.html", page("&NotEqualTilde; &frac34; &hellip; &zwj;x"), &["≂̸", "¾", "…"], &["&frac34"]),
        ("a.html", page("<p>Real text<p style='display:none'>secret<template>tmpl</template>"), &["Real text"], &["secret", "tmpl"]),
        ("a.xhtml", b"<html><head><title/><script src='x'/><style/></head><body><a id='q'/><p>planted</p><br></body></html>".to_vec(), &["planted"], &["<p>"]),
        ("a.html", b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><head><title/></head><body><p>planted</p></body></html>".to_vec(), &["planted"], &["</head>"]),
        ("a.epub", book("<html><head><title/></head><body><p>Once 10<sup>3</sup> &eacute;t&eacute;</p></body></html>"), &["Once 10^3 été"], &["</head>"]),
    ]);
}

#[test]
fn emails_and_archives() {
    let mail = |head: &str, body: &str| {
        format!("From: a@b.c\nSubject: S\nMIME-Version: 1.0\n{head}\n\n{body}").into_bytes()
    };
    let attached = "--b\nContent-Type: text/plain\n\nHere.\n--b\nContent-Type: text/csv\nContent-Disposition: attachment; filename*0*=UTF-8''%C3%9Cber; filename*1=\"sicht\"; filename*2*=%2Ecsv\n\nName,Units\nWidget,12\n--b--\n";
    let forwarded = "--b\nContent-Type: text/plain\n\nSee below\n--b\nContent-Type: message/rfc822\n\nFrom: x@y.z\nSubject: =?iso-8859-1?q?Z=FCrich?=\n\nThe original\n--b--\n";
    let invitation = "--b\nContent-Type: text/plain\n\nPlease join\n--b\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:S\nDTSTART:20260301T090000Z\nEND:VEVENT\nEND:VCALENDAR\n--b--\n";
    let mixed = "Content-Type: multipart/mixed; boundary=b";
    // The file names in the archive are in code page 437, as written by an old program, without a flag that says so.
    let mut old = container(&[("Gr@1.txt", "Letter one."), ("H@#2.txt", "Letter two.")]);
    for (from, to) in [(&b"Gr@1"[..], &b"Gr\x811"[..]), (b"H@#2", b"H\x84\xE12")] {
        for at in 0..old.len() - from.len() {
            if old[at..].starts_with(from) {
                old[at..at + from.len()].copy_from_slice(to);
            }
        }
    }
    check(&[
        ("a.eml", mail(mixed, attached), &["Übersicht.csv", "Units: 12", "Here."], &["%C3"]),
        ("a.eml", mail(mixed, forwarded), &["See below", "Zürich", "The original"], &[]),
        ("a.eml", mail("Content-Type: multipart/alternative; boundary=b", invitation), &["Please join", "2026-03-01"], &["DTSTART"]),
        ("a.eml", mail("Content-Type: text/plain; format=flowed; delsp=yes", "a mail program in the mid \ndle of it\n"), &["in the middle of it"], &[]),
        ("a.eml", mail("Content-Type: text/html", "<p>Invoice <b>99 EUR</b>"), &["Invoice 99 EUR"], &["<p>"]),
        ("a.eml", b"From: =?utf-8?B?SsM=?= =?utf-8?B?tnI=?= <a@b.c>\nSubject: =?utf-8?Q?=C3?= =?utf-8?Q?=9Cber?=\nDate: x\n\nBody\n".to_vec(), &["J\u{f6}r", "Über"], &["=?"]),
        ("a.eml", [b"From: a@b.c\nSubject: S\nMIME-Version: 1.0\nContent-Type: text/plain; charset=iso-2022-jp\n\n".to_vec(), encode("iso-2022-jp", "明日の会議は中止です\n")].concat(), &["明日の会議は中止です"], &[]),
        ("a.mbox", b"From a@b.c Thu Jan  1 00:00:00 2026\nFrom: a@b.c\nSubject: First\n\nOne body\n\nFrom a@b.c Thu Jan  1 00:00:00 2026\nFrom: a@b.c\nSubject: Second\n\nTwo body\n".to_vec(), &["First", "Second", "Two body"], &[]),
        ("a.mhtml", b"From: x\nSubject: S\nMIME-Version: 1.0\nContent-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>The level is 12\n--b\nContent-Type: text/css\n\n.secretcss{}\n--b--\n".to_vec(), &["The level is 12"], &["secretcss"]),
        ("a.zip", old, &["Grü1.txt", "Häß2.txt", "Letter one", "Letter two"], &["\u{FFFD}"]),
        ("a.zip", container(&[("LICENSE", "Alpha text\n"), ("__MACOSX/._a", "junkforks"), (".DS_Store", "Bud1")]), &["Alpha text"], &["junkforks", "Bud1"]),
    ]);
}

#[test]
fn office_files_and_pages() {
    let body = |body: &str| docx(body, &[], &[]);
    let sheet = |rows: &str, styles: &str| {
        let main = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
        container(&[
            (
                "xl/workbook.xml",
                "<workbook xmlns:r='r'><workbookPr date1904='1'/><sheets><sheet name='One' r:id='r0'/></sheets></workbook>",
            ),
            (
                "xl/_rels/workbook.xml.rels",
                &relations(&[("worksheet", "s.xml"), ("styles", "styles.xml")]),
            ),
            ("xl/s.xml", &main),
            (
                "xl/styles.xml",
                &format!(
                    "<styleSheet><numFmts>{styles}</numFmts><cellXfs><xf numFmtId='0'/><xf numFmtId='170'/></cellXfs></styleSheet>"
                ),
            ),
        ])
    };
    let number = "<row r='1'><c r='A1' s='1'><v>42</v></c></row>";
    let raised = "BT /F 12 Tf 50 300 Td (10) Tj /F 7 Tf 5 Ts (3) Tj 0 Ts /F 12 Tf ( people) Tj ET";
    let twice = "BT /F 12 Tf 50 300 Td (Total due) Tj ET BT /F 12 Tf 50.3 300 Td (Total due) Tj ET";
    let hyphens = "BT /F 12 Tf 50 300 Td (The years 2019-) Tj 0 -14 Td (2024 and the infor-) Tj 0 -14 Td (mation policy; information counts.) Tj ET";
    let shifted = [
        b"junk before the file\n".to_vec(),
        pdf(
            "BT /F 12 Tf 50 300 Td (information policy) Tj ET",
            "",
            "",
            &["<< >>"],
        ),
    ]
    .concat();
    let page = |content: &str| pdf(content, "", "", &["<< >>"]);
    check(&[
        ("a.docx", body(&(run("", "10") + &run("<w:strike/>", "90"))), &["~~90~~"], &[]),
        ("a.docx", body("<w:p><w:r><w:t>The fee is </w:t></w:r><w:del><w:r><w:delText>100</w:delText></w:r></w:del><w:ins><w:r><w:t>250 euros</w:t></w:r></w:ins></w:p>"), &["The fee is 250 euros"], &["100"]),
        ("a.docx", body("<w:p><w:r><w:t>e</w:t><w:noBreakHyphen/><w:t>mail infor</w:t><w:softHyphen/><w:t>mation</w:t></w:r></w:p>"), &["e-mail information"], &["infor-"]),
        ("a.docx", body("<w:p><m:oMath><m:f><m:num><m:r><m:t>a+b</m:t></m:r></m:num><m:den><m:r><m:t>7k</m:t></m:r></m:den></m:f></m:oMath></w:p>"), &["a+b/7k"], &["a+b7k"]),
        ("a.xlsx", sheet(number, "<numFmt numFmtId='170' formatCode='00000'/>"), &["00042"], &[]),
        ("a.xlsx", sheet(number, "<numFmt numFmtId='170' formatCode='yyyy-mm-dd'/>"), &["1904-02-12"], &["1900"]),
        ("a.xlsx", sheet("<row r='1'><c r='A1' t='inlineStr'><is><t>12 High Street_x000D_\nOslo</t><rPh><t>kana</t></rPh></is></c></row>", ""), &["12 High Street", "Oslo"], &["_x000D_", "kana"]),
        ("a.rtf", b"{\\rtf1\\ansi\\ansicpg1252{\\*\\generator x}caf\\'e9 \\u8364?5 10{\\super 3} {\\v hidden words}\\par}".to_vec(), &["café €5 10^3"], &["hidden words", "generator"]),
        ("a.pdf", page(raised), &["10^3 people"], &["103"]),
        ("a.pdf", page(twice), &["Total due"], &["due Total", "TToo"]),
        ("a.pdf", page(hyphens), &["2019-2024", "information policy"], &["20192024", "infor-"]),
        ("a.pdf", shifted, &["information policy"], &[]),
    ]);
}

//! Tests the lines assembled from pieces of text at known positions.

use super::*;

fn piece(x0: f64, y: f64, text: &str) -> LinePiece {
    LinePiece {
        x0,
        x1: x0 + 5.0 * text.chars().count() as f64,
        y,
        size: 10.0,
        follows_space: false,
        text: text.to_owned(),
    }
}

fn read(pieces: Vec<LinePiece>) -> String {
    to_text(&lines(pieces), 10.0, &WordList::default())
}

#[test]
fn columns_are_read_one_after_the_other() {
    let mut pieces = vec![piece(
        50.0,
        700.0,
        "a title over both of the columns, which is rather long and wide",
    )];
    for row in 0..6 {
        let y = 680.0 - 12.0 * f64::from(row);
        pieces.push(piece(50.0, y, &format!("left line number {row} and so on")));
        pieces.push(piece(
            250.0,
            y,
            &format!("right line number {row} and so on"),
        ));
    }
    pieces.push(piece(
        50.0,
        580.0,
        "a foot under both of the columns, which is rather long and wide",
    ));
    let text = read(pieces);
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    assert!(lines[0].starts_with("a title"));
    assert!(
        lines[1..7].iter().all(|line| line.starts_with("left")),
        "{text}"
    );
    assert!(
        lines[7..13].iter().all(|line| line.starts_with("right")),
        "{text}"
    );
    assert!(lines[13].starts_with("a foot"));
}

#[test]
fn rows_of_a_table_stay_together() {
    let mut pieces = Vec::new();
    for row in 0..8 {
        let y = 680.0 - 12.0 * f64::from(row);
        pieces.push(piece(50.0, y, &format!("item {row}")));
        pieces.push(piece(200.0, y, &format!("{row}0.5")));
        pieces.push(piece(300.0, y + 0.4, "yes"));
    }
    let text = read(pieces);
    assert!(
        text.starts_with("item 0 | 00.5 | yes\nitem 1 | 10.5 | yes\n"),
        "{text}"
    );
}

#[test]
fn hyphenation_headings_and_paragraphs_are_detected() {
    let mut pieces = vec![
        LinePiece {
            size: 18.0,
            ..piece(50.0, 720.0, "The Great")
        },
        LinePiece {
            size: 18.0,
            ..piece(50.0, 700.0, "Heading")
        },
        piece(50.0, 670.0, "This is an exam-"),
        piece(50.0, 658.0, "ple of the well-"),
        piece(50.0, 646.0, "Known kind"),
        piece(50.0, 620.0, "# Next"),
        piece(50.0, 608.0, "ends here"),
    ];
    pieces.push(LinePiece {
        size: 6.0,
        ..piece(100.5, 649.5, "2")
    });
    assert_eq!(
        read(pieces),
        "# The Great Heading\n\nThis is an example of the well-Known kind[2]\n\n\\# Next\nends here"
    );
}

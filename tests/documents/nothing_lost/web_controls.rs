//! Tests that nothing is lost in the controls of web pages, or in text that a page contains only in attributes.

use super::{check_all, text_and_notes};

#[test]
fn web_pages_lose_no_control() {
    let page =
        |body: &str| format!("<!doctype html><title>T</title><p>Body.</p>{body}").into_bytes();
    check_all(&[
        (
            "a placeholder",
            "a.html",
            page("<input placeholder='planted words'>"),
            "planted words",
            "",
        ),
        (
            "a long field's placeholder",
            "a.html",
            page("<textarea placeholder='planted words'></textarea>"),
            "planted words",
            "",
        ),
        (
            "a tooltip",
            "a.html",
            page("<p title='planted words'>x</p>"),
            "",
            "tooltips",
        ),
        (
            "a label for screen readers",
            "a.html",
            page("<button aria-label='planted words'></button>"),
            "planted words",
            "tooltips",
        ),
        (
            "a described element",
            "a.html",
            page("<div role=img aria-label='planted chart'></div>"),
            "planted chart",
            "tooltips",
        ),
        (
            "an abbreviation",
            "a.html",
            page("<abbr title='planted words'>PW</abbr>"),
            "PW (planted words)",
            "",
        ),
        (
            "a button",
            "a.html",
            page("<input type=submit value='planted'>"),
            "planted",
            "",
        ),
        (
            "a button that is a picture",
            "a.html",
            page("<input type=image alt='planted' src=x>"),
            "planted",
            "",
        ),
        (
            "a date and time",
            "a.html",
            page("<input type=datetime-local value='2026-01-01T10:00'>"),
            "2026-01-01T10:00",
            "",
        ),
        (
            "an area of a picture",
            "a.html",
            page("<map><area alt='planted' href=x></map>"),
            "planted",
            "",
        ),
        (
            "the choices of a list",
            "a.html",
            page("<select><option selected>x<option>planted</select>"),
            "",
            "hidden parts",
        ),
        (
            "a closed dialog",
            "a.html",
            page("<dialog>planted</dialog>"),
            "",
            "hidden parts",
        ),
        (
            "a closed popover",
            "a.html",
            page("<div popover>planted</div>"),
            "",
            "hidden parts",
        ),
        (
            "text without size",
            "a.html",
            page("<p style='font-size: 0'>planted</p>"),
            "",
            "hidden parts",
        ),
        (
            "text without color",
            "a.html",
            page("<p style='opacity:0'>planted</p>"),
            "",
            "hidden parts",
        ),
        (
            "a frame's fallback",
            "a.html",
            page("<noframes>planted</noframes>"),
            "",
            "hidden parts",
        ),
        (
            "a formula as an attribute",
            "a.html",
            page("<math alttext='planted'></math>"),
            "planted",
            "",
        ),
        (
            "an object without a file",
            "a.html",
            page("<object>planted</object>"),
            "planted",
            "",
        ),
        (
            "proposals for a field",
            "a.html",
            page("<input list=l><datalist id=l><option value='planted'></datalist>"),
            "",
            "hidden parts",
        ),
        (
            "a hidden paragraph at the end",
            "a.html",
            page("<p style='display:none'>planted"),
            "",
            "hidden parts",
        ),
        (
            "a meter",
            "a.html",
            page("<meter value=3 max=10>planted</meter>"),
            "planted",
            "",
        ),
    ]);
    // Text in an attribute that the page already shows is neither repeated nor reported.
    let (text, notes) = text_and_notes(
        &page(
            "<a href=x title='Home page'>Home page</a><button aria-label='Send'>Send</button><span style='font-size:0.9em;opacity:0.5'>small</span>",
        ),
        "a.html",
    );
    assert!(
        text.matches("Home page").count() == 1 && text.contains("small") && notes.is_empty(),
        "{text} {notes}"
    );
    // In HTML, the `div` ends the hidden paragraph. In XML, it does not.
    let hidden = "<p hidden='hidden'>secret<div>block</div></p>";
    let (text, _) = text_and_notes(&page(hidden), "a.html");
    assert!(text.contains("block") && !text.contains("secret"), "{text}");
    let xml = format!("<?xml version='1.0'?><html><body>Body. {hidden}</body></html>");
    let (text, _) = text_and_notes(xml.as_bytes(), "a.xhtml");
    assert!(
        !text.contains("block") && !text.contains("secret"),
        "{text}"
    );
}

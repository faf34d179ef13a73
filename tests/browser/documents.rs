//! Tests documents: several files at once, a large file that is uploaded in parts over an interrupted connection,
//! turning pages by keyboard, and a highlighted span in the address.

use serde_json::json;

use crate::driver::{Browser, keys};
use crate::pages::*;
use crate::server::Server;
use crate::wait_for_turn;
use crate::waiting::wait_until;

/// Script that uploads a generated text of about 9 MB with the page's file input.
const LARGE_FILE_SCRIPT: &str = "
    const line = 'The pump delivers 40 litres a minute, and the valve holds. ';
    const text = '# Log\\n\\n' + (line.repeat(20) + '\\n\\n').repeat(7500) + 'The very last line.\\n';
    const files = new DataTransfer();
    files.items.add(new File([text], 'large.txt'));
    const input = document.querySelector('input[type=file]');
    input.files = files.files;
    input.dispatchEvent(new Event('change'));";

/// Script that makes every other upload of a part fail, so that the part must be sent again.
const BREAK_THE_LINE: &str = "
    const real = window.fetch;
    window.lost = 0;
    window.fetch = (address, options) => {
      const part = String(address).includes('upload-document-chunk');
      if (part && window.lost++ % 2 === 0) return Promise.reject(new TypeError('no line'));
      return real(address, options);
    };";

const DROP_SCRIPT: &str = "
    const files = new DataTransfer();
    for (const [name, text] of args) files.items.add(new File([text], name));
    const zone = document.querySelector('.drop-zone');
    for (const type of ['dragover', 'drop']) zone.dispatchEvent(new DragEvent(type, { dataTransfer: files, bubbles: true, cancelable: true }));";

#[test]
fn several_files_and_an_interrupted_large_upload() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    browser.go(&server.address("/documents"));
    browser.wait(".empty");
    browser.run(
        DROP_SCRIPT,
        json!([
            ["one.md", "# One\n\nThe first of them.\n"],
            ["two.txt", "The second of them.\n"],
            ["three.txt", ""]
        ]),
    );
    browser.wait_text(".document-list", "one.md");
    browser.wait_text(".document-list", "two.txt");
    browser.wait_text(".upload-failed", "three.txt This file is empty.");
    browser.fill(".documents-find input", "second");
    browser.wait_text(".found", "The second of them.");
    assert_eq!(browser.text(".found mark"), "second");
    assert!(
        !browser.is_visible(".document-row"),
        "no name contains the word"
    );
    assert!(browser.url().ends_with("/documents?q=second"));
    check_accessibility(&browser, axe().as_deref(), "documents");
    browser.screenshot("documents");
    browser.click(".found .hit a");
    browser.wait("mark.cited");
    browser.wait_text(".document-list", "two.txt");
    assert_eq!(
        browser.text(".document-row:has([aria-current]) a"),
        "two.txt"
    );

    browser.run(BREAK_THE_LINE, json!([]));
    browser.run(LARGE_FILE_SCRIPT, json!([]));
    browser.wait_text(".upload-state", "The upload will resume automatically");
    browser.wait_text(".document-list", "large.txt");
    assert!(
        browser.value("window.lost").as_u64().unwrap() >= 8,
        "it was sent in parts"
    );
    browser.wait_count(".row[data-status=processed]", 3);
    assert_eq!(
        browser.value("Object.keys(localStorage).filter((key) => key.includes('upload'))"),
        json!([]),
        "nothing is left to be gone on with"
    );
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

/// The text of three pages. On page 2, there are multibyte characters before the passage.
const PAGES: &str = "First page, plain.\u{c}Zweite Seite: größte Übelkeit — 東京. The pump delivers 40 litres.\u{c}Third and last page.";

#[test]
fn a_document_opens_at_the_place_its_address_names() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    let stored = browser.run(
        &format!("{UPLOAD_SCRIPT} return await response.json();"),
        json!(["pages.txt", PAGES]),
    );
    assert_eq!(stored["pages"], 3, "{stored}");
    let id = stored["document_id"].as_str().unwrap();
    let second = PAGES.split('\u{c}').nth(1).unwrap();
    let start = second.find("The pump").unwrap();
    let address = format!("/documents?id={id}&page=2&from={start}&to={}", second.len());

    browser.go(&server.address(&address));
    browser.wait("mark.cited");
    assert_eq!(browser.text("mark.cited"), "The pump delivers 40 litres.");
    browser.wait_text("#live", "Page 2, marked: The pump delivers");
    check_accessibility(&browser, axe.as_deref(), "a document at a place");
    browser.screenshot("document-place");

    browser.click(".page-text");
    browser.keys(&[], keys::ARROW_RIGHT);
    browser.wait_text(".page-text", "Third and last page.");
    assert!(browser.url().contains("page=3"), "{}", browser.url());
    assert_eq!(browser.count("[aria-label='Next page']:disabled"), 1);
    browser.keys(&[], keys::ARROW_LEFT);
    browser.keys(&[], keys::ARROW_LEFT);
    browser.wait_text(".page-text", "First page, plain.");
    browser.reload();
    browser.wait_text(".page-text", "First page, plain.");

    browser.click("[aria-label='Search this document']");
    browser.fill(".search-inside input", "pump litres");
    browser.click(".search-inside button");
    browser.wait_text(".search-inside .hits", "1 passage found");
    browser.click(".search-inside .hit .link-button");
    browser.wait_text("mark.cited", "The pump delivers 40 litres.");
    assert_eq!(browser.console_errors(), Vec::<String>::new());

    let phone = Browser::open(375, 780, true);
    sign_in(&phone, &server);
    phone.go(&server.address(&address));
    phone.wait("mark.cited");
    let over =
        phone.value("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    assert_eq!(over, json!(0), "wider than the phone");
    phone.screenshot("document-place-phone");
}

const LATIN_FILE_SCRIPT: &str = "
    const form = new FormData();
    const bytes = Uint8Array.from('Die Gr\\u00f6\\u00dfe der Pumpe z\\u00e4hlt f\\u00fcr die Stra\\u00dfe.\\n', (c) => c.charCodeAt(0));
    form.append('file', new File([bytes], 'groesse.txt'));
    const response = await fetch('/api/upload-document', { method: 'POST', body: form });
    if (!response.ok) throw new Error(await response.text());
    return response.json();";

#[test]
fn document_is_reread_in_another_encoding() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    let stored = browser.run(LATIN_FILE_SCRIPT, json!([]));
    let id = stored["document_id"].as_str().unwrap();
    browser.go(&server.address(&format!("/documents?id={id}")));
    browser.wait_text(".page-text", "Größe");
    browser.press("Wrong characters?");
    browser.run(
        "document.querySelector('.read-again select').value = 'windows-1251';",
        json!([]),
    );
    browser.press("Read again");
    browser.wait_text(".page-text", "Die GrцЯe");
    browser.screenshot("encoding");
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

const DOCUMENT_COUNT_SCRIPT: &str =
    "(await (await fetch('/api/documents')).json()).documents.length";

const ASK_SCRIPT: &str = "
    const { documents } = await (await fetch('/api/documents')).json();
    const response = await fetch('/api/analyze', { method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'How much does the pump deliver?', pattern: 'summarize', document_ids: [documents[0].id] }) });
    if (!response.ok) throw new Error(await response.text());";

/// Selects "Delete" in the menu of the only document.
fn delete(browser: &Browser) {
    browser.click("[aria-label='Actions for notes.md']");
    browser.click(".document-row [role=menuitem][aria-label='Delete']");
}

#[test]
fn a_deletion_can_be_undone_and_lists_quoting_analyses() {
    let Some(_turn) = wait_for_turn() else { return };
    let server = Server::start();
    let browser = Browser::open(1280, 900, false);
    sign_up(&browser, &server);
    let notes = json!([
        "notes.md",
        "# Notes\n\nThe pump delivers 40 litres a minute.\n"
    ]);
    browser.run(UPLOAD_SCRIPT, notes.clone());
    browser.go(&server.address("/documents"));
    delete(&browser);
    browser.wait_text(".toast", "notes.md deleted.");
    assert_eq!(browser.count(".row"), 0);
    browser.press("Undo");
    browser.wait_text(".row", "notes.md");
    assert_eq!(
        browser.value(DOCUMENT_COUNT_SCRIPT),
        json!(1),
        "it never went"
    );

    delete(&browser);
    browser.wait_text(".toast", "notes.md deleted.");
    browser.click(".rail a[href='/history']");
    wait_until("leaving the page ends the time for second thoughts", || {
        (browser.value(DOCUMENT_COUNT_SCRIPT) == json!(0)).then_some(())
    });

    browser.run(UPLOAD_SCRIPT, notes);
    browser.run(ASK_SCRIPT, json!([]));
    browser.go(&server.address("/documents"));
    delete(&browser);
    browser.wait_text("dialog", "1 analysis still quotes it");
    browser.wait_text("dialog", "How much does the pump deliver?");
    check_accessibility(&browser, axe().as_deref(), "what quotes a document");
    browser.screenshot_window("delete-quoted");
    browser.click("dialog .danger");
    browser.wait(".empty");
    wait_until("it is gone", || {
        (browser.value(DOCUMENT_COUNT_SCRIPT) == json!(0)).then_some(())
    });
    assert_eq!(browser.console_errors(), Vec::<String>::new());
}

/// Script that asks a question about the only document. Returns the first verified citation and the ID of the analysis.
const CITE_SCRIPT: &str = "
    const { documents } = await (await fetch('/api/documents')).json();
    const response = await fetch('/api/analyze', { method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ prompt: 'How much does the pump deliver?', pattern: 'summarize', models: ['demo/extract', 'demo/phrases', 'demo/sceptic'], document_ids: [documents[0].id] }) });
    if (!response.ok) throw new Error(await response.text());
    const { analysis_id: id } = await response.json();
    const { citations } = await (await fetch(`/api/analyses/${id}`)).json();
    return { id, ...citations.items.find((item) => item.state === 'verified' && item.where === 'synthesis') };";

#[test]
fn cited_page_shows_who_quotes_it() {
    let Some(_turn) = wait_for_turn() else { return };
    let axe = axe();
    let server = Server::start();
    let mut path = String::new();
    for (width, height, dark) in [(1440, 900, false), (1280, 800, true), (390, 844, true)] {
        let browser = Browser::open(width, height, dark);
        if path.is_empty() {
            sign_up(&browser, &server);
            browser.run(UPLOAD_SCRIPT, json!(["pages.txt", PAGES]));
            let cited = browser.run(CITE_SCRIPT, json!([]));
            let text = |name: &str| cited[name].as_str().unwrap_or_default().to_owned();
            path = format!(
                "/documents?id={}&page={}&from={}&to={}&analysis={}",
                text("document_id"),
                cited["page"],
                cited["start"],
                cited["end"],
                text("id")
            );
        } else {
            sign_in(&browser, &server);
        }
        browser.go(&server.address(&path));
        browser.wait("mark.cited");
        browser.wait_text(".verdict", "Quote verified");
        assert!(browser.text(".quoted-by").contains("The answer"));
        assert!(
            browser.count(".quoted-by .letter") > 1,
            "a member and the answer"
        );
        assert!(browser.text(".citation-steps").starts_with("Citation "));
        assert_eq!(browser.is_visible(".documents-list"), width > 720);
        check_width(&browser, "a cited page");
        check_accessibility(&browser, axe.as_deref(), "a cited page");
        browser.prefer(dark, false);
        browser.screenshot_window(&format!("cited-page-{width}"));
        browser.press("Back to answer");
        browser.wait(".answer > .blk");
        assert!(browser.url().contains("/t/thread_"), "{}", browser.url());
        assert_eq!(browser.console_errors(), Vec::<String>::new());
    }
}

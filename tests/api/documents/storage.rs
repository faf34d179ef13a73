//! Tests resumed uploads, access restricted to owners, pages, deletion, and downloads of originals.

use super::*;

#[test]
fn upload_parts_arrive_out_of_order_and_resume() {
    let users = TwoUsers::new();
    let text = "part ".repeat(500);
    let announced = |size: usize, chunk: usize, total: u32| json!({"fileName": "../long.txt", "fileSize": size, "chunkSize": chunk, "totalChunks": total});
    let upload_session = users
        .post(
            0,
            "/api/create-document-session",
            announced(2_500, 1_000, 3),
        )
        .expect(200);
    assert_eq!(upload_session["fileName"], "long.txt");
    let id = upload_session["sessionId"].as_str().expect("an id");
    let part = |user_index: usize, number: usize, bytes: &str| {
        let number = number.to_string();
        let form = Form::default()
            .text("sessionId", id)
            .text("chunkIndex", &number)
            .file("chunk", "blob", bytes.as_bytes());
        users.ask(
            user_index,
            "POST",
            "/api/upload-document-chunk",
            FORM_TYPE,
            &form.end(),
        )
    };
    let finalize = |user_index| {
        users.post(
            user_index,
            "/api/finalize-document-upload",
            json!({"sessionId": id}),
        )
    };
    assert_eq!(
        part(0, 2, &text[2_000..]).expect(200)["receivedChunks"],
        json!([2])
    );
    part(0, 0, &text[..999]).refused_with(422, &["1000 bytes"]);
    part(0, 3, "x").refused_with(422, &["chunkindex"]);
    part(1, 0, &text[..1_000]).refused_with(404, &[]);
    finalize(0).refused_with(400, &["missing: 0, 1"]);
    finalize(1).refused_with(404, &[]);
    let session = format!("/api/document-sessions/{id}");
    users.get(1, &session).refused_with(404, &[]);
    assert_eq!(
        users.get(0, &session).expect(200)["receivedChunks"],
        json!([2])
    );
    part(0, 1, &text[1_000..2_000]).expect(200);
    assert_eq!(part(0, 0, &text[..1_000]).expect(200)["complete"], true);
    let stored = finalize(0).expect(200);
    assert_eq!(
        (&stored["words"], &stored["size"]),
        (&500.into(), &2_500.into())
    );
    finalize(0).refused_with(404, &[]);
    assert_eq!((users.files("uploads"), users.files("tmp")), (0, 0));

    users
        .post(
            0,
            "/api/create-document-session",
            announced(UPLOAD_LIMIT + 1, UPLOAD_LIMIT + 1, 1),
        )
        .refused_with(413, &["larger"]);
    users
        .post(0, "/api/create-document-session", announced(10, 3, 3))
        .refused_with(422, &["totalchunks"]);
    users
        .post(0, "/api/create-document-session", json!({"fileName": 1}))
        .refused_with(422, &[]);
}

#[test]
fn uploads_without_a_credential_are_refused() {
    let users = TwoUsers::new();
    let form = Form::default().file("file", "a.txt", b"words").end();
    let answer =
        users
            .server
            .client()
            .send("POST", "/api/upload-document", Some((FORM_TYPE, &form)));
    answer.refused(401, "UNAUTHENTICATED");
    assert_eq!((users.files("documents"), users.files("tmp")), (0, 0));
}

#[test]
fn deleting_an_account_deletes_its_documents() {
    let users = TwoUsers::new();
    let own_document = users.send(0, "a.txt", b"mine").expect(200);
    users.send(1, "b.txt", b"theirs").expect(200);
    let other_user_id = users.get(1, "/api/users/me").expect(200)["user_id"].clone();
    let path = format!(
        "/api/admin/users/{}",
        other_user_id.as_str().expect("an id")
    );
    users.delete(0, &path).expect(200);
    assert_eq!(users.files("documents"), users.server.originals_of(1));
    let remaining = users.get(0, "/api/documents").expect(200);
    assert_eq!(remaining["documents"][0]["id"], own_document["id"]);
}

#[test]
fn images_are_stored_unchanged_and_damaged_ones_are_reported() {
    let users = TwoUsers::new();
    let picture = include_bytes!("../../data/screenshot.png");
    let document = users.send(0, "a.txt", picture).json();
    assert_eq!(
        (&document["status"], &document["kind"], &document["words"]),
        (&json!("processed"), &json!("image"), &json!(0)),
        "{document}"
    );
    assert_eq!(document["content_type"], "image/png");
    assert!(document["message"].as_str().unwrap().contains("pixels"));
    let damaged = users.send(0, "b.png", &picture[..20]).json();
    assert_eq!(damaged["status"], "failed");
    assert!(damaged["message"].as_str().unwrap().contains("damaged"));
}

#[test]
fn document_pages_are_shown_and_the_document_is_reread() {
    let users = TwoUsers::new();
    let text = b"caf\xe9 one\x0C\x0Cthree pages";
    let document = users.send(0, "menu.txt", text).json();
    let path = format!("/api/documents/{}", document["id"].as_str().expect("an id"));
    assert_eq!(document["encoding"], "windows-1252", "{document}");
    let first = users.get(0, &format!("{path}/pages/1")).json();
    assert_eq!(
        (&first["text"], &first["next"], &first["previous"]),
        (&json!("café one"), &json!(3), &Value::Null)
    );
    for (number, status) in [
        ("3", 200),
        ("2", 404),
        ("0", 404),
        ("x", 404),
        ("99999999999", 404),
    ] {
        assert_eq!(
            users.get(0, &format!("{path}/pages/{number}")).status,
            status,
            "{number}"
        );
    }
    assert_eq!(users.get(1, &format!("{path}/pages/1")).status, 404);

    let second = users
        .post(0, &format!("{path}/read"), json!({"encoding": "KOI8-R"}))
        .json();
    assert_eq!(
        (&second["encoding"], &second["status"]),
        (&json!("koi8-r"), &json!("processed"))
    );
    let first = users.get(0, &format!("{path}/pages/1")).json();
    assert_eq!(first["text"], "cafИ one");
    assert_eq!(
        users.get(0, &format!("{path}/search?q=caf%D0%98")).json()["count"],
        1
    );
    assert_eq!(
        users.get(0, &format!("{path}/search?q=caf%C3%A9")).json()["count"],
        0
    );
    users
        .post(0, &format!("{path}/read"), json!({"encoding": "martian"}))
        .refused(422, "VALIDATION_ERROR");
    assert_eq!(
        users.post(1, &format!("{path}/read"), json!({})).status,
        404
    );
    let default_reading = users.post(0, &format!("{path}/read"), json!({})).json();
    assert_eq!(default_reading["status"], "processed");
}

/// For each page, the text says from which file of the email it comes.
#[test]
fn the_text_names_its_parts() {
    let users = TwoUsers::new();
    let mail = "From: a@b.c\nSubject: Two files\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n\
                --b\nContent-Type: text/plain\n\nHere.\n--b\nContent-Type: text/csv\nContent-Disposition: attachment; \
                filename*0*=UTF-8''%C3%9Cber; filename*1=sicht.csv\n\nName,Units\nWidget,12\n--b--\n";
    let document = users.send(0, "two.eml", mail.as_bytes()).json();
    let path = format!(
        "/api/documents/{}/text",
        document["id"].as_str().expect("an id")
    );
    let pages = users.get(0, &path).json()["pages"].clone();
    let titles: Vec<_> = (pages.as_array().expect("pages").iter())
        .map(|page| &page["title"])
        .collect();
    assert_eq!(titles, ["Two files", "Übersicht.csv"]);
}

#[test]
fn deleting_says_which_analyses_quote_it() {
    let server = Server::with(&[("USE_MOCK", "true")]);
    let mut person = server.user("a@example.org");
    let document = person
        .upload("/api/upload-document", "a.txt", b"The fee is 40 euros.")
        .json();
    let path = format!("/api/documents/{}", document["id"].as_str().expect("an id"));
    let request = json!({"prompt": "What is the fee?", "models": ["demo/extract"], "document_ids": [document["id"]], "pattern": "summarize"});
    let analysis = person.post("/api/analyze", request).json();
    let uses = person.get(&format!("{path}/uses")).json();
    assert_eq!(
        (&uses["count"], &uses["analyses"][0]["id"]),
        (&json!(1), &analysis["analysis_id"]),
        "{uses}"
    );
    let deletion = person.delete(&path).json();
    assert_eq!(
        deletion["analyses"][0]["question"], "What is the fee?",
        "{deletion}"
    );
    assert_eq!(person.get(&format!("{path}/uses")).status, 404);
}

/// An interrupted download resumes where it stopped, and an original that the client has cached is not sent again.
#[test]
fn originals_come_in_parts_and_only_once() {
    let server = Server::start();
    let mut person = server.user("a@example.org");
    let text = b"0123456789abcdef";
    let document = person.upload("/api/upload-document", "a.txt", text).json();
    let path = format!(
        "/api/documents/{}/content",
        document["id"].as_str().unwrap()
    );
    let full = person.get(&path);
    let etag = full.header("etag").to_owned();
    assert_eq!((full.status, &full.bytes[..]), (200, &text[..]));
    assert_eq!(full.header("accept-ranges"), "bytes");
    assert!(etag.starts_with('"') && etag.len() == 66, "{etag}");
    let ask = |headers: &[(&str, &str)]| {
        let client = person.clone();
        let client = headers
            .iter()
            .fold(client, |client, (name, value)| client.with(name, value));
        { client }.get(&path)
    };
    for (range, status, content, content_range) in [
        ("bytes=4-7", 206, &b"4567"[..], "bytes 4-7/16"),
        ("bytes=10-", 206, b"abcdef", "bytes 10-15/16"),
        ("bytes=-2", 206, b"ef", "bytes 14-15/16"),
        ("bytes=0-1,3-4", 200, text, ""),
    ] {
        let part = ask(&[("range", range)]);
        assert_eq!((part.status, &part.bytes[..]), (status, content), "{range}");
        assert_eq!(part.header("content-range"), content_range, "{range}");
        assert_eq!(part.header("etag"), etag, "{range}");
    }
    let beyond = ask(&[("range", "bytes=16-")]);
    beyond.refused(416, "RANGE_NOT_SATISFIABLE");
    assert_eq!(beyond.header("content-range"), "bytes */16");
    for (tag, status) in [(etag.as_str(), 206), ("\"other\"", 200)] {
        let part = ask(&[("range", "bytes=4-7"), ("if-range", tag)]);
        assert_eq!(part.status, status, "{tag}");
    }
    let unchanged = ask(&[("if-none-match", &etag)]);
    assert_eq!((unchanged.status, unchanged.bytes.len()), (304, 0));
    assert_eq!(ask(&[("if-none-match", "\"other\"")]).status, 200);
}

//! Tests of the document use cases with a real database and a real folder.

mod uploads;

use super::*;
use crate::domain::document::DocumentStatus;
use crate::domain::user::{Role, User};
use crate::store::{self, users};

fn now() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

fn user(n: u128) -> User {
    User {
        id: UserId::new(now(), n),
        email: format!("u{n}@example.org"),
        name: String::new(),
        password_hash: String::new(),
        role: Role::User,
        disabled: false,
        created: now(),
        last_login: None,
    }
}

/// A data folder with two users, which is removed when the test ends.
struct Installation {
    path: PathBuf,
    store: Store,
    runtime: tokio::runtime::Runtime,
}

impl Installation {
    fn new() -> Self {
        let name = crate::crypto::random::<8>()
            .map(|bytes| crate::crypto::hex(&bytes))
            .expect("chance");
        let path = std::env::temp_dir().join(format!("quire-documents-{name}"));
        std::fs::create_dir_all(&path).expect("a folder");
        let settings = store::StoreSettings {
            path: path.join("quire.db"),
        };
        let store = Store::open(&settings).expect("a store");
        store
            .write_now(|db| {
                users::insert(db, &user(1))?;
                users::insert(db, &user(2))
            })
            .expect("two people");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        Self {
            path,
            store,
            runtime,
        }
    }
    fn documents(&self) -> DocumentService {
        self.limited_to(100_000)
    }
    fn limited_to(&self, input: u64) -> DocumentService {
        let room = ReadBudget {
            memory: 0,
            cpu_s: 0,
            text: 1 << 20,
            input,
        };
        // No executable is needed: library tests read files in their own process.
        let settings = DocumentSettings {
            program: PathBuf::new(),
            budget: room,
            max_concurrent: 2,
            ocr: None,
            bucket: None,
        };
        DocumentService::open(&self.path, self.store.clone(), settings).expect("documents")
    }
    fn files(&self, folder: &str) -> usize {
        std::fs::read_dir(self.path.join(folder)).map_or(0, Iterator::count)
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

async fn send(
    documents: &DocumentService,
    user_number: u128,
    name: &str,
    bytes: &[u8],
) -> Result<Document> {
    let mut incoming = documents.begin()?;
    for piece in bytes.chunks(7_000) {
        incoming.write(piece).await?;
    }
    let received = incoming.finish().await?;
    documents
        .upload(&user(user_number).id, name, received, now())
        .await
}

#[test]
fn a_document_is_stored_once_found_shown_and_fully_deleted() {
    let installation = Installation::new();
    let documents = installation.documents();
    installation.runtime.block_on(async {
        let (owner, other_user) = (user(1).id, user(2).id);
        let text = b"# Lease\n\nThe tenant pays a deposit of 900 euros.";
        let document = send(&documents, 1, "../lease.md", text)
            .await
            .expect("kept");
        assert_eq!(
            (
                document.name.as_str(),
                document.kind.as_str(),
                document.words
            ),
            ("lease.md", "markdown", 9)
        );
        let again = send(&documents, 1, "copy.md", text).await.expect("known");
        assert_eq!(again.id, document.id);
        let other_document = send(&documents, 2, "lease.md", text).await.expect("kept");
        assert_ne!(other_document.id, document.id);
        assert_eq!(
            (installation.files("documents"), installation.files("tmp")),
            (2, 0)
        );

        let hits = documents
            .search(&owner, &document.id, "deposits?", None)
            .await
            .expect("a search");
        assert_eq!(hits.len(), 1);
        assert!(
            documents
                .search(&owner, &document.id, "\" OR *", None)
                .await
                .expect("a search")
                .is_empty()
        );
        let missing =
            |result: Result<()>| assert_eq!(result.map_err(|e| e.kind), Err(Kind::Missing));
        missing(documents.show(&other_user, &document.id).await.map(drop));
        missing(documents.text(&other_user, &document.id).await.map(drop));
        missing(
            documents
                .search(&other_user, &document.id, "deposit", None)
                .await
                .map(drop),
        );
        missing(documents.content(&other_user, &document.id).await.map(drop));
        missing(documents.delete(&other_user, &document.id).await);
        missing(
            documents
                .passages_for(
                    &other_user,
                    std::slice::from_ref(&document.id),
                    "deposit",
                    9_000,
                    None,
                )
                .await
                .map(drop),
        );

        documents
            .delete(&owner, &document.id)
            .await
            .expect("deleted");
        missing(documents.show(&owner, &document.id).await.map(drop));
        assert_eq!(installation.files("documents"), 1);
        assert!(
            documents
                .text(&other_user, &other_document.id)
                .await
                .is_ok()
        );
    });
}

/// Moves the original away, so that reading fails on the server's side, and then reads it again without a restart.
#[test]
fn a_document_can_be_read_again_after_a_server_failure() {
    let installation = Installation::new();
    let documents = installation.documents();
    installation.runtime.block_on(async {
        let owner = user(1).id;
        let document = send(&documents, 1, "a.txt", b"three little words")
            .await
            .expect("kept");
        let original = installation
            .path
            .join("documents")
            .join(document.id.as_str());
        let aside_folder = installation.path.join("aside");
        std::fs::rename(&original, &aside_folder).expect("away");
        let failed = read_again(&documents, &owner, &document.id).await;
        assert_eq!((failed.status, failed.pages), (DocumentStatus::Failed, 0));
        assert!(failed.message.contains("again"), "{}", failed.message);
        let (_, pages) = documents
            .text(&owner, &document.id)
            .await
            .expect("its text");
        assert_eq!(pages, []);

        std::fs::rename(&aside_folder, &original).expect("back");
        let read = read_again(&documents, &owner, &document.id).await;
        assert_eq!(read.words, 3);
    });
}

/// Has a document read again and waits until that is done, however long it takes.
async fn read_again(documents: &DocumentService, owner: &UserId, id: &DocumentId) -> Document {
    let again = documents.read_again(owner, id, None).await;
    let mut document = again.expect("a document");
    while document.status == DocumentStatus::Processing {
        tokio::time::sleep(Duration::from_millis(20)).await;
        document = documents.show(owner, id).await.expect("a document");
    }
    document
}

#[test]
fn binary_files_are_rejected_and_files_without_words_are_kept_as_failed() {
    let installation = Installation::new();
    let documents = installation.documents();
    installation.runtime.block_on(async {
        for bytes in [&b"\x7FELF\0\0"[..], b"a\0b\0\0\0\x01\x02"] {
            let refusal = send(&documents, 1, "innocent.txt", bytes)
                .await
                .map_err(|e| (e.kind, e.public));
            let (kind, public) = refusal.expect_err("refused");
            assert_eq!(kind, Kind::UnsupportedType);
            assert!(
                public.contains("not a supported type") || public.contains("so not a supported"),
                "{public}"
            );
        }
        assert_eq!(
            (installation.files("documents"), installation.files("tmp")),
            (0, 0)
        );
        let failed = send(&documents, 1, "blank.html", b"<html><script>x</script>")
            .await
            .expect("kept");
        assert_eq!(
            (failed.status, failed.message.as_str()),
            (DocumentStatus::Failed, "there is no text in the file")
        );
    });
}

#[test]
fn prompts_contain_short_documents_whole_and_hits_of_long_ones() {
    let installation = Installation::new();
    let documents = installation.documents();
    installation.runtime.block_on(async {
        let owner = user(1).id;
        let mut long = "Nothing to see in this sentence of filler. ".repeat(1_000);
        long.insert_str(30_000, "\n\nThe zeppelin landed in Lakehurst.\n\n");
        let long = send(&documents, 1, "long.txt", long.as_bytes())
            .await
            .expect("kept");
        let short = send(&documents, 1, "short.txt", b"A short note.")
            .await
            .expect("kept");
        let ids = [long.id, short.id.clone(), short.id];
        let sources = documents
            .passages_for(&owner, &ids, "Where did the zeppelin land?", 6_000, None)
            .await
            .expect("sources");
        assert!(
            sources
                .iter()
                .any(|s| s.text.contains("Lakehurst") && s.document == "long.txt")
        );
        assert_eq!(
            sources.iter().filter(|s| s.document == "short.txt").count(),
            1
        );
        assert!(
            sources
                .iter()
                .enumerate()
                .all(|(index, s)| s.number as usize == index + 1)
        );
        assert!(sources.iter().map(|s| s.text.len()).sum::<usize>() <= 6_000);
        let without_question = documents
            .passages_for(&owner, &ids, "", 3_000, None)
            .await
            .expect("sources");
        assert!(without_question[0].text.starts_with("Nothing to see"));
    });
}

#[test]
fn questions_without_spaces_find_passages() {
    let installation = Installation::new();
    let documents = installation.documents();
    installation.runtime.block_on(async {
        let owner = user(1).id;
        let mut text = "这是一段与问题无关的文字，只是为了让文件变长。\n".repeat(400);
        text.push_str("租客须支付两个月的押金。\n");
        let document = send(&documents, 1, "租约.txt", text.as_bytes())
            .await
            .expect("kept");
        let sources = documents
            .passages_for(
                &owner,
                std::slice::from_ref(&document.id),
                "押金是多少？",
                3_000,
                None,
            )
            .await
            .expect("sources");
        assert!(sources.iter().any(|source| source.text.contains("押金")));
        assert_eq!(
            documents
                .search(&owner, &document.id, "押金", None)
                .await
                .expect("a search")
                .len(),
            1
        );
    });
}

#[test]
fn only_orphans_are_moved_aside() {
    let installation = Installation::new();
    drop(installation.documents());
    let orphan = DocumentId::new(now(), 77);
    std::fs::write(
        installation.path.join("documents").join(orphan.as_str()),
        b"x",
    )
    .expect("written");
    std::fs::write(installation.path.join("documents/README"), b"x").expect("written");
    std::fs::write(installation.path.join("tmp/half"), b"x").expect("written");
    super::clear_temporary(&installation.path);
    assert_eq!(installation.files("tmp"), 0);
    let documents = installation.documents();
    installation.runtime.block_on(async {
        let document = send(&documents, 1, "a.txt", b"words").await.expect("kept");
        documents
            .run_housekeeping(now(), true)
            .await
            .expect("tidied");
        assert!(
            documents
                .content(&user(1).id, &document.id)
                .await
                .expect("there")
                .1
                .path()
                .exists()
        );
    });
    assert_eq!(installation.files("documents"), 2);
    let moved_aside = super::orphans::list(&installation.path).expect("listed");
    let names: Vec<_> = moved_aside
        .iter()
        .map(|orphan| orphan.name.as_str())
        .collect();
    assert_eq!(names, [orphan.as_str()]);
}

#[test]
fn attached_text_over_the_request_limit_is_rejected() {
    use base64::Engine as _;
    let installation = Installation::new();
    let documents = installation.documents();
    let file = base64::engine::general_purpose::STANDARD.encode("All of it is thin.\n".repeat(500));
    let id = user(1).id;
    let read = |max_bytes| {
        let reading = documents.read_attached(&id, ("a.txt", &file), max_bytes);
        installation
            .runtime
            .block_on(reading)
            .map_err(|error| error.kind)
    };
    assert!(read(20_000).is_ok());
    assert_eq!(read(5_000), Err(Kind::TooLarge));
}

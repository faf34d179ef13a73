//! Tests a disk that reports an I/O error (EIO) once when a file is synced. No matter which file fails, nothing is
//! acknowledged that is not stored, and everything works afterward. A preloaded library makes the call fail in the real
//! executable.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Client;
use crate::support::executable::Executable;
use crate::support::server::Folder;

/// C source of a library that makes the n-th sync of a file fail, if the path of the file contains `FAIL_SYNC_OF`. The
/// number n is read from the file that `FAIL_SYNC_COUNT` names, which is then removed.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int fails(int fd) {
    const char *of = getenv("FAIL_SYNC_OF"), *count = getenv("FAIL_SYNC_COUNT");
    char name[64], path[4096], text[16];
    if (!of || !count) return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (!strstr(path, of)) return 0;
    int failing = 0;
    pthread_mutex_lock(&lock);
    int file = open(count, O_RDWR);
    if (file >= 0) {
        ssize_t read_bytes = read(file, text, sizeof text - 1);
        text[read_bytes > 0 ? read_bytes : 0] = 0;
        int left = atoi(text);
        if (left == 1) {
            failing = 1;
            unlink(count);
        } else if (left > 1) {
            int written = snprintf(text, sizeof text, "%d", left - 1);
            if (ftruncate(file, 0) || pwrite(file, text, written, 0) != written) abort();
        }
        close(file);
    }
    pthread_mutex_unlock(&lock);
    return failing;
}

int fsync(int fd) {
    int (*real)(int) = (int (*)(int)) dlsym(RTLD_NEXT, "fsync");
    if (fails(fd)) { errno = EIO; return -1; }
    return real(fd);
}

int fdatasync(int fd) {
    int (*real)(int) = (int (*)(int)) dlsym(RTLD_NEXT, "fdatasync");
    if (fails(fd)) { errno = EIO; return -1; }
    return real(fd);
}
"#;

/// Compiles the library. Returns `None` if there is no C compiler on this machine.
fn compile_shim(folder: &Folder) -> Option<PathBuf> {
    let (source, library) = (folder.path().join("shim.c"), folder.path().join("shim.so"));
    fs::write(&source, SHIM).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(&source)
        .args(["-ldl", "-lpthread"]);
    match cc.output() {
        Err(error) => {
            eprintln!("skipped: this machine has no C compiler ({error})");
            None
        }
        Ok(done) => {
            let text = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.success(), "{text}");
            Some(library)
        }
    }
}

/// A server in which syncs of some files fail on demand.
struct Failing {
    server: Executable,
    count: PathBuf,
    folder: Folder,
}

impl Failing {
    fn for_files(files: &str) -> Option<Self> {
        let folder = Folder::new();
        let library = compile_shim(&folder)?;
        let count = folder.path().join("count");
        let settings = [
            ("USE_MOCK", "true"),
            ("RATE_LIMIT", "1000000"),
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("FAIL_SYNC_OF", files),
            ("FAIL_SYNC_COUNT", count.to_str().unwrap()),
        ];
        let server = Executable::with(&folder, &settings);
        Some(Self {
            server,
            count,
            folder,
        })
    }

    /// Makes the n-th sync from now on fail. The number is written atomically.
    fn fail(&self, n: usize) {
        let part = self.count.with_extension("part");
        fs::write(&part, n.to_string()).unwrap();
        fs::rename(part, &self.count).unwrap();
    }

    fn has_failed(&self) -> bool {
        !self.count.exists()
    }

    /// Kills the server, and restarts it on the same folder without the library.
    fn restart(self, client: &Client) -> (Executable, Client, Folder) {
        self.server.kill();
        let settings = [("USE_MOCK", "true"), ("RATE_LIMIT", "1000000")];
        let server = Executable::with(&self.folder, &settings);
        let client = server.known(client);
        (server, client, self.folder)
    }
}

fn text_of_document(n: usize) -> String {
    format!("Sheet {n} weighs eighty grams. ").repeat(20)
}

/// Waits until a document has been read, and returns it.
fn wait_until_read(client: &mut Client, id: &str) -> Value {
    for _ in 0..1200 {
        let body = client.get(&format!("/api/documents/{id}")).json();
        if body["status"] != "processing" {
            return body;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{id} is not read");
}

fn list_documents(client: &mut Client) -> Vec<String> {
    let response = client.get("/api/documents?limit=200").json();
    let all = response["documents"].as_array().unwrap().iter();
    all.map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Uploads documents until every sync of an upload has failed once. Returns the documents that were acknowledged, and
/// how many were refused.
fn upload_all(failing: &Failing, client: &mut Client) -> (Vec<(String, usize)>, usize) {
    let (mut stored_ids, mut refused_count) = (Vec::new(), 0);
    for n in 1..100 {
        failing.fail(n);
        let name = format!("{n}.txt");
        let uploaded = client.upload(
            "/api/upload-document",
            &name,
            text_of_document(n).as_bytes(),
        );
        match uploaded.status {
            200 | 202 => {
                let id = uploaded.json()["document_id"].as_str().unwrap().to_owned();
                let body = wait_until_read(client, &id);
                assert_eq!(body["status"], "processed", "sync {n}: {body}");
                stored_ids.push((id, n));
            }
            status => {
                assert!(status >= 500, "sync {n}: {}", uploaded.text());
                refused_count += 1;
            }
        }
        let known_ids: Vec<_> = stored_ids.iter().map(|(id, _)| id.clone()).collect();
        let mut document_ids = list_documents(client);
        document_ids.retain(|id| !known_ids.contains(id));
        assert!(
            document_ids.is_empty(),
            "sync {n}: nothing acknowledged {document_ids:?}"
        );
        if !failing.has_failed() {
            let _ = fs::remove_file(&failing.count);
            return (stored_ids, refused_count);
        }
    }
    panic!("an upload syncs a hundred times");
}

fn check_documents(client: &mut Client, stored: &[(String, usize)]) {
    for (id, n) in stored {
        let answer = client.get(&format!("/api/documents/{id}/content"));
        assert_eq!(
            (answer.status, answer.text()),
            (200, text_of_document(*n)),
            "{n}"
        );
        let read = client.get(&format!("/api/documents/{id}/text"));
        assert!(read.text().contains(&format!("Sheet {n} weighs")), "{n}");
    }
}

fn file_count(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, |entries| entries.flatten().count())
}

fn an_upload_survives(of: &str, expected: usize) {
    let Some(failing) = Failing::for_files(of) else {
        return;
    };
    let mut client = Client::new(failing.server.address).registered("ada@example.com");
    let (stored_ids, refused_count) = upload_all(&failing, &mut client);
    eprintln!(
        "{of}: {refused_count} uploads refused, {} stored",
        stored_ids.len()
    );
    assert!(
        refused_count >= expected,
        "{refused_count} syncs of {of} failed an upload"
    );
    assert!(!stored_ids.is_empty(), "the last one met no failure");
    check_documents(&mut client, &stored_ids);
    assert_eq!(client.get("/health").json()["status"], "ok");
    let (server, mut client, folder) = failing.restart(&client);
    check_documents(&mut client, &stored_ids);
    let mut ids: Vec<_> = stored_ids.iter().map(|(id, _)| id.clone()).collect();
    let mut document_ids = list_documents(&mut client);
    ids.sort();
    document_ids.sort();
    assert_eq!(document_ids, ids);
    // Refused uploads take up no space.
    let data = folder.path().join("data");
    assert_eq!(file_count(&data.join("documents")), stored_ids.len());
    drop(server);
}

#[test]
fn a_document_whose_file_cannot_be_synced_is_refused() {
    // In the first case, the file with the incoming bytes cannot be synced; in the second, the folder in which the
    // finished file is stored.
    an_upload_survives("/data/tmp/", 1);
    an_upload_survives("/data/documents", 1);
}

#[test]
fn a_document_whose_row_cannot_be_synced_is_refused_or_read_all_the_same() {
    an_upload_survives("/data/quire.db", 1);
}

#[test]
fn a_change_whose_commit_cannot_be_synced_is_refused_and_leaves_nothing() {
    let Some(failing) = Failing::for_files("/data/quire.db-wal") else {
        return;
    };
    let mut client = Client::new(failing.server.address).registered("ada@example.com");
    let rename_user = |client: &mut Client, n: usize| {
        client
            .put("/api/users/me", json!({ "name": n.to_string() }))
            .status
    };
    assert_eq!(rename_user(&mut client, 0), 200);
    let mut last = 0;
    let mut refused_count = 0;
    for n in 1..20 {
        failing.fail(1);
        match rename_user(&mut client, n) {
            200 => last = n,
            status => {
                assert!(status >= 500, "{status}");
                refused_count += 1;
            }
        }
        assert_eq!(
            client.get("/api/users/me").json()["name"],
            last.to_string(),
            "what is read is what was acknowledged"
        );
    }
    assert!(refused_count > 0, "no commit failed");
    let _ = fs::remove_file(&failing.count);
    assert_eq!(rename_user(&mut client, 99), 200);
    let (server, mut client, _folder) = failing.restart(&client);
    assert_eq!(client.get("/api/users/me").json()["name"], "99");
    drop(server);
}

//! Imports an archive. Nothing in it is trusted: sizes are limited, names are looked up and never used as paths,
//! every row is assigned to the importing user, and anything that turns out to be unreadable is removed again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Write as _};
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::{Map, Value};
use tar::{Archive, Entry};

use super::rows::{Lines, RowLimits};
use super::{
    ArchivePaths, Counts, FORMAT_NAME, MANIFEST_NAME, Manifest, ORIGINALS_FOLDER, Progress,
    TABLES_FOLDER, TableCount, too_large_error, unreadable_error,
};
use crate::app::documents::{TemporaryFile, open_new};
use crate::app::{Error, Kind, Result};
use crate::crypto::{hex, sha256};
use crate::domain::id::{UserId, ulid};
use crate::domain::time::Timestamp;
use crate::store::archive::{self, ArchiveTable, ROW_SCHEMA_VERSION};

/// Maximum total size of all entries, in bytes (16 GiB).
const MAX_BYTES: u64 = 16 << 30;
/// Maximum total number of rows in all tables that have an ID column.
const MAX_IDS: usize = 500_000;
/// Maximum number of entries. An archive has one per table and one per original document.
const MAX_FILES: usize = 500_000;
/// Number of leading characters of an ID that encode its time.
const ID_TIME_CHARS: usize = 10;
/// Maximum number of rows per transaction. A transaction is also committed once it has `BATCH_BYTES` of rows.
const BATCH_ROWS: usize = 100;
const BATCH_BYTES: u64 = 1 << 20;
/// Number of imported rows that one transaction checks at the end of an import. Smaller than `BATCH_ROWS`,
/// because the transaction also indexes the texts of turns while other writes wait.
const CHECKED_ROWS: usize = 20;

type TarReader = Archive<GzDecoder<BufReader<File>>>;

/// What an import knows about the IDs in its archive.
#[derive(Default)]
struct KnownIds {
    /// IDs to replace, with their replacements. They are IDs that another user already has, and IDs of items that this
    /// user already has under another ID.
    renamed: BTreeMap<String, String>,
    /// IDs of items that the user already has.
    present_ids: BTreeSet<String>,
    /// IDs that this import has inserted.
    inserted_ids: BTreeMap<&'static str, BTreeSet<String>>,
}

/// Imports an archive for a user.
///
/// # Errors
/// `BadRequest` for a file that is not an archive or is damaged; `Conflict` for one of a newer version; `TooLarge`
/// above a limit.
pub(super) fn import_archive(
    archive_paths: &ArchivePaths,
    user: &UserId,
    from: &Path,
    progress: Progress<'_>,
) -> Result<Counts> {
    let mut ids = scan_ids(archive_paths, user, from)?;
    let mut counts: BTreeMap<String, TableCount> = BTreeMap::new();
    let mut order = Vec::new();
    let mut tar = open_tar(from)?;
    for entry in tar.entries().map_err(unreadable_error)?.raw(true) {
        let entry = entry.map_err(unreadable_error)?;
        let name = name_of(&entry)?;
        if let Some(table) = table_of(&name).filter(|table| table.is_imported) {
            let count = import_rows(archive_paths, user, table, entry, &mut ids, progress)?;
            order.push(table.name.to_owned());
            counts.insert(table.name.to_owned(), count);
        } else if let Some(id) = name.strip_prefix(ORIGINALS_FOLDER) {
            let label = "original documents";
            if !counts.contains_key(label) {
                order.push(label.to_owned());
            }
            let count = counts.entry(label.to_owned()).or_default();
            match import_original(archive_paths, user, id, entry, &ids)? {
                Some(true) => count.added += 1,
                Some(false) => count.refused += 1,
                None => count.present += 1,
            }
            progress(label, count.added, 0);
        }
    }
    remove_unreadable(archive_paths, user, &mut ids, &mut counts)?;
    let counts = order.into_iter().map(|name| {
        let count = counts.get(&name).copied().unwrap_or_default();
        (name, count)
    });
    Ok(counts.collect())
}

fn open_tar(from: &Path) -> Result<TarReader> {
    let file = File::open(from).map_err(unreadable_error)?;
    Ok(Archive::new(GzDecoder::new(BufReader::new(file))))
}

fn name_of(entry: &Entry<'_, impl Read>) -> Result<String> {
    let path = entry.path_bytes();
    let name = std::str::from_utf8(&path).map_err(unreadable_error)?;
    Ok(name.to_owned())
}

fn table_of(name: &str) -> Option<&'static ArchiveTable> {
    let name = name.strip_prefix(TABLES_FOLDER)?.strip_suffix(".jsonl")?;
    archive::ARCHIVE_TABLES
        .iter()
        .find(|table| table.name == name)
}

// First pass, before anything is changed: checks the limits and finds out which IDs are already in use in this
// installation. Entries are read raw, because the tar crate would read an extended name of any length into memory, and
// Quire's archives do not need one.
fn scan_ids(archive_paths: &ArchivePaths, user: &UserId, from: &Path) -> Result<KnownIds> {
    let mut tar = open_tar(from)?;
    let mut entries = tar.entries().map_err(unreadable_error)?.raw(true);
    let first = entries
        .next()
        .ok_or_else(|| unreadable_error("it is empty"))?;
    let first = first.map_err(unreadable_error)?;
    if name_of(&first)? != MANIFEST_NAME {
        return Err(unreadable_error("it is not a Quire archive"));
    }
    let manifest: Manifest = serde_json::from_reader(first.take(1 << 16))
        .map_err(|_| unreadable_error("its manifest is damaged"))?;
    if manifest.format != FORMAT_NAME {
        return Err(unreadable_error("it is not a Quire archive"));
    }
    if manifest.schema > ROW_SCHEMA_VERSION {
        let why = format!(
            "the archive is from a newer version of Quire ({})",
            manifest.quire
        );
        return Err(
            Error::new(Kind::Conflict, why).resolve("import it with that version or a newer one")
        );
    }
    let mut ids = KnownIds::default();
    let (mut bytes, mut files, mut number) = (0u64, 0, 0);
    for entry in entries {
        let entry = entry.map_err(unreadable_error)?;
        bytes = bytes.saturating_add(entry.size());
        files += 1;
        if bytes > MAX_BYTES || files > MAX_FILES {
            return Err(too_large_error(
                "it is larger than the maximum size of an archive",
            ));
        }
        let Some(table) = table_of(&name_of(&entry)?).filter(|table| table.is_imported) else {
            continue;
        };
        let mut lines = Lines::new(entry, table);
        if !table.has_id {
            while lines.next_line()?.is_some() {}
            continue;
        }
        while let Some((row, _)) = lines.next_row(&["id", "sha256"])? {
            number += 1;
            if number > MAX_IDS {
                return Err(too_large_error(
                    "it is larger than the maximum size of an archive",
                ));
            }
            resolve_id_conflicts(archive_paths, user, table, &row, &mut ids)?;
        }
    }
    Ok(ids)
}

// Decides the ID of an imported item: its own, that of an identical existing item, or a new one.
fn resolve_id_conflicts(
    archive_paths: &ArchivePaths,
    user: &UserId,
    table: &'static ArchiveTable,
    row: &Map<String, Value>,
    ids: &mut KnownIds,
) -> Result<()> {
    let text = |name: &str| {
        row.get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (id, hash) = (text("id"), text("sha256"));
    let (archived_id, user_id) = (id.clone(), user.clone());
    let replacement = derived_id(user, &id);
    let new = replacement.clone();
    let read = archive_paths.store.read_now(move |db| {
        let owner = archive::owner_of(db, table, &archived_id)?;
        let duplicate = match table.name {
            "documents" => crate::store::documents::by_sha(db, &user_id, &hash)?,
            _ => None,
        };
        let duplicate = match duplicate {
            Some(document) => Some(document.id.to_string()),
            // An earlier import may have stored the item under the replacement ID.
            None => archive::owner_of(db, table, &new)?
                .filter(|owner| owner == user_id.as_str())
                .map(|_| new),
        };
        Ok((owner, duplicate))
    });
    match read? {
        (Some(owner), _) if owner == user.as_str() => _ = ids.present_ids.insert(id),
        // The user already has this item under another ID: the same file, or the result of an earlier import.
        (_, Some(duplicate)) => {
            ids.present_ids.insert(id.clone());
            ids.renamed.insert(id, duplicate);
        }
        // A pattern's ID is its name: the existing pattern keeps it.
        (Some(_), None) if table.name == "patterns" => _ = ids.present_ids.insert(id),
        (Some(_), None) => _ = ids.renamed.insert(id, replacement),
        (None, None) => {}
    }
    Ok(())
}

// Derives a replacement for an ID that is already in use by another user. The same ID always gets the same replacement,
// so that a second import recognizes the item.
fn derived_id(user: &UserId, id: &str) -> String {
    let (kind, old) = id.split_once('_').unwrap_or(("x", id));
    let hash = sha256::hash(format!("{user} {id}").as_bytes());
    let number = hash[..10]
        .iter()
        .fold(0, |sum, byte| (sum << 8) | u128::from(*byte));
    let new = ulid(Timestamp::from_millis(0), number);
    // Keep the part that encodes the time, because lists are sorted by it.
    let time = old
        .get(..ID_TIME_CHARS)
        .filter(|time| time.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    format!(
        "{kind}_{}{}",
        time.unwrap_or(&new[..ID_TIME_CHARS]),
        &new[ID_TIME_CHARS..]
    )
}

fn import_rows(
    archive_paths: &ArchivePaths,
    user: &UserId,
    table: &'static ArchiveTable,
    entry: Entry<'_, impl Read>,
    ids: &mut KnownIds,
    progress: Progress<'_>,
) -> Result<TableCount> {
    let columns = archive_paths
        .store
        .read_now(|db| archive::columns(db, table))?;
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let (mut count, mut sizes) = (TableCount::default(), RowLimits::default());
    let mut lines = Lines::new(entry, table);
    loop {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH_ROWS && bytes < BATCH_BYTES {
            let Some((mut row, length)) = lines.next_row(&columns)? else {
                break;
            };
            match decide_row(table, &row, ids) {
                RowDecision::Insert if sizes.admit(table, &row) => {
                    rename_ids(&mut row, ids);
                    bytes += length;
                    batch.push(row);
                }
                RowDecision::Present => count.present += 1,
                RowDecision::Insert | RowDecision::Refused => count.refused += 1,
            }
        }
        if batch.is_empty() {
            return Ok(count);
        }
        insert_batch(archive_paths, user, table, batch, ids, &mut count)?;
        progress(table.name, count.added, 0);
    }
}

enum RowDecision {
    Insert,
    Present,
    Refused,
}

fn decide_row(table: &ArchiveTable, row: &Map<String, Value>, ids: &KnownIds) -> RowDecision {
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
    let Some(parent) = table.parent else {
        return match ids.present_ids.contains(text("id")) {
            true => RowDecision::Present,
            false => RowDecision::Insert,
        };
    };
    let id = text(parent);
    if ids.present_ids.contains(id) {
        return RowDecision::Present;
    }
    let new = ids.renamed.get(id).map_or(id, String::as_str);
    match ids
        .inserted_ids
        .values()
        .any(|inserted| inserted.contains(new))
    {
        true => RowDecision::Insert,
        // The parent was refused or is not in this archive, so it may belong to another user.
        false => RowDecision::Refused,
    }
}

fn insert_batch(
    archive_paths: &ArchivePaths,
    user: &UserId,
    table: &'static ArchiveTable,
    batch: Vec<Map<String, Value>>,
    ids: &mut KnownIds,
    count: &mut TableCount,
) -> Result<()> {
    let (user_id, batch_size) = (user.clone(), batch.len() as u64);
    let inserted = archive_paths.store.write_now(move |db| {
        let columns = archive::prepare_batch(db, table)?;
        let mut inserted = Vec::new();
        for mut row in batch {
            let id = row.get("id").and_then(Value::as_str).map(str::to_owned);
            if table.name == "recipes" {
                make_name_unique(db, &user_id, &mut row)?;
            }
            if !archive::insert_row(db, (table, &columns), &user_id, row)? {
                continue;
            }
            match id.filter(|_| table.has_id) {
                Some(id) if !archive::is_valid_row(db, table, &user_id, &id) => {
                    archive::remove_row(db, table, &user_id, &id)?;
                }
                id => inserted.push(id),
            }
        }
        Ok(inserted)
    })?;
    count.added += inserted.len() as u64;
    count.refused += batch_size - inserted.len() as u64;
    let inserted_ids = ids.inserted_ids.entry(table.name).or_default();
    inserted_ids.extend(inserted.into_iter().flatten());
    Ok(())
}

// Renames the recipe if the user already has one with this name, so that both are kept.
fn make_name_unique(
    db: &crate::store::Writer,
    user: &UserId,
    row: &mut Map<String, Value>,
) -> crate::store::Result<()> {
    let name = row.get("name").and_then(Value::as_str).unwrap_or_default();
    let name: String = name
        .chars()
        .take(crate::domain::recipe::MAX_NAME - 4)
        .collect();
    for number in 2..100 {
        let current_name = row.get("name").and_then(Value::as_str).unwrap_or_default();
        if !archive::has_recipe(db, user, current_name)? {
            break;
        }
        row.insert("name".to_owned(), Value::from(format!("{name} {number}")));
    }
    Ok(())
}

// Replaces renamed IDs throughout a row, including in texts and in JSON within texts.
fn rename_ids(row: &mut Map<String, Value>, ids: &KnownIds) {
    if ids.renamed.is_empty() {
        return;
    }
    for value in row.values_mut() {
        if let Value::String(text) = value
            && let Some(changed_text) = replace_ids(text, &ids.renamed)
        {
            *text = changed_text;
        }
    }
}

/// Number of characters after an ID's underscore.
const ULID_CHARS: usize = 26;

fn replace_ids(text: &str, renamed: &BTreeMap<String, String>) -> Option<String> {
    let (mut out, mut copied_end) = (String::new(), 0);
    for (at, _) in text.match_indices('_') {
        let kind = text[..at]
            .bytes()
            .rev()
            .take_while(u8::is_ascii_lowercase)
            .count();
        let (start, end) = (at - kind, at + 1 + ULID_CHARS);
        let renamed_id = text.get(start..end).and_then(|id| renamed.get(id));
        if let Some(new) = renamed_id.filter(|_| start >= copied_end) {
            out.push_str(&text[copied_end..start]);
            out.push_str(new);
            copied_end = end;
        }
    }
    (copied_end > 0).then(|| out + &text[copied_end..])
}

// Stores an original if its hash matches, provided that this import inserted its document or that the folder
// has lost the file. Returns whether it was stored; `None` if the file is already present or its document is unknown.
fn import_original(
    archive_paths: &ArchivePaths,
    user: &UserId,
    id: &str,
    entry: Entry<'_, impl Read>,
    ids: &KnownIds,
) -> Result<Option<bool>> {
    let new = ids.renamed.get(id).map_or(id, String::as_str);
    let is_new = ids
        .inserted_ids
        .get("documents")
        .is_some_and(|inserted| inserted.contains(new));
    let Some(document) = crate::domain::id::DocumentId::parse(new) else {
        return Ok(None);
    };
    let path = archive_paths.documents.join(document.as_str());
    if !is_new && path.exists() {
        return Ok(None);
    }
    let user_id = user.clone();
    let document_id = document.clone();
    let lookup = archive_paths
        .store
        .read_now(move |db| crate::store::documents::by_id(db, &user_id, &document_id))?;
    let Some(row) = lookup else { return Ok(None) };
    let mut file = open_new(&path).map_err(Error::internal)?;
    // The file is removed again unless it is complete, matches its row, and has been synced to disk.
    let temporary = TemporaryFile::new(path);
    let mut hasher = sha256::Hasher::new();
    let mut source = entry.take(archive_paths.max_bytes);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = source.read(&mut buffer).map_err(unreadable_error)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        file.write_all(&buffer[..read]).map_err(Error::internal)?;
    }
    file.sync_all().map_err(Error::internal)?;
    let is_match = hex(&hasher.finish()) == row.sha256;
    if is_match {
        temporary.keep();
    }
    Ok(Some(is_match))
}

// Removes items whose children cannot all be parsed, because they would break every list that contains them. Also
// indexes the members' texts of the remaining analyses.
fn remove_unreadable(
    archive_paths: &ArchivePaths,
    user: &UserId,
    ids: &mut KnownIds,
    counts: &mut BTreeMap<String, TableCount>,
) -> Result<()> {
    for table in archive::ARCHIVE_TABLES.iter().filter(|table| table.has_id) {
        let Some(inserted) = ids.inserted_ids.remove(table.name) else {
            continue;
        };
        let inserted: Vec<String> = inserted.into_iter().collect();
        let mut removed = 0;
        for ids in inserted.chunks(CHECKED_ROWS) {
            let (user_id, ids) = (user.clone(), ids.to_vec());
            removed += archive_paths.store.write_now(move |db| {
                let mut removed = 0;
                for id in ids {
                    if !archive::are_valid_children(db, table, &user_id, &id) {
                        archive::remove_row(db, table, &user_id, &id)?;
                        removed += 1;
                    } else if table.name == "analyses" {
                        // The analysis was indexed when it was added, but the members' texts came later, so
                        // index them now.
                        archive::index_members(db, &id)?;
                    }
                }
                Ok(removed)
            })?;
        }
        if let Some(count) = counts.get_mut(table.name) {
            count.added = count.added.saturating_sub(removed);
            count.refused += removed;
        }
    }
    Ok(())
}

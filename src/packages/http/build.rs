//! Build script: prepares the files that the binary embeds. Links the pages' scripts into chunks and their styles into
//! sheets, compresses `assets/`, hashes the whole tree, and builds the manual. Downloads nothing, and is reproducible:
//! the same commit gives the same bytes.

#[path = "../../build/chunks.rs"]
mod chunks;
#[path = "../../build/link.rs"]
mod link;
#[path = "../../build/manual.rs"]
mod manual;
#[path = "../../build/module.rs"]
mod module;
#[path = "../../build/pages.rs"]
mod pages;
#[path = "../../build/script.rs"]
mod script;
#[path = "../../build/source_map.rs"]
mod source_map;
#[path = "../../build/styles.rs"]
mod styles;
// The table of settings is included as source, so that the manual always matches it.
#[allow(dead_code, reason = "the program uses the rest")]
#[path = "../../config/options.rs"]
mod options;

use std::error::Error;
use std::fs;
use std::io::Write;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};

/// Size, in bytes, above which a file is not compressed with Zopfli. Only libraries that few pages load are
/// larger.
const MAX_ZOPFLI_BYTES: usize = 110_000;
/// Number of Zopfli iterations in release builds. More would take longer and save less than 0.1%.
const RELEASE_ROUNDS: u64 = 5;
/// Number of Zopfli iterations in debug builds, which need compressed files because tests limit the size of
/// pages. One iteration takes a third of the time, and files are a few tenths of a percent larger.
const DEBUG_ROUNDS: u64 = 1;

/// Where the repository is, seen from this package.
const REPOSITORY: &str = "../../..";

type BuildResult<T> = Result<T, Box<dyn Error>>;

fn main() -> BuildResult<()> {
    println!("cargo::rerun-if-changed=build.rs");
    std::env::set_current_dir(REPOSITORY)?;
    for path in ["assets", "src/build", "src/config/options.rs", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={REPOSITORY}/{path}");
    }
    export_versions(&[
        "hyper",
        "multer",
        "ring",
        "rusqlite",
        "serde_json",
        "tokio",
        "ureq",
    ])?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);

    let mut paths = Vec::new();
    collect_paths(Path::new("assets"), &mut paths)?;
    paths.sort();
    let mut files = paths
        .iter()
        .map(|path| Ok((public_name(path)?, fs::read(path)?)))
        .collect::<BuildResult<Vec<_>>>()?;
    let manual = manual::manual(Path::new("assets/manual"), Path::new("assets/openapi.json"))?;
    files.extend(manual);
    let tree = hash_files(&files);
    println!("cargo::rustc-env=QUIRE_TREE={tree}");

    let folder = out.join("assets");
    if folder.exists() {
        // Remove everything first, so that files deleted from assets do not stay in the binary.
        fs::remove_dir_all(&folder)?;
    }
    let pages = pages::LinkedPages::link(&files)?;
    let is_debug = std::env::var("PROFILE").is_ok_and(|profile| profile == "debug");
    let rounds = zopfli_rounds(is_debug);
    for (name, bytes) in &files {
        // Individual modules are served only in debug builds: source maps refer to them, and the browser's developer
        // tools and tests read them.
        if !pages.contains(name) || is_debug && name.ends_with(".js") {
            write_gzipped(&folder, name, &with_tree_hash(name, bytes, &tree)?, rounds)?;
        }
    }
    for (name, text) in pages.files(&tree) {
        write_gzipped(&folder, &name, text.as_bytes(), rounds)?;
    }
    fs::write(out.join("preloads.txt"), pages.preloads(&tree)?)?;
    Ok(())
}

/// Exports the dependency versions that `/health` reports, as resolved in the lock file.
fn export_versions(names: &[&str]) -> BuildResult<()> {
    let lock = toml::from_str::<serde_json::Value>(&fs::read_to_string("Cargo.lock")?)?;
    let packages = lock["package"]
        .as_array()
        .ok_or("Cargo.lock lists packages")?;
    for name in names {
        let package = packages.iter().find(|package| package["name"] == *name);
        let version = package.and_then(|package| package["version"].as_str());
        let version = version.ok_or_else(|| format!("{name} is not in Cargo.lock"))?;
        println!("cargo::rustc-env=QUIRE_{}={version}", name.to_uppercase());
    }
    Ok(())
}

/// Collects the paths of all files to embed: everything except the patterns and the model catalog, which only the
/// program uses, and the sources of the manual.
fn collect_paths(folder: &Path, paths: &mut Vec<PathBuf>) -> BuildResult<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if !["assets/patterns", "assets/manual"].contains(&path.to_str().unwrap_or_default()) {
                collect_paths(&path, paths)?;
            }
        } else if path != Path::new("assets/models.json") {
            paths.push(path);
        }
    }
    Ok(())
}

fn public_name(path: &Path) -> BuildResult<String> {
    let name = path.strip_prefix("assets")?.to_str();
    Ok(name
        .ok_or("a file in assets has a name that is not UTF-8")?
        .to_owned())
}

/// Hashes names and contents with FNV-1a, which distinguishes versions; it need not resist forgery.
fn hash_files(files: &[(String, Vec<u8>)]) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for (name, bytes) in files {
        add(name.as_bytes());
        add(&bytes.len().to_le_bytes());
        add(bytes);
    }
    format!("{hash:016x}")
}

/// Replaces `__TREE__` with the tree's hash in HTML pages, web manifests, and the service worker. Asset URLs contain
/// the hash, so that assets can be cached forever.
fn with_tree_hash(name: &str, bytes: &[u8], tree: &str) -> BuildResult<Vec<u8>> {
    let is_named = name.ends_with(".html") || name.ends_with(".webmanifest") || name == "sw.js";
    if !is_named {
        return Ok(bytes.to_vec());
    }
    Ok(std::str::from_utf8(bytes)?
        .replace("__TREE__", tree)
        .into_bytes())
}

/// Returns the number of Zopfli iterations; `None` in the `quick` profile, which is meant to build fast and
/// is recognized by its optimization level 1.
fn zopfli_rounds(is_debug: bool) -> Option<NonZeroU64> {
    let is_fast_build = std::env::var("OPT_LEVEL").is_ok_and(|level| level == "1");
    let rounds = match is_debug {
        true => DEBUG_ROUNDS,
        false if is_fast_build => 0,
        false => RELEASE_ROUNDS,
    };
    NonZeroU64::new(rounds)
}

/// Compresses a file with gzip, without a timestamp, so that the same content gives the same bytes. With `rounds`,
/// pages, styles, and the pages' scripts are compressed with Zopfli unless they are large, which saves another 4% but
/// takes much longer.
fn write_gzipped(
    folder: &Path,
    name: &str,
    bytes: &[u8],
    rounds: Option<NonZeroU64>,
) -> BuildResult<()> {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap_or(folder))?;
    let mut file = fs::File::create(path)?;
    let is_page_asset =
        name.ends_with(".html") || name.ends_with(".css") || name.starts_with("app/");
    let uses_zopfli = is_page_asset && !name.ends_with(".map") && bytes.len() < MAX_ZOPFLI_BYTES;
    if let Some(iteration_count) = rounds.filter(|_| uses_zopfli) {
        let options = zopfli::Options {
            iteration_count,
            ..zopfli::Options::default()
        };
        zopfli::compress(options, zopfli::Format::Gzip, bytes, &mut file)?;
        return Ok(());
    }
    let mut gzip = GzBuilder::new().mtime(0).write(file, Compression::best());
    gzip.write_all(bytes)?;
    gzip.finish()?;
    Ok(())
}

//! Build script: converts the patterns from TOML to JSON, and removes the whitespace from the model catalog.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

type BuildResult<T> = Result<T, Box<dyn Error>>;

fn main() -> BuildResult<()> {
    let assets = Path::new("../../../assets");
    let (patterns, models) = (assets.join("patterns"), assets.join("models.json"));
    println!("cargo::rerun-if-changed={}", patterns.display());
    println!("cargo::rerun-if-changed={}", models.display());
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    write_patterns(&patterns, &out.join("patterns.json"))?;
    minify_json(&models, &out.join("models.json"))
}

/// Writes a JSON file to `out` without whitespace.
fn minify_json(path: &Path, out: &Path) -> BuildResult<()> {
    let value: serde_json::Value = serde_json::from_str(&fs::read_to_string(path)?)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    fs::write(out, serde_json::to_vec(&value)?)?;
    Ok(())
}

/// Writes all patterns as one JSON list, ordered by file name.
fn write_patterns(folder: &Path, out: &Path) -> BuildResult<()> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<BuildResult<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "toml"));
    paths.sort();
    let mut list = Vec::new();
    for path in paths {
        let pattern = toml::from_str::<serde_json::Value>(&fs::read_to_string(&path)?)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        list.push(pattern);
    }
    fs::write(out, serde_json::to_vec(&list)?)?;
    Ok(())
}

//! Build script: finds the commit that is being built, for `quire version`. Asks git in release builds only: a debug
//! build that knew its commit would be recompiled after every commit.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src/build.rs");
    for line in instructions() {
        println!("{line}");
    }
}

/// Returns Cargo instructions that set `QUIRE_COMMIT`, and that say when it must be determined again. An environment
/// variable of this name takes precedence, for builds without a `.git` folder. The commit is `unknown` if the variable
/// is not set and there is no such folder, or if this is a debug build.
fn instructions() -> Vec<String> {
    let mut lines = vec!["cargo::rerun-if-env-changed=QUIRE_COMMIT".to_owned()];
    let configured = std::env::var("QUIRE_COMMIT").ok();
    let mut commit = configured.filter(|text| !text.is_empty());
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    // If the sources are in another repository, that repository's commit is not Quire's.
    let is_ours = || git(&["rev-parse", "--show-prefix"]).is_some_and(|prefix| prefix.is_empty());
    if commit.is_none() && is_release && is_ours() {
        commit = git(&["rev-parse", "--short=12", "HEAD"]);
        // This file changes with every commit, checkout, and rebase.
        let log = git(&["rev-parse", "--git-path", "logs/HEAD"]);
        let log = log.filter(|path| std::path::Path::new(path).exists());
        lines.extend(log.map(|path| format!("cargo::rerun-if-changed={path}")));
    }
    let commit = commit.unwrap_or_else(|| "unknown".to_owned());
    lines.push(format!("cargo::rustc-env=QUIRE_COMMIT={commit}"));
    let target = std::env::var("TARGET").unwrap_or_default();
    lines.push(format!("cargo::rustc-env=QUIRE_TARGET={target}"));
    let kind = if is_release { "release" } else { "debug" };
    lines.push(format!("cargo::rustc-env=QUIRE_BUILD={kind}"));
    lines
}

/// Returns the trimmed output of git, or `None` if git or the repository is missing.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    output.status.success().then_some(text)
}

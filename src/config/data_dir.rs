//! The data folder when QUIRE_DATA is not set: `./quire-data` if it exists, because earlier versions created it
//! there; otherwise, the user's data folder (XDG Base Directory Specification 0.8).

use std::path::{Path, PathBuf};

/// The folder that earlier versions created in the working directory.
const LEGACY_DATA_DIR: &str = "./quire-data";

/// Returns the default data folder, depending on the environment and on whether the earlier folder exists.
pub(super) fn default_data_dir(
    environment: &dyn Fn(&str) -> Option<String>,
    has_legacy_dir: bool,
) -> PathBuf {
    let absolute = |name: &str| {
        let path = PathBuf::from(environment(name)?);
        // The specification says to ignore a relative path.
        path.is_absolute().then_some(path)
    };
    let home = || Some(absolute("HOME")?.join(".local/share"));
    match absolute("XDG_DATA_HOME").or_else(home) {
        Some(folder) if !has_legacy_dir => folder.join("quire"),
        _ => PathBuf::from(LEGACY_DATA_DIR),
    }
}

/// Whether the working directory has a folder of an earlier version.
pub(super) fn has_legacy_dir() -> bool {
    Path::new(LEGACY_DATA_DIR).is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn existing_data_folder_takes_precedence_over_the_platform_default() {
        let folder = |list: &[(&str, &str)], has_legacy_dir: bool| {
            let find = |name: &str| {
                let entry = list.iter().find(|(variable, _)| *variable == name);
                entry.map(|(_, value)| (*value).to_owned())
            };
            default_data_dir(&find, has_legacy_dir)
                .display()
                .to_string()
        };
        let home = [("HOME", "/home/ada")];
        assert_eq!(folder(&home, false), "/home/ada/.local/share/quire");
        assert_eq!(folder(&home, true), "./quire-data");
        assert_eq!(folder(&[], false), "./quire-data");
        let both = [("HOME", "/home/ada"), ("XDG_DATA_HOME", "/data")];
        assert_eq!(folder(&both, false), "/data/quire");
        let relative = [("HOME", "/home/ada"), ("XDG_DATA_HOME", "data")];
        assert_eq!(folder(&relative, false), "/home/ada/.local/share/quire");
        assert_eq!(folder(&[("HOME", "")], false), "./quire-data");
    }
}

//! A new PostgreSQL data folder, which is created once and copied for each server, because `initdb` takes ten times as
//! long as a copy.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The current template, if a server still uses it.
static CURRENT: Mutex<Weak<Template>> = Mutex::new(Weak::new());
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A data folder that no server has used. It is removed when the last server that holds a reference has ended.
pub struct Template {
    folder: PathBuf,
}

impl Template {
    /// Returns the current template, or creates one. `prepare` gets a path that does not exist, and must create a
    /// folder there in which `initdb` may run.
    pub fn get(programs: &Path, prepare: impl Fn(&Path)) -> Arc<Self> {
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(template) = current.upgrade() {
            return template;
        }
        // Never reuse a name, because the earlier template may still be in the process of being removed.
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("quire-postgres-{}-template-{number}", std::process::id());
        let folder = super::parent_folder().join(name);
        prepare(&folder);
        let template = Arc::new(Self { folder });
        let made = super::command(&programs.join("initdb"), &template.folder)
            .args(["-A", "trust", "-U", "quire", "-E", "UTF8"])
            .args(["--locale=C.UTF-8", "--no-sync", "-D"])
            .arg(template.data())
            .status()
            .unwrap();
        assert!(made.success(), "initdb failed");
        *current = Arc::downgrade(&template);
        template
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Copies the data folder, with its owners and permissions, to a path that does not exist.
    pub fn copy(&self, target: &Path) {
        let copied = Command::new("cp")
            .arg("-a")
            .arg(self.data())
            .arg(target)
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert!(copied.success(), "the data folder is not copied");
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

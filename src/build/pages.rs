//! The pages' assets: script chunks, style sheets, and each page's preload list, so that a browser fetches
//! everything at once instead of discovering it file by file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::BuildResult;
use super::chunks;
use super::link::{self, LinkedChunk};
use super::module::Module;
use super::styles;

/// The chunk that page scripts can import from the stable address `/assets/index.js`.
const ENTRY_CHUNK: &str = "index";

/// Pages whose first chunk depends on their query: the name of the preload list, the page module, and the chunk that
/// the page loads first.
const FIRST_CHUNKS: &[(&str, &str, &str)] = &[
    ("pages/analyze", "pages/analyze", "ask"),
    ("pages/analyze#result", "pages/analyze", "results"),
];

/// The linked scripts and styles.
pub(super) struct LinkedPages {
    modules: BTreeMap<String, Module>,
    chunks: Vec<LinkedChunk>,
    sheets: Vec<(String, String)>,
    /// For each page module, such as `pages/thread`, its chunk and the style sheets it waits for.
    pages: BTreeMap<String, (String, Vec<String>)>,
}

impl LinkedPages {
    /// Links the scripts and styles among these files of `assets`.
    ///
    /// # Errors
    /// Returns an error if a script has a form that the linker does not know, or a style sheet has an unterminated
    /// comment or string.
    pub(super) fn link(files: &[(String, Vec<u8>)]) -> BuildResult<Self> {
        let mut modules = BTreeMap::new();
        let mut pages = BTreeMap::new();
        for (name, bytes) in files.iter().filter(|(name, _)| is_module(name)) {
            let text = std::str::from_utf8(bytes)?;
            modules.insert(name.clone(), Module::read(name, text)?);
            let page = name
                .strip_prefix("js/")
                .and_then(|rest| rest.strip_suffix(".js"));
            if let Some(page) = page.filter(|page| page.starts_with("pages/")) {
                pages.insert(page.to_owned(), (String::new(), styled_names(text)));
            }
        }
        let plan = chunks::plan(&modules)?;
        for chunk in &plan {
            for path in &chunk.modules {
                let page = path.trim_start_matches("js/").trim_end_matches(".js");
                if let Some((name, _)) = pages.get_mut(page) {
                    name.clone_from(&chunk.name);
                }
            }
        }
        let chunks = link::link(&modules, &plan)?;
        let sheets = styles::sheets(files)?;
        Ok(Self {
            modules,
            chunks,
            sheets,
            pages,
        })
    }

    /// Returns whether this file of `assets` is a style sheet or is part of a chunk.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.modules.contains_key(name) || name.starts_with("css/")
    }

    /// Returns the name and text of each file that is served: style sheets, chunks, and source maps.
    pub(super) fn files(&self, tree: &str) -> Vec<(String, String)> {
        let mut files = self.sheets.clone();
        for chunk in &self.chunks {
            if chunk.name == ENTRY_CHUNK {
                files.push((format!("{ENTRY_CHUNK}.js"), entry_text(&chunk.text, tree)));
                continue;
            }
            let LinkedChunk {
                name, text, map, ..
            } = chunk;
            let text = format!("{text}//# sourceMappingURL={name}.js.map\n");
            files.push((format!("app/{name}.js"), text));
            files.push((format!("app/{name}.js.map"), map.clone()));
        }
        files
    }

    /// Returns a line for each preload list: its name, a tab, and the value of the `Link` header. The name is the page
    /// module, except for the lists in [`FIRST_CHUNKS`].
    ///
    /// # Errors
    /// Returns an error if a page is in no chunk.
    pub(super) fn preloads(&self, tree: &str) -> BuildResult<String> {
        let mut text = String::new();
        for (page, (home, sheets)) in &self.pages {
            let lists = FIRST_CHUNKS.iter().filter(|(_, module, _)| module == page);
            let mut lists: Vec<(&str, Vec<&str>)> = lists
                .map(|(list, _, first)| (*list, vec![home.as_str(), *first]))
                .collect();
            if lists.is_empty() {
                lists.push((page, vec![home]));
            }
            for (list, chunks) in lists {
                let links = self.links(tree, sheets, &chunks)?;
                let _ = writeln!(text, "{list}\t{links}");
            }
        }
        Ok(text)
    }

    /// Returns the links that preload these style sheets and chunks. Each chunk follows the chunks that it needs.
    fn links(&self, tree: &str, sheets: &[String], chunks: &[&str]) -> BuildResult<String> {
        let mut scripts: Vec<&str> = Vec::new();
        for name in chunks {
            let chunk = self.chunks.iter().find(|chunk| chunk.name == *name);
            let chunk = chunk.ok_or_else(|| format!("there is no chunk {name:?}"))?;
            for needed in chunk.needs.iter().map(String::as_str).chain([*name]) {
                // The page's HTML already refers to the core chunk.
                if needed != "core" && !scripts.contains(&needed) {
                    scripts.push(needed);
                }
            }
        }
        let scripts = scripts
            .iter()
            .map(|name| format!("</assets/{tree}/app/{name}.js>; rel=modulepreload"));
        let sheets = sheets
            .iter()
            .map(|name| format!("</assets/{tree}/css/{name}.css>; rel=preload; as=style"));
        Ok(sheets.chain(scripts).collect::<Vec<_>>().join(", "))
    }
}

/// Returns whether a file is a script module. The service worker and `js/theme.js`, which runs before the first paint,
/// are not.
fn is_module(name: &str) -> bool {
    let is_script = name.starts_with("js/") || name.starts_with("vendor/");
    is_script && name.ends_with(".js") && name != "js/theme.js"
}

/// Returns the names of the style sheets that a module loads with `styled()`, without duplicates.
fn styled_names(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for call in text.split("styled(\"").skip(1) {
        let name = call.split('"').next().unwrap_or_default();
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// Returns the text of the entry script as it is served: it imports chunks from paths that contain the tree's hash, and
/// exports the components of its module.
fn entry_text(text: &str, tree: &str) -> String {
    let text = text.replace("\"./", &format!("\"/assets/{tree}/app/"));
    format!("{text}export const {{ components }} = $index;\n")
}

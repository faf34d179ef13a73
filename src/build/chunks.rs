//! Assigns each module of the pages' scripts to a chunk: one file that the browser loads. A module is in exactly
//! one chunk, so that its state exists only once.

use std::collections::{BTreeMap, BTreeSet};

use super::BuildResult;
use super::module::Module;

/// Chunks that several pages share, with the modules from which they are built. A chunk also contains everything that
/// these modules import, unless an earlier chunk contains it. Every other module that is loaded with `import()` gets
/// its own chunk.
const SHARED_CHUNKS: &[(&str, &[&str])] = &[
    (
        "core",
        &[
            "js/start.js",
            "js/shell/rail.js",
            "js/parts/owed.js",
            "js/parts/model-name.js",
            "js/parts/tabs.js",
            "js/parts/copy.js",
            "js/styles.js",
        ],
    ),
    // Modules that every page with questions and answers needs, even before any text is displayed.
    (
        "parts",
        &[
            "js/charts/svg.js",
            "js/parts/model-order.js",
            "js/parts/reading.js",
            "js/parts/run-model.js",
            "js/parts/save.js",
            "js/parts/stages.js",
            "js/results/views.js",
            "js/workbench/draft.js",
        ],
    ),
    // Modules that render models' texts and their citations.
    (
        "text",
        &[
            "js/parts/markdown.js",
            "js/parts/letter.js",
            "js/parts/citations.js",
        ],
    ),
    ("thread", &["js/pages/thread.js", "js/thread/start.js"]),
    (
        "extras",
        &[
            "js/parts/document-link.js",
            "js/parts/exports.js",
            "js/parts/found-document.js",
            "js/parts/spans.js",
            "js/parts/undo.js",
            "js/workbench/speed.js",
        ],
    ),
    // Modules that display the members of a finished run.
    ("members", &["js/results/members.js"]),
    // Modules that render text as it is streamed, in a turn without an answer yet.
    (
        "live",
        &[
            "js/parts/run-events.js",
            "js/thread/live.js",
            "js/thread/notify.js",
            "js/thread/stopped.js",
            "js/workbench/frames.js",
            "js/workbench/speaker.js",
        ],
    ),
    ("results", &["js/results/finish.js", "js/parts/results.js"]),
    (
        "reader",
        &["js/parts/document-view.js", "js/parts/page-reader.js"],
    ),
    (
        "charts",
        &[
            "js/charts/bars.js",
            "js/charts/chart.js",
            "js/charts/columns.js",
            "js/orchestrator/flow.js",
        ],
    ),
    // Modules of the guided page and of other pages with pickers for models, documents, and settings.
    (
        "ask",
        &[
            "js/parts/model-selector.js",
            "js/parts/pattern-picker.js",
            "js/parts/plan.js",
            "js/parts/steps.js",
            "js/parts/suggestions.js",
            "js/parts/upload.js",
            "js/workbench/guide.js",
            "js/workbench/recipes.js",
        ],
    ),
    (
        "sheets",
        &[
            "js/thread/panel-sheet.js",
            "js/thread/pattern-sheet.js",
            "js/thread/documents-sheet.js",
            "js/thread/project-sheet.js",
        ],
    ),
    ("palette", &["js/shell/palette.js"]),
    (
        "account",
        &[
            "js/account/parts.js",
            "js/parts/contents.js",
            "js/parts/providers.js",
            "js/usage/budget.js",
        ],
    ),
    (
        "experiments",
        &[
            "js/experiments/draft.js",
            "js/experiments/words.js",
            "js/pages/experiments.js",
        ],
    ),
    ("index", &["js/index.js"]),
];

/// A script file that the browser loads, made of one or more modules.
pub(super) struct Chunk {
    /// The file name, without `.js`.
    pub(super) name: String,
    /// The paths of its modules, each after those that it imports.
    pub(super) modules: Vec<String>,
}

/// Assigns all modules to chunks and returns the chunks, each after those that it imports.
///
/// # Errors
/// Returns an error if modules import each other in a cycle, a module does not exist, or no page loads a module.
pub(super) fn plan(modules: &BTreeMap<String, Module>) -> BuildResult<Vec<Chunk>> {
    let mut planner = Planner {
        modules,
        assigned_modules: BTreeSet::new(),
        open_modules: Vec::new(),
    };
    let mut chunks = Vec::new();
    for (name, roots) in SHARED_CHUNKS {
        chunks.push(planner.assign_chunk(name, roots)?);
    }
    let loaded: BTreeSet<&str> = modules
        .values()
        .flat_map(|module| module.dynamic_imports.iter().map(String::as_str))
        .filter(|path| !planner.assigned_modules.contains(*path))
        .collect();
    let mut users: BTreeMap<String, &str> = BTreeMap::new();
    for root in &loaded {
        for path in planner.dependencies(&[root])? {
            if let Some(other) = users.insert(path.clone(), root) {
                return Err(format!(
                    "assets/{path} would be in the chunks of {other} and {root}: add it to a shared one in src/build/chunks.rs"
                )
                .into());
            }
        }
    }
    for root in loaded {
        let name = root.trim_start_matches("js/").trim_end_matches(".js");
        chunks.push(planner.assign_chunk(&name.replace('/', "-"), &[root])?);
    }
    match modules
        .keys()
        .find(|path| !planner.assigned_modules.contains(*path))
    {
        Some(path) => Err(format!("assets/{path}: no page loads this module").into()),
        None => Ok(chunks),
    }
}

struct Planner<'a> {
    modules: &'a BTreeMap<String, Module>,
    assigned_modules: BTreeSet<String>,
    /// Modules being visited, to find cycles.
    open_modules: Vec<String>,
}

impl Planner<'_> {
    fn assign_chunk(&mut self, name: &str, roots: &[&str]) -> BuildResult<Chunk> {
        let modules = self.dependencies(roots)?;
        self.assigned_modules.extend(modules.iter().cloned());
        Ok(Chunk {
            name: name.to_owned(),
            modules,
        })
    }

    /// Returns these modules and everything that they import, in the order in which a browser runs them. Omits what
    /// earlier chunks contain.
    fn dependencies(&mut self, roots: &[&str]) -> BuildResult<Vec<String>> {
        let mut dependencies = Vec::new();
        for root in roots {
            self.visit(root, &mut dependencies)?;
        }
        Ok(dependencies)
    }

    fn visit(&mut self, path: &str, dependencies: &mut Vec<String>) -> BuildResult<()> {
        if self.assigned_modules.contains(path)
            || dependencies.iter().any(|visited| visited == path)
        {
            return Ok(());
        }
        if self.open_modules.iter().any(|visited| visited == path) {
            return Err(format!("assets/{path} imports itself: {:?}", self.open_modules).into());
        }
        let modules = self.modules;
        let module = modules
            .get(path)
            .ok_or_else(|| format!("there is no assets/{path}: {:?}", self.open_modules.last()))?;
        self.open_modules.push(path.to_owned());
        for import in &module.imports {
            self.visit(import, dependencies)?;
        }
        self.open_modules.pop();
        dependencies.push(path.to_owned());
        Ok(())
    }
}

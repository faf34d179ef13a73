//! Writes the chunks of the pages' scripts. Every module becomes a function that returns its exports as an object. A
//! chunk imports the objects of other chunks' modules by name. Line breaks are kept, and a source map gives the source
//! file and line of every line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::BuildResult;
use super::chunks::Chunk;
use super::module::{Module, dynamic_imports, object_name, resolve};
use super::source_map;

/// A chunk as it is served.
pub(super) struct LinkedChunk {
    /// The file name, without `.js`.
    pub(super) name: String,
    /// JavaScript source of the chunk. Imports other chunks as `./NAME.js`.
    pub(super) text: String,
    /// Source map of the chunk.
    pub(super) map: String,
    /// The names of the chunks that it imports, directly or not.
    pub(super) needs: BTreeSet<String>,
}

/// Links all chunks: turns each into the text that a browser loads.
///
/// # Errors
/// Returns an error if a module uses a name that the linker generates, imports a module that does not exist, or has the
/// same generated name as another module.
pub(super) fn link(
    modules: &BTreeMap<String, Module>,
    chunks: &[Chunk],
) -> BuildResult<Vec<LinkedChunk>> {
    check_names(modules)?;
    let chunk_names: BTreeMap<&str, &str> = chunks
        .iter()
        .flat_map(|chunk| {
            chunk
                .modules
                .iter()
                .map(|path| (path.as_str(), chunk.name.as_str()))
        })
        .collect();
    let mut linked: Vec<LinkedChunk> = Vec::new();
    for chunk in chunks {
        let linked_text = Linker {
            modules,
            chunk_names: &chunk_names,
            chunk,
        }
        .write()?;
        let mut needs: BTreeSet<String> = linked_text
            .imports
            .keys()
            .map(|name| (*name).to_owned())
            .collect();
        for earlier in linked
            .iter()
            .filter(|earlier| linked_text.imports.contains_key(earlier.name.as_str()))
        {
            needs.extend(earlier.needs.iter().cloned());
        }
        linked.push(LinkedChunk {
            name: chunk.name.clone(),
            map: source_map::write(&linked_text.lines),
            text: linked_text.text,
            needs,
        });
    }
    Ok(linked)
}

/// Refuses two modules whose generated object names are equal, and a module that uses the object name of a module that
/// it does not import.
fn check_names(modules: &BTreeMap<String, Module>) -> BuildResult<()> {
    let names: BTreeSet<String> = modules.keys().map(|path| object_name(path)).collect();
    if names.len() != modules.len() {
        return Err("two modules have names that differ only in their signs".into());
    }
    for module in modules
        .values()
        .filter(|module| !module.path.starts_with("vendor/"))
    {
        let imported: BTreeSet<String> = module
            .imports
            .iter()
            .map(|path| object_name(path))
            .collect();
        for line in &module.lines {
            let words = line.text.split(|character: char| {
                !character.is_alphanumeric() && character != '_' && character != '$'
            });
            for word in words.filter(|word| word.starts_with('$')) {
                if names.contains(word) && !imported.contains(word) {
                    let line_number = line.source + 1;
                    return Err(format!(
                        "assets/{}: line {line_number}: the linker needs the name {word}",
                        module.path
                    )
                    .into());
                }
            }
        }
    }
    Ok(())
}

struct Linker<'a> {
    modules: &'a BTreeMap<String, Module>,
    chunk_names: &'a BTreeMap<&'a str, &'a str>,
    chunk: &'a Chunk,
}

/// A chunk under construction: its text, the source of each line, and the objects imported from other chunks.
struct ChunkText<'a> {
    text: String,
    lines: Vec<Option<(String, usize)>>,
    imports: BTreeMap<&'a str, BTreeSet<String>>,
}

impl<'a> Linker<'a> {
    fn write(&self) -> BuildResult<ChunkText<'a>> {
        let mut written = ChunkText {
            text: String::new(),
            lines: Vec::new(),
            imports: self.collect_imports()?,
        };
        for (chunk, objects) in &written.imports {
            let list = objects.iter().cloned().collect::<Vec<_>>().join(",");
            let _ = writeln!(written.text, "import{{{list}}}from\"./{chunk}.js\";");
            written.lines.push(None);
        }
        for path in &self.chunk.modules {
            self.write_module(&self.modules[path], &mut written)?;
        }
        let objects = self.chunk.modules.iter().map(|path| object_name(path));
        let _ = writeln!(
            written.text,
            "export{{{}}};",
            objects.collect::<Vec<_>>().join(",")
        );
        Ok(written)
    }

    /// Returns the objects that this chunk imports from other chunks, grouped by chunk.
    fn collect_imports(&self) -> BuildResult<BTreeMap<&'a str, BTreeSet<String>>> {
        let mut direct: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for path in &self.chunk.modules {
            for import in &self.modules[path].imports {
                let target_chunk = self.chunk_of(import)?;
                if target_chunk != self.chunk.name {
                    direct
                        .entry(target_chunk)
                        .or_default()
                        .insert(object_name(import));
                }
            }
        }
        Ok(direct)
    }

    fn chunk_of(&self, path: &str) -> BuildResult<&'a str> {
        let target_chunk = self.chunk_names.get(path);
        target_chunk
            .copied()
            .ok_or_else(|| format!("there is no assets/{path}").into())
    }

    fn write_module(&self, module: &Module, written: &mut ChunkText<'_>) -> BuildResult<()> {
        let _ = writeln!(written.text, "const {}=(()=>{{", object_name(&module.path));
        written.lines.push(None);
        for line in &module.lines {
            let text = self.rewrite_loads(module, &line.text)?;
            let _ = writeln!(written.text, "{text}");
            written.lines.push(Some((module.path.clone(), line.source)));
        }
        let exports = module
            .exports
            .iter()
            .map(|(public, local)| match public == local {
                true => public.clone(),
                false => format!("{public}:{local}"),
            });
        let exports = exports.collect::<Vec<_>>().join(",");
        let _ = writeln!(written.text, "return{{{exports}}};\n}})();");
        written.lines.extend([None, None]);
        Ok(())
    }

    /// Rewrites the calls of `import()` in a line, so that each one loads a chunk and returns the module's object.
    /// Lines of libraries stay unchanged.
    fn rewrite_loads(&self, module: &Module, text: &str) -> BuildResult<String> {
        let mut text = text.to_owned();
        if module.path.starts_with("vendor/") {
            return Ok(text);
        }
        for address in dynamic_imports(&text)? {
            let path = resolve(&module.path, &address);
            let call = format!(
                "import(\"./{}.js\").then((chunk)=>chunk.{})",
                self.chunk_of(&path)?,
                object_name(&path)
            );
            text = text.replacen(&format!("import(\"{address}\")"), &call, 1);
        }
        Ok(text)
    }
}

//! A module of the pages as the linker needs it: its imports, its exports, and its lines as the body of a function.
//! Accepts only the forms of statements that our scripts use.

use std::path::Path;

use super::BuildResult;
use super::script::{self, ScriptLine};

/// A parsed module, ready to be linked.
pub(super) struct Module {
    /// The path relative to `assets`, such as `js/parts/menu.js`.
    pub(super) path: String,
    /// The paths of the modules that it imports statically, in the order of the imports.
    pub(super) imports: Vec<String>,
    /// The paths of the modules that it loads with `import()`.
    pub(super) dynamic_imports: Vec<String>,
    /// The exports of the module, as pairs of public and local names.
    pub(super) exports: Vec<(String, String)>,
    /// The lines of the module. Static imports have become reads from the other modules' objects; calls of `import()`
    /// are unchanged.
    pub(super) lines: Vec<ScriptLine>,
}

impl Module {
    /// Reads one of our modules or a minified library.
    ///
    /// # Errors
    /// Returns an error if a statement has a form that the linker does not know.
    pub(super) fn read(path: &str, source: &str) -> BuildResult<Self> {
        let with_path = |error: Box<dyn std::error::Error>| format!("assets/{path}: {error}");
        match path.starts_with("vendor/") {
            true => Self::read_library(path, source).map_err(|error| with_path(error).into()),
            false => Self::read_own(path, source).map_err(|error| with_path(error).into()),
        }
    }

    fn empty(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            imports: Vec::new(),
            dynamic_imports: Vec::new(),
            exports: Vec::new(),
            lines: Vec::new(),
        }
    }

    fn read_own(path: &str, source: &str) -> BuildResult<Self> {
        let mut module = Self::empty(path);
        let mut is_head = true;
        for mut line in script::lines(source)? {
            let position = line.source + 1;
            let is_import = line.is_top && line.text.starts_with("import ");
            if line.is_top && line.text.starts_with("await ") {
                return Err(
                    format!("line {position}: await at the top level cannot be linked").into(),
                );
            }
            if is_import && !is_head {
                return Err(format!("line {position}: imports come first").into());
            }
            is_head &= is_import;
            let text = std::mem::take(&mut line.text);
            let text = match text.split_once(' ') {
                Some(("import", rest)) if line.is_top => module.convert_import(rest),
                Some(("export", rest)) if line.is_top => module.convert_export(rest),
                _ => Ok(text),
            };
            line.text = text.map_err(|error| format!("line {position}: {error}"))?;
            for loaded in dynamic_imports(&line.text)? {
                module.dynamic_imports.push(resolve(path, &loaded));
            }
            // Chunks are served from another folder, but the URLs that a module builds are relative to its source.
            let url = format!("new URL(\"../{path}\", import.meta.url)");
            line.text = line.text.replace("import.meta.url", &url);
            if !line.text.is_empty() {
                module.lines.push(line);
            }
        }
        Ok(module)
    }

    /// Reads a minified library, which has no imports and one list of exports at its end.
    fn read_library(path: &str, source: &str) -> BuildResult<Self> {
        let mut module = Self::empty(path);
        let (code, list) = source
            .rsplit_once("export{")
            .ok_or("a library ends with the list of its exports")?;
        let list = list.trim_end().trim_end_matches(';').trim_end_matches('}');
        module.add_exports(list)?;
        module.lines = code
            .lines()
            .enumerate()
            .map(|(source, text)| ScriptLine {
                text: text.to_owned(),
                source,
                is_top: false,
            })
            .collect();
        Ok(module)
    }

    /// Parses the rest of an `import` statement after the keyword. Returns a statement that reads the names from the
    /// other module's object.
    fn convert_import(&mut self, rest: &str) -> BuildResult<String> {
        let unknown_form = || format!("unknown form: import {rest}");
        if let Some(from) = rest
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix("\";"))
        {
            self.add_import(from)?;
            return Ok(String::new());
        }
        let rest = rest.strip_suffix("\";").ok_or_else(unknown_form)?;
        let (names, from) = rest.rsplit_once(" from \"").ok_or_else(unknown_form)?;
        let object = self.add_import(from)?;
        let pattern =
            if let Some(list) = names.strip_prefix("{ ").and_then(|n| n.strip_suffix(" }")) {
                format!("{{{}}}", list.replace(" as ", ":").replace(", ", ","))
            } else if let Some(name) = names.strip_prefix("* as ") {
                format!(" {}", identifier(name)?)
            } else {
                format!("{{default:{}}}", identifier(names)?)
            };
        Ok(format!("const{pattern}={object};"))
    }

    /// Parses the rest of an `export` statement after the keyword. Returns the declaration that remains of the
    /// statement; empty if it only lists names of this module.
    fn convert_export(&mut self, rest: &str) -> BuildResult<String> {
        if let Some(list) = rest.strip_prefix("{ ") {
            let (names, from) = list.split_once(" }").ok_or("the list has no end")?;
            let Some(from) = from
                .strip_prefix(" from \"")
                .and_then(|f| f.strip_suffix("\";"))
            else {
                self.add_exports(names)?;
                return Ok(String::new());
            };
            let object = self.add_import(from)?;
            self.add_exports(names)?;
            return Ok(format!(
                "const{{{}}}={object};",
                names.replace(" as ", ":").replace(", ", ",")
            ));
        }
        let declaration = rest.strip_prefix("async ").unwrap_or(rest);
        let (kind, name) = declaration.split_once(' ').unwrap_or_default();
        let end = name
            .find(|character: char| !is_word(character))
            .unwrap_or_default();
        let (name, tail) = name.split_at(end);
        let is_known = match kind {
            "function" => tail.starts_with('('),
            "const" => tail.starts_with(" = "),
            "class" => tail.starts_with(' '),
            _ => false,
        };
        if !is_known {
            return Err(format!("unknown form: export {rest}").into());
        }
        self.exports.push((name.to_owned(), name.to_owned()));
        Ok(rest.to_owned())
    }

    /// Adds a list such as `a, b as c` to the exports.
    fn add_exports(&mut self, list: &str) -> BuildResult<()> {
        for name in list.split(',').map(str::trim) {
            let (local, public) = name.split_once(" as ").unwrap_or((name, name));
            self.exports.push((
                identifier(public)?.to_owned(),
                identifier(local)?.to_owned(),
            ));
        }
        Ok(())
    }

    fn add_import(&mut self, from: &str) -> BuildResult<String> {
        if !from.starts_with('.') {
            return Err(format!("{from} is not a relative address").into());
        }
        let path = resolve(&self.path, from);
        let object = object_name(&path);
        self.imports.push(path);
        Ok(object)
    }
}

/// Returns the name of the variable that holds a module's exports, such as `$parts_menu`.
pub(super) fn object_name(path: &str) -> String {
    let stem = path.trim_end_matches(".js").trim_start_matches("js/");
    let characters = stem
        .chars()
        .map(|character| if is_word(character) { character } else { '_' });
    format!("${}", characters.collect::<String>())
}

/// Returns the module addresses in a line's calls of `import()`.
///
/// # Errors
/// Returns an error if an address is not a string literal.
pub(super) fn dynamic_imports(text: &str) -> BuildResult<Vec<String>> {
    let calls = text.match_indices("import(").filter(|(position, _)| {
        let char_before = text[..*position].chars().next_back();
        char_before.is_none_or(|character| !is_word(character) && character != '.')
    });
    calls
        .map(|(position, word)| {
            let address = text[position + word.len()..].strip_prefix('"');
            let address = address.and_then(|rest| rest.split_once("\")"));
            address
                .map(|(address, _)| address.to_owned())
                .ok_or_else(|| format!("import() needs an address: {text}").into())
        })
        .collect()
}

/// Resolves a relative address against the path of a module.
pub(super) fn resolve(module: &str, address: &str) -> String {
    let mut parts: Vec<&str> = Path::new(module)
        .parent()
        .and_then(Path::to_str)
        .map_or_else(Vec::new, |folder| folder.split('/').collect());
    for part in address.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn identifier(name: &str) -> BuildResult<&str> {
    match !name.is_empty() && name.chars().all(is_word) {
        true => Ok(name),
        false => Err(format!("{name} is not a name").into()),
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}

//! Reads TOML 1.0 into JSON, and remembers on which line each value stands, so that a fault found later
//! can be pointed at. Refuses dates, infinities and what is nested too deep: nothing here needs them.

mod reader;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use reader::Reader;

/// Arrays and tables inside one another.
const MOST_DEPTH: usize = 32;

/// What a text says, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// All of it, as an object.
    pub value: Value,
    /// Lines, from 1, by path: `stages.1.prompt`.
    pub lines: BTreeMap<String, usize>,
}

/// Why a text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// In lower case.
    pub message: String,
}

/// Reads a whole text.
pub fn read(text: &str) -> Result<Document, Fault> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let mut tables = Tables::default();
    let mut reader = Reader::new(&text);
    loop {
        reader.blanks(true);
        if reader.rest.is_empty() {
            break;
        }
        let line = reader.line;
        if reader.eat("[[") {
            let path = reader.path()?;
            reader.expect("]]")?;
            tables.open_list(path, line)?;
        } else if reader.eat("[") {
            let path = reader.path()?;
            reader.expect("]")?;
            tables.open(path, line)?;
        } else {
            let path = reader.path()?;
            reader.expect("=")?;
            let value = reader.value(0)?;
            tables.set(path, value, line)?;
        }
        reader.end_of_line()?;
    }
    Ok(Document {
        value: Value::Object(tables.root),
        lines: tables.lines,
    })
}

fn fault<T>(line: usize, message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault {
        line,
        message: message.into(),
    })
}

/// The tables as far as they have been read.
#[derive(Default)]
struct Tables {
    root: Map<String, Value>,
    lines: BTreeMap<String, usize>,
    /// The heading that values stand under, with the places in lists.
    under: Vec<String>,
    /// Headings and values that are complete: nothing may open them again.
    closed: BTreeSet<String>,
    /// Lists that were made by `[[…]]` and may grow.
    growing: BTreeSet<String>,
}

impl Tables {
    fn open(&mut self, path: Vec<String>, line: usize) -> Result<(), Fault> {
        let full = self.resolve(&path, line)?;
        self.table(&full, line)?;
        let name = full.join(".");
        if !self.closed.insert(name.clone()) {
            return fault(line, format!("[{}] is there twice", path.join(".")));
        }
        self.lines.insert(name, line);
        self.under = full;
        Ok(())
    }

    fn open_list(&mut self, mut path: Vec<String>, line: usize) -> Result<(), Fault> {
        let shown = path.join(".");
        let Some(last) = path.pop() else {
            return fault(line, "a heading needs a name");
        };
        let mut full = self.resolve(&path, line)?;
        let parent = full.clone();
        full.push(last.clone());
        let name = full.join(".");
        let fresh = self.growing.insert(name.clone());
        let table = self.table(&parent, line)?;
        let list = table
            .entry(last)
            .or_insert_with(|| Value::Array(Vec::new()));
        let place = match list {
            Value::Array(list) if !fresh || list.is_empty() => {
                list.push(Value::Object(Map::new()));
                list.len() - 1
            }
            _ => return fault(line, format!("{shown} is something else already")),
        };
        if fresh && self.closed.contains(&name) {
            return fault(line, format!("{shown} is something else already"));
        }
        full.push(place.to_string());
        self.lines.insert(full.join("."), line);
        self.under = full;
        Ok(())
    }

    fn set(&mut self, mut path: Vec<String>, value: Value, line: usize) -> Result<(), Fault> {
        let shown = path.join(".");
        let Some(last) = path.pop() else {
            return fault(line, "a value needs a name");
        };
        let mut full = self.under.clone();
        full.extend(path);
        let table = self.table(&full, line)?;
        if table.contains_key(&last) {
            return fault(line, format!("{shown} is set twice"));
        }
        table.insert(last.clone(), value);
        full.push(last);
        let name = full.join(".");
        self.closed.insert(name.clone());
        self.lines.insert(name, line);
        Ok(())
    }

    /// The path with the places of the newest elements of lists put in.
    fn resolve(&self, path: &[String], line: usize) -> Result<Vec<String>, Fault> {
        let mut full: Vec<String> = Vec::new();
        for part in path {
            full.push(part.clone());
            let name = full.join(".");
            if self.growing.contains(&name) {
                let mut here = self.root.get(&full[0]);
                for part in &full[1..] {
                    here = here.and_then(|value| match value {
                        Value::Array(list) => part.parse::<usize>().ok().and_then(|n| list.get(n)),
                        other => other.get(part),
                    });
                }
                match here.and_then(Value::as_array) {
                    Some(list) if !list.is_empty() => full.push((list.len() - 1).to_string()),
                    _ => return fault(line, format!("{name} is no list of tables")),
                }
            }
        }
        if full.len() > MOST_DEPTH {
            return fault(line, "nested too deep");
        }
        Ok(full)
    }

    /// The table at a resolved path, made where it is missing.
    fn table(&mut self, full: &[String], line: usize) -> Result<&mut Map<String, Value>, Fault> {
        let wrong = |part: &str| Fault {
            line,
            message: format!("{part} is no table"),
        };
        if full.len() > MOST_DEPTH {
            return fault(line, "nested too deep");
        }
        let mut here = &mut self.root;
        let mut at = 0;
        while at < full.len() {
            let part = &full[at];
            let next = here
                .entry(part.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            here = match next {
                Value::Object(map) => map,
                Value::Array(list) => {
                    at += 1;
                    let place = full.get(at).and_then(|part| part.parse::<usize>().ok());
                    let element = place.and_then(|place| list.get_mut(place));
                    let element = element.and_then(Value::as_object_mut);
                    element.ok_or_else(|| wrong(part))?
                }
                _ => return Err(wrong(part)),
            };
            at += 1;
        }
        Ok(here)
    }
}

#[cfg(test)]
mod tests;

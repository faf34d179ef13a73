//! Models as data: the rows of `assets/models.json`, and an admin's own, which may say less. Reads them
//! and says what is known of a model; opens no file and knows no provider.

mod check;
mod row;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;

use super::model::Model;
use row::Row;
pub use row::Seen;

/// Made by the build script from `assets/models.json`.
static BUILT_IN: &str = include_str!(concat!(env!("OUT_DIR"), "/models.json"));

/// Rows of one sheet that are read.
const MOST_ROWS: usize = 5_000;

/// A file of models, read and checked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sheet {
    /// Parts of names that no chat model has.
    not_chat: Vec<String>,
    /// Beginnings of names, and the family that they tell.
    families: BTreeMap<String, String>,
    /// Providers whose models all share a class, and have names with a tag behind a colon.
    servers: BTreeMap<String, String>,
    classes: BTreeMap<String, Row>,
    rows: Vec<Row>,
}

/// A sheet as it is written.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct File {
    #[serde(rename = "about")]
    _about: String,
    not_chat: Vec<String>,
    families: BTreeMap<String, String>,
    servers: BTreeMap<String, String>,
    classes: BTreeMap<String, Value>,
    models: Vec<Value>,
}

impl Sheet {
    /// Reads an admin's sheet, or says all that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        Self::read(text, &Self::built_in().classes)
    }

    fn built_in() -> Self {
        Self::read(BUILT_IN, &BTreeMap::new()).expect("a test reads this file")
    }

    /// `known`: the classes that rows may be like besides the sheet's own.
    fn read(text: &str, known: &BTreeMap<String, Row>) -> Result<Self, Vec<String>> {
        let no_sheet = |why: &str| vec![format!("not a sheet of models: {why}")];
        if !text.trim_start().starts_with('{') {
            return Err(no_sheet("it must be an object"));
        }
        let file: File =
            serde_json::from_str(text).map_err(|error| no_sheet(&error.to_string()))?;
        if file.models.len() > MOST_ROWS {
            return Err(vec![format!("at most {MOST_ROWS} models can be listed")]);
        }
        let mut faults = Vec::new();
        let mut sheet = Self {
            not_chat: lower(file.not_chat),
            families: file.families,
            servers: file.servers,
            ..Self::default()
        };
        for (name, value) in file.classes {
            let place = format!("class \"{name}\"");
            if let Some(row) = check::read(value, &place, &mut faults) {
                check::class(&row, &place, &mut faults);
                sheet.classes.insert(name, row);
            }
        }
        for (at, value) in file.models.into_iter().enumerate() {
            let id = value["id"].as_str().unwrap_or_default();
            let place = match id {
                "" => format!("model {}", at + 1),
                id => format!("model \"{}\"", check::short(id)),
            };
            let Some(row) = check::read(value, &place, &mut faults) else {
                continue;
            };
            let class = row.like.as_ref().map(|name| {
                let class = sheet.classes.get(name).or_else(|| known.get(name));
                class
                    .ok_or_else(|| format!("{place}: there is no class \"{}\"", check::short(name)))
            });
            match class.transpose() {
                Ok(class) => sheet.rows.push(row.over(class.unwrap_or(&Row::default()))),
                Err(fault) => faults.push(fault),
            }
        }
        check::rows(&sheet.rows, &mut faults);
        sheet.check_servers(known, &mut faults);
        if faults.is_empty() {
            Ok(sheet)
        } else {
            Err(faults)
        }
    }

    fn check_servers(&self, known: &BTreeMap<String, Row>, faults: &mut Vec<String>) {
        for (server, class) in &self.servers {
            if !self.classes.contains_key(class) && !known.contains_key(class) {
                let (server, class) = (check::short(server), check::short(class));
                faults.push(format!(
                    "server \"{server}\": there is no class \"{class}\""
                ));
            }
        }
    }

    /// How many models it speaks of.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// It says nothing of any model.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

fn lower(names: Vec<String>) -> Vec<String> {
    names
        .into_iter()
        .map(|name| name.to_ascii_lowercase())
        .collect()
}

/// All that is known of models by name: the built-in sheet, and an admin's, which has the last word.
#[derive(Debug)]
pub struct Catalogue {
    built_in: Sheet,
    own: Sheet,
    /// Where a model's row is in each sheet.
    places: HashMap<String, (Option<usize>, Option<usize>)>,
}

impl Catalogue {
    /// The built-in sheet under an admin's.
    pub fn new(own: Sheet) -> Self {
        let built_in = Sheet::built_in();
        let mut places: HashMap<String, (Option<usize>, Option<usize>)> = HashMap::new();
        for (at, row) in built_in.rows.iter().enumerate() {
            places.entry(row.id.clone()).or_default().0 = Some(at);
        }
        for (at, row) in own.rows.iter().enumerate() {
            places.entry(row.id.clone()).or_default().1 = Some(at);
        }
        Self {
            built_in,
            own,
            places,
        }
    }

    /// The names of a provider's models, in the order in which to offer them. None for a server at home,
    /// which has what somebody has put there.
    pub fn names_of<'a>(&'a self, provider: &'a str) -> impl Iterator<Item = &'a str> {
        let is_new = |row: &&Row| {
            let place = self.places.get(&row.id);
            place.is_some_and(|(built_in, _)| built_in.is_none())
        };
        let own = self.own.rows.iter().filter(is_new);
        let rows = self.built_in.rows.iter().chain(own);
        let is_server = self.class_of(provider).is_some();
        rows.filter(move |_| !is_server)
            .filter_map(move |row| row.id.strip_prefix(provider)?.strip_prefix('/'))
    }

    /// A model of the sheets by its id, its bare name or an alias.
    pub fn named(&self, name: &str) -> Option<Model> {
        let rows = || self.own.rows.iter().chain(&self.built_in.rows);
        let is_bare = |row: &&Row| {
            let bare = row.id.split_once('/').map(|(_, bare)| bare);
            row.id == name || bare == Some(name)
        };
        let answers = |row: &&Row| {
            let mut aliases = row.aliases.iter().flatten();
            aliases.any(|alias| alias.eq_ignore_ascii_case(name))
        };
        let row = rows().find(is_bare).or_else(|| rows().find(answers))?;
        let (provider, bare) = row.id.split_once('/')?;
        Some(self.describe(provider, bare, Seen::default()))
    }

    /// Whether a name of a provider's list may be a chat model's.
    pub fn can_chat(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let mut parts = self.built_in.not_chat.iter().chain(&self.own.not_chat);
        !parts.any(|part| name.contains(part.as_str()))
    }

    /// A model, as far as it is known. `seen`: what its provider says of it, which comes before the
    /// built-in sheet where it tells what changes (the price, the context), and behind it elsewhere. An
    /// admin's row comes before both.
    pub fn describe(&self, provider: &str, name: &str, seen: Seen) -> Model {
        let place = self.places.get(&format!("{provider}/{name}"));
        let class = self.class_of(provider);
        // The tag of a local model tells its size and how it was squeezed, not what it can do.
        let bare = name
            .split(':')
            .next()
            .filter(|bare| *bare != name && class.is_some());
        let bare = bare.and_then(|bare| self.places.get(&format!("{provider}/{bare}")));
        let mut known = Row::default();
        let (fresh, rest) = seen.into_rows();
        let mut add = |row: &Row| known = std::mem::take(&mut known).over(row);
        for place in [place, bare].into_iter().flatten() {
            if let Some(row) = place.1.and_then(|at| self.own.rows.get(at)) {
                add(row);
            }
        }
        add(&fresh);
        for place in [place, bare].into_iter().flatten() {
            if let Some(row) = place.0.and_then(|at| self.built_in.rows.get(at)) {
                add(row);
            }
        }
        add(&rest);
        if let Some(class) = class {
            add(class);
        }
        if known.family.is_none() {
            known.family = self.family(name).map(str::to_owned);
        }
        if place.is_none() {
            known.name = Some(name.to_owned());
        }
        known.id = format!("{provider}/{name}");
        known.into_model()
    }

    fn class_of(&self, provider: &str) -> Option<&Row> {
        let class = |sheet: &Sheet| sheet.servers.get(provider).cloned();
        let class = class(&self.own).or_else(|| class(&self.built_in))?;
        let own = self.own.classes.get(&class);
        own.or_else(|| self.built_in.classes.get(&class))
    }

    /// By the longest beginning that fits the last part of the name.
    fn family(&self, name: &str) -> Option<&str> {
        let last = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
        let all = self.own.families.iter().chain(&self.built_in.families);
        let fitting = all.filter(|(start, _)| last.starts_with(start.as_str()));
        fitting
            .max_by_key(|(start, _)| start.len())
            .map(|(_, family)| family.as_str())
    }
}

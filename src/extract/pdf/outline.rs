//! The outline of a document, which gives pages their titles. Follows only targets inside the file, and reads a limited
//! number of entries.

use std::collections::{HashMap, HashSet};

use hayro_syntax::Pdf;
use hayro_syntax::object::{Array, Dict, MaybeRef, Object, ObjectIdentifier, String as Bytes};

use super::operands::decode_text;

/// Maximum number of entries and named targets to read.
const MAX_ENTRIES: usize = 20_000;
/// Number of outline levels to use; deeper ones name a paragraph rather than a page.
const MAX_DEPTH: usize = 2;
/// Maximum length of a title, in characters.
const MAX_TITLE_CHARS: usize = 200;

/// Returns the title of each page: the title of the outline entry that points to the page. Without such an entry, it is
/// the title of the entry that points to the nearest earlier page. Pages before the first entry have an empty title.
pub fn titles(pdf: &Pdf) -> Vec<String> {
    let pages = pdf.pages();
    let mut titles = vec![String::new(); pages.len()];
    let Some(root) = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id()) else {
        return titles;
    };
    let Some(outline) = root.get::<Dict<'_>>("Outlines") else {
        return titles;
    };
    let number: HashMap<ObjectIdentifier, usize> = pages
        .iter()
        .enumerate()
        .filter_map(|(index, page)| Some((page.raw().obj_id()?, index)))
        .collect();
    let mut walk = OutlineWalk {
        seen_objects: HashSet::new(),
        targets: HashMap::new(),
        found_titles: Vec::new(),
    };
    if let Some(names) = root
        .get::<Dict<'_>>("Names")
        .and_then(|names| names.get::<Dict<'_>>("Dests"))
    {
        walk.read_names(&names, 0);
    }
    if let Some(old) = root.get::<Dict<'_>>("Dests") {
        for (name, target) in old.entries().take(MAX_ENTRIES) {
            if let MaybeRef::NotRef(target) = target
                && let Some(page) = page_of(target)
            {
                walk.targets.insert(name.to_vec(), page);
            } else if let Some(page) = old.get::<Object<'_>>(&*name).and_then(page_of) {
                walk.targets.insert(name.to_vec(), page);
            }
        }
    }
    walk.read_entries(&outline, 0);
    let mut starts: Vec<(usize, String)> = walk
        .found_titles
        .into_iter()
        .filter_map(|(page, title)| Some((*number.get(&page)?, title)))
        .collect();
    // A stable sort, so that the first of several entries for a page determines its title.
    starts.sort_by_key(|start| start.0);
    starts.dedup_by_key(|start| start.0);
    for (index, (start, title)) in starts.iter().enumerate() {
        let end = starts.get(index + 1).map_or(titles.len(), |next| next.0);
        titles[*start..end]
            .iter_mut()
            .for_each(|slot| slot.clone_from(title));
    }
    titles
}

struct OutlineWalk {
    seen_objects: HashSet<ObjectIdentifier>,
    /// Named targets and their pages.
    targets: HashMap<Vec<u8>, ObjectIdentifier>,
    found_titles: Vec<(ObjectIdentifier, String)>,
}

impl OutlineWalk {
    fn is_new(&mut self, dict: &Dict<'_>) -> bool {
        self.seen_objects.len() < MAX_ENTRIES
            && dict.obj_id().is_none_or(|id| self.seen_objects.insert(id))
    }

    fn read_names(&mut self, node: &Dict<'_>, depth: usize) {
        if depth > 16 || !self.is_new(node) {
            return;
        }
        if let Some(pairs) = node.get::<Array<'_>>("Names") {
            let mut parts = pairs.flex_iter();
            while let Some(name) = parts.next::<Bytes<'_>>() {
                let Some(target) = parts.next::<Object<'_>>() else {
                    break;
                };
                if let Some(page) = page_of(target)
                    && self.targets.len() < MAX_ENTRIES
                {
                    self.targets.insert(name.as_bytes().to_vec(), page);
                }
            }
        }
        for child in node
            .get::<Array<'_>>("Kids")
            .iter()
            .flat_map(|kids| kids.iter::<Dict<'_>>())
        {
            self.read_names(&child, depth + 1);
        }
    }

    fn read_entries(&mut self, parent: &Dict<'_>, depth: usize) {
        let mut next = parent.get::<Dict<'_>>("First");
        while let Some(entry) = next {
            if !self.is_new(&entry) || self.found_titles.len() >= MAX_ENTRIES {
                return;
            }
            if let (Some(title), Some(page)) =
                (entry.get::<Bytes<'_>>("Title"), self.target_page(&entry))
            {
                let title = decode_text(title.as_bytes());
                let title: String = title.split_whitespace().collect::<Vec<_>>().join(" ");
                if !title.is_empty() {
                    self.found_titles
                        .push((page, title.chars().take(MAX_TITLE_CHARS).collect()));
                }
            }
            if depth + 1 < MAX_DEPTH {
                self.read_entries(&entry, depth + 1);
            }
            next = entry.get::<Dict<'_>>("Next");
        }
    }

    fn target_page(&self, entry: &Dict<'_>) -> Option<ObjectIdentifier> {
        let target = entry
            .get::<Object<'_>>("Dest")
            .or_else(|| entry.get::<Dict<'_>>("A")?.get::<Object<'_>>("D"))?;
        match target {
            Object::String(name) => self.targets.get(name.as_bytes()).copied(),
            Object::Name(name) => self.targets.get(&*name).copied(),
            other => page_of(other),
        }
    }
}

/// Returns the page that a target refers to: an array `[page /XYZ …]`, or a dictionary that contains one.
fn page_of(target: Object<'_>) -> Option<ObjectIdentifier> {
    let array = match target {
        Object::Array(array) => array,
        Object::Dict(dict) => dict.get::<Array<'_>>("D")?,
        _ => return None,
    };
    match array.raw_iter().next()? {
        MaybeRef::Ref(page) => Some(page.into()),
        MaybeRef::NotRef(_) => None,
    }
}

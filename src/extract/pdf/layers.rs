//! Layers (optional content, ISO 32000-1, 8.11): determines which of them a viewer hides.

use std::collections::HashSet;

use hayro_syntax::Pdf;
use hayro_syntax::content::Instruction;
use hayro_syntax::object::{Array, Dict, Name, Object, ObjectIdentifier};
use hayro_syntax::page::Resources;

use super::operands::name;

/// Maximum number of layers read.
const MAX_LAYERS: usize = 10_000;

/// The layers that are off when the file is opened.
#[derive(Debug, Default)]
pub struct Layers {
    disabled_layers: HashSet<ObjectIdentifier>,
}

impl Layers {
    /// Reads which layers are off by default: those that the file turns off, and those that are not meant for viewing.
    pub fn read(pdf: &Pdf) -> Self {
        let mut layers = Self::default();
        let root = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id());
        let Some(all) = root.and_then(|root| root.get::<Dict<'_>>("OCProperties")) else {
            return layers;
        };
        let default_config = all.get::<Dict<'_>>("D").unwrap_or_default();
        if default_config.get::<Name<'_>>("BaseState").as_deref() == Some(b"OFF") {
            layers.disabled_layers.extend(layer_ids(&all, "OCGs"));
            for id in layer_ids(&default_config, "ON") {
                layers.disabled_layers.remove(&id);
            }
        }
        layers
            .disabled_layers
            .extend(layer_ids(&default_config, "OFF"));
        // Turns off layers that are only for printing or exporting.
        for group in all
            .get::<Array<'_>>("OCGs")
            .iter()
            .flat_map(|all| all.iter::<Dict<'_>>())
            .take(MAX_LAYERS)
        {
            let view = group
                .get::<Dict<'_>>("Usage")
                .and_then(|usage| usage.get::<Dict<'_>>("View"));
            let state = view.and_then(|view| view.get::<Name<'_>>("ViewState"));
            if state.as_deref() == Some(b"OFF") && default_config.contains_key("AS") {
                layers.disabled_layers.extend(group.obj_id());
            }
        }
        layers
    }

    /// Returns whether every layer is on.
    pub fn is_empty(&self) -> bool {
        self.disabled_layers.is_empty()
    }

    /// Returns whether the content opened by a marked-content operator is hidden.
    pub fn hides_mark(&self, instruction: &Instruction<'_, '_>, resources: &Resources<'_>) -> bool {
        if self.is_empty() {
            return false;
        }
        let mut operands = instruction.operands();
        let is_layer = operands
            .next()
            .and_then(name)
            .is_some_and(|name| &**name == b"OC");
        let layer = operands.next().and_then(name).filter(|_| is_layer);
        layer
            .and_then(|name| resources.properties.get::<Dict<'_>>(name))
            .is_some_and(|layer| self.hides_content(&layer))
    }

    /// Returns whether an object is hidden, because its `OC` entry refers to a layer that is off.
    pub fn hides_object(&self, dict: &Dict<'_>) -> bool {
        !self.is_empty()
            && dict
                .get::<Dict<'_>>("OC")
                .is_some_and(|layer| self.hides_content(&layer))
    }

    fn hides_content(&self, layer: &Dict<'_>) -> bool {
        if layer.get::<Name<'_>>("Type").as_deref() != Some(b"OCMD") {
            return layer
                .obj_id()
                .is_some_and(|id| self.disabled_layers.contains(&id));
        }
        let members = match layer.get::<Object<'_>>("OCGs") {
            Some(Object::Dict(group)) => group.obj_id().into_iter().collect(),
            _ => layer_ids(layer, "OCGs"),
        };
        if members.is_empty() {
            return false;
        }
        let is_off = |id: &ObjectIdentifier| self.disabled_layers.contains(id);
        match layer.get::<Name<'_>>("P").as_deref() {
            Some(b"AllOn") => members.iter().any(is_off),
            Some(b"AnyOff") => !members.iter().any(is_off),
            Some(b"AllOff") => !members.iter().all(is_off),
            _ => members.iter().all(is_off),
        }
    }
}

fn layer_ids(dict: &Dict<'_>, key: &str) -> Vec<ObjectIdentifier> {
    let array = dict.get::<Array<'_>>(key);
    let groups = array.iter().flat_map(|array| array.iter::<Dict<'_>>());
    groups
        .take(MAX_LAYERS)
        .filter_map(|group| group.obj_id())
        .collect()
}

//! Counts of omitted content in an RTF file.

use super::output::Output;

/// Counts of omitted content, for the notes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RtfOmitted {
    /// Number of hidden or deleted passages.
    pub hidden_count: usize,
    /// Number of images.
    pub picture_count: usize,
    /// Number of embedded objects.
    pub object_count: usize,
    /// Number of form fields other than text fields.
    pub field_count: usize,
    /// Number of formulas.
    pub formula_count: usize,
}

impl RtfOmitted {
    /// Adds notes about the omitted content.
    pub fn report(self, out: &mut Output<'_>) {
        for (count, what) in [
            (self.hidden_count, "hidden or deleted passages left out"),
            (self.picture_count, "pictures whose inside is not read"),
            (self.object_count, "embedded objects not read"),
            (self.field_count, "form fields whose state is not read"),
            (self.formula_count, "formulas not read"),
        ] {
            if count > 0 {
                out.add_note(format!("{what}: {count}"));
            }
        }
    }
}

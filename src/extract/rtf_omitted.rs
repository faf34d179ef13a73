//! Counts of omitted content in an RTF file.

use super::output::Output;

/// Counts of omitted content, for the notes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RtfOmitted {
    /// Number of hidden or deleted passages.
    pub hidden: usize,
    /// Number of images.
    pub pictures: usize,
    /// Number of embedded objects.
    pub objects: usize,
    /// Number of form fields other than text fields.
    pub fields: usize,
    /// Number of formulas.
    pub formulas: usize,
}

impl RtfOmitted {
    /// Adds notes about the omitted content.
    pub fn report(self, out: &mut Output<'_>) {
        for (count, what) in [
            (self.hidden, "hidden or deleted passages left out"),
            (self.pictures, "pictures whose inside is not read"),
            (self.objects, "embedded objects not read"),
            (self.fields, "form fields whose state is not read"),
            (self.formulas, "formulas not read"),
        ] {
            if count > 0 {
                out.note(format!("{what}: {count}"));
            }
        }
    }
}

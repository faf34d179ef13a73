//! Counts what is left out of an RTF file.

use super::output::Output;

/// Omitted content, for the notes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RtfOmitted {
    /// Hidden or deleted passages.
    pub hidden: usize,
    /// Pictures.
    pub pictures: usize,
    /// Embedded objects.
    pub objects: usize,
    /// Form fields other than texts.
    pub fields: usize,
    /// Formulas.
    pub formulas: usize,
}

impl RtfOmitted {
    /// Adds the notes.
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

//! The file named by `QUIRE_MODELS_FILE`, which contains data about models.

use super::check::Checker;
use crate::domain::catalog::CatalogSheet;

/// Reads the file. Returns an empty sheet if no file is set, or if it has errors, which are reported.
pub(super) fn read(
    checker: &mut Checker,
    read: &dyn Fn(&str) -> Result<String, String>,
) -> CatalogSheet {
    let Some(path) = checker.configured("QUIRE_MODELS_FILE") else {
        return CatalogSheet::default();
    };
    let errors = match read(&path).map(|text| CatalogSheet::parse(&text)) {
        Ok(Ok(sheet)) => return sheet,
        Ok(Err(errors)) => errors,
        Err(why) => vec![why],
    };
    for error in errors {
        checker.error("QUIRE_MODELS_FILE", &error);
    }
    CatalogSheet::default()
}

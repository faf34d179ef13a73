//! `quire secret new`: a new secret for a data folder that has lost its own.

use super::args::Call;
use super::{Outcome, print, usage};
use crate::app::folder;

pub(super) const DETAILS: &str = "The file secret in the data folder signs sessions and encrypts stored keys. If\n\
it is missing, put it back from a copy. Without a copy, create a new one:\n\
everyone signs in again, and provider keys must be entered again.";

/// Makes it.
pub(super) fn run(call: &Call) -> Outcome {
    call.at_most(1)?;
    if call.words.first().map(String::as_str) != Some("new") {
        return usage("secret needs the word new: quire secret new");
    }
    let path = folder::new_secret(&call.config()?)?;
    print(format!(
        "{} is new: everybody signs in again, and stored provider keys must be entered again",
        path.display()
    ))
}

//! `quire secret`: creates a new secret for a data folder that has lost its secret, or accepts a secret that does not
//! match the database.

use super::args::CommandCall;
use super::{Outcome, print, unknown_action, usage};
use crate::app::folder;

pub(super) const DETAILS: &str =
    "The file `secret` in the data folder signs sessions and encrypts stored keys. If
it is missing, put it back from a copy. Without a copy, create a new one.
  new       create a new secret if the file is missing
  accept    keep the current secret (the file, or QUIRE_SECRET), although it does
            not match the database; stop the server first
After either, everyone must sign in again, and provider keys must be entered
again.";

/// Runs the action named by the first word.
pub(super) fn run(call: &CommandCall) -> Outcome {
    call.check_argument_count(1)?;
    const SECRET_CHANGE_CONSEQUENCE: &str =
        "everyone must sign in again, and stored provider keys must be entered again";
    let config = call.config()?;
    match call.words.first().map(String::as_str) {
        Some("new") => {
            let path = folder::new_secret(&config)?;
            print(format!(
                "{} is new: {SECRET_CHANGE_CONSEQUENCE}",
                path.display()
            ))
        }
        Some("accept") => {
            folder::accept_secret(&config)?;
            print(format!(
                "the secret is accepted: {SECRET_CHANGE_CONSEQUENCE}"
            ))
        }
        Some(other) => usage(unknown_action("secret", other, DETAILS)),
        None => usage("secret needs the word new or accept: quire secret new"),
    }
}

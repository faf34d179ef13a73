//! Reasons why a file's text cannot be extracted, worded for the file's owner.

use super::{MAX_PICTURE_BYTES, MAX_PICTURE_SIDE, magic};

/// Why a file's text could not be extracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// The file has no bytes.
    Empty,
    /// The file is larger than the limit.
    TooLarge,
    /// The file has a known format that is not supported.
    Unsupported(&'static str),
    /// The bytes are not text in any known encoding.
    Binary,
    /// The file is readable but contains no words.
    NoText,
    /// The file starts like an image, but its header is invalid.
    Damaged,
    /// The file needs a password.
    Locked,
    /// None of the files inside can be read.
    NothingInside,
    /// The file is nested in too many other files.
    TooDeep,
    /// The file contains no words, only images that cannot be shown to a model individually.
    PicturesOnly,
    /// The file is of a known kind, but nothing in it can be parsed.
    Broken(&'static str),
    /// The fonts do not map their glyphs to characters.
    NoCharacterMap,
    /// The image is larger than models accept.
    PictureTooLarge,
}

impl Unreadable {
    /// Returns the reason in words for the user.
    pub fn message(self) -> String {
        match self {
            Self::Empty => "the file is empty".to_owned(),
            Self::TooLarge => "the file is too large to read".to_owned(),
            Self::Unsupported(name) => {
                let hint = match magic::suggested_extension(name) {
                    Some(kind) => format!("; save it as {kind} and upload that"),
                    None => String::new(),
                };
                format!(
                    "this is a file of the kind {name}, which is not a supported type yet{hint}"
                )
            }
            Self::Binary => {
                "this is not text in any known encoding, so not a supported type".to_owned()
            }
            Self::NoText => "there is no text in the file".to_owned(),
            Self::Damaged => "the picture is damaged: its header cannot be read".to_owned(),
            Self::Locked => {
                "the file is encrypted: remove its password and upload it again".to_owned()
            }
            Self::NothingInside => {
                "none of the files in it can be read: they are of other kinds, damaged, or too large once unpacked".to_owned()
            }
            Self::TooDeep => "it is nested in more archives than are opened".to_owned(),
            Self::PicturesOnly => "there is no text in the file, only pictures".to_owned(),
            Self::NoCharacterMap => "its fonts do not map to characters, so its text cannot be read; try a copy saved or printed in another way".to_owned(),
            Self::Broken(kind) => {
                format!("the {kind} file is damaged: nothing in it can be read")
            }
            Self::PictureTooLarge => format!(
                "a picture may have at most {} MB and {MAX_PICTURE_SIDE} pixels per side, the most that models accept; make it smaller",
                MAX_PICTURE_BYTES >> 20
            ),
        }
    }
}

//! What the sources say about a claim.

/// What the sources say to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// A passage says otherwise.
    Contradicted,
    /// No passage says so.
    Unverifiable,
    /// A passage says so.
    Supported,
}

impl Verdict {
    /// The word the patterns use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Contradicted => "contradicted",
            Self::Unverifiable => "unverifiable",
            Self::Supported => "supported",
        }
    }

    /// The inverse of `name`, from whatever else stands on the line; unclear means unverifiable.
    pub fn parse(text: &str) -> Self {
        let text = text.trim_matches(['*', '_', ' ', '`']).to_lowercase();
        let all = [Self::Contradicted, Self::Unverifiable, Self::Supported];
        let said = all
            .into_iter()
            .find(|verdict| text.starts_with(verdict.name()));
        said.unwrap_or(Self::Unverifiable)
    }
}

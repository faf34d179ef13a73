//! The verdict of the sources on a claim.

/// What the sources say about a claim. The variants are ordered by urgency, so contradicted claims come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClaimVerdict {
    /// A passage contradicts the claim.
    Contradicted,
    /// No passage states the claim.
    Unverifiable,
    /// A passage states the claim.
    Supported,
}

impl ClaimVerdict {
    /// Returns the word for the verdict that the patterns use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Contradicted => "contradicted",
            Self::Unverifiable => "unverifiable",
            Self::Supported => "supported",
        }
    }

    /// Parses the verdict with which a text begins. Anything else counts as unverifiable.
    pub fn parse(text: &str) -> Self {
        let text = text.trim_matches(['*', '_', ' ', '`']).to_lowercase();
        let all = [Self::Contradicted, Self::Unverifiable, Self::Supported];
        let stated = all
            .into_iter()
            .find(|verdict| text.starts_with(verdict.name()));
        stated.unwrap_or(Self::Unverifiable)
    }
}

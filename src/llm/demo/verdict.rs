//! The sources' verdict on a claim.

/// What the sources say about a claim. The order is that of urgency: contradicted claims come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClaimVerdict {
    /// A passage contradicts it.
    Contradicted,
    /// No passage states it.
    Unverifiable,
    /// A passage states it.
    Supported,
}

impl ClaimVerdict {
    /// Returns the word used in the patterns.
    pub fn name(self) -> &'static str {
        match self {
            Self::Contradicted => "contradicted",
            Self::Unverifiable => "unverifiable",
            Self::Supported => "supported",
        }
    }

    /// Parses a verdict from the rest of its line; anything unclear is unverifiable.
    pub fn parse(text: &str) -> Self {
        let text = text.trim_matches(['*', '_', ' ', '`']).to_lowercase();
        let all = [Self::Contradicted, Self::Unverifiable, Self::Supported];
        let stated = all
            .into_iter()
            .find(|verdict| text.starts_with(verdict.name()));
        stated.unwrap_or(Self::Unverifiable)
    }
}

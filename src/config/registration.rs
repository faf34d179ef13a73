//! Who may create an account.

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Anyone.
    Open,
    /// Users invited by an administrator.
    Invite,
    /// No one can register; administrators create accounts.
    Closed,
}

impl Registration {
    /// Returns the name used in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Registration::Open => "open",
            Registration::Invite => "invite",
            Registration::Closed => "closed",
        }
    }
}

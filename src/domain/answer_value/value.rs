//! The values that answers can state, and how two of them are compared.

use std::fmt;

use super::quantity::Quantity;

/// The value that an answer states. Its `Display` output is the normal form, which reads back as the same value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerValue {
    /// An option of the question, by its label in uppercase.
    Choice(char),
    /// Yes or no, also written as true or false.
    YesNo(bool),
    /// A number with or without a unit.
    Number(NumberValue),
    /// A date: "2026-04-03"; see `dates`.
    Date(String),
    /// A time of day: "14:30".
    Clock(String),
    /// Anything else, in lowercase unless it consists of symbols.
    Text(String),
}

/// A number that an answer states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberValue {
    /// Name of the variable: "x" in "x = 5"; `None` if the number has no name.
    pub name: Option<String>,
    /// The number with its unit.
    pub quantity: Quantity,
    /// Whether the question names the unit, so that the number alone means the same.
    pub is_unit_asked: bool,
}

impl AnswerValue {
    /// Whether two answers have the same value. Symmetric but not transitive: a number without a unit may
    /// equal two that differ from each other ("5", "$5", and "5 €"). For more than two answers, use
    /// `group_equal_values`.
    pub fn has_same_value(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => one.has_same_value(other),
            _ => self == other,
        }
    }

    /// Whether the value is something other than text.
    pub const fn is_structured(&self) -> bool {
        !matches!(self, Self::Text(_))
    }

    /// Returns the quantity if the value is a number.
    pub const fn quantity(&self) -> Option<&Quantity> {
        match self {
            Self::Number(number) => Some(&number.quantity),
            _ => None,
        }
    }
}

impl NumberValue {
    fn has_same_value(&self, other: &Self) -> bool {
        let has_same_name = self.name.is_none() || other.name.is_none() || self.name == other.name;
        let (own_quantity, other_quantity) = (&self.quantity, &other.quantity);
        let equal = own_quantity.unit.base_symbol == other_quantity.unit.base_symbol
            && own_quantity.amount == other_quantity.amount;
        has_same_name
            && (equal
                || own_quantity.is_cents_of(other_quantity)
                || other_quantity.is_cents_of(own_quantity)
                || self.omits_unit_of(other)
                || other.omits_unit_of(self))
    }

    fn omits_unit_of(&self, other: &Self) -> bool {
        let is_bare = self.quantity.unit.is_dimensionless() && !self.quantity.is_percent;
        let may_omit_unit = other.quantity.unit.is_money || other.is_unit_asked;
        is_bare && may_omit_unit && other.quantity.written_amount == Some(self.quantity.amount)
    }
}

impl fmt::Display for AnswerValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Choice(label) => write!(f, "{label}"),
            Self::YesNo(true) => f.write_str("yes"),
            Self::YesNo(false) => f.write_str("no"),
            Self::Number(number) => match &number.name {
                Some(name) => write!(f, "{name} = {}", number.quantity),
                None => write!(f, "{}", number.quantity),
            },
            Self::Date(text) | Self::Clock(text) | Self::Text(text) => f.write_str(text),
        }
    }
}

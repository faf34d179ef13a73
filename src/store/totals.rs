//! Totals to which many transactions add, such as a user's usage of a model on a day. The amounts that the jobs of a
//! transaction add are collected and written at its end: each row once, and the rows in the same order in every
//! transaction. Servers that add to the same rows therefore never deadlock, and wait for each other only at the end of
//! their transactions.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::params::Value;

/// A part of a row's key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum KeyPart {
    /// A number, such as a day.
    Integer(i64),
    /// A text, such as an ID.
    Text(String),
}

/// A change of one column of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Amount {
    /// A number that is added to the column.
    Sum(i64),
    /// A number that replaces the column's value if it is greater than that value.
    Latest(i64),
}

/// A statement and the key of the row to which it adds. The statement's first parameters are the key, followed by the
/// amounts.
type TotalRow = (&'static str, Vec<KeyPart>);

/// Amounts by row, sorted in the order in which the rows are written.
#[derive(Debug, Default)]
pub(super) struct Totals(BTreeMap<TotalRow, Vec<Amount>>);

/// The amounts that a transaction is going to add.
#[derive(Debug, Default)]
pub(super) struct PendingTotals {
    /// Amounts of the jobs that have succeeded.
    kept: Totals,
    /// Amounts of the job that is running.
    running: Totals,
}

impl PendingTotals {
    /// Adds amounts of the job that is running.
    pub(super) fn add(&mut self, sql: &'static str, key: Vec<KeyPart>, amounts: &[Amount]) {
        self.running.add((sql, key), amounts.to_vec());
    }

    /// Keeps the amounts of the running job, which has succeeded.
    pub(super) fn keep_job(&mut self) {
        for (row, amounts) in std::mem::take(&mut self.running.0) {
            self.kept.add(row, amounts);
        }
    }

    /// Discards the amounts of the running job, which has failed.
    pub(super) fn drop_job(&mut self) {
        self.running.0.clear();
    }

    /// Takes all amounts added so far, including those of the running job.
    pub(super) fn take(&mut self) -> Totals {
        self.keep_job();
        std::mem::take(&mut self.kept)
    }
}

impl Totals {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Passes each statement and its values to `write`, in order.
    ///
    /// # Errors
    /// Returns the first error from `write`, and skips the rest.
    pub(super) fn write<E>(
        &self,
        mut write: impl FnMut(&'static str, &[Value<'_>]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.0.iter().try_for_each(|((sql, key), amounts)| {
            let key = key.iter().map(|part| match part {
                KeyPart::Integer(number) => Value::Integer(*number),
                KeyPart::Text(text) => Value::Text(text),
            });
            let amounts = amounts.iter().map(|amount| match amount {
                Amount::Sum(number) | Amount::Latest(number) => Value::Integer(*number),
            });
            write(sql, &key.chain(amounts).collect::<Vec<_>>())
        })
    }

    fn add(&mut self, row: TotalRow, amounts: Vec<Amount>) {
        match self.0.entry(row) {
            Entry::Vacant(place) => drop(place.insert(amounts)),
            Entry::Occupied(known) => {
                let known = known.into_mut().iter_mut();
                known
                    .zip(amounts)
                    .for_each(|(known, amount)| known.merge(amount));
            }
        }
    }
}

impl Amount {
    fn merge(&mut self, other: Self) {
        *self = match (*self, other) {
            (Self::Sum(known), Self::Sum(more)) => Self::Sum(known.saturating_add(more)),
            (Self::Latest(known), Self::Latest(other)) => Self::Latest(known.max(other)),
            // The amounts for one column are always of the same kind.
            (_, other) => other,
        };
    }
}

impl From<i64> for KeyPart {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<&str> for KeyPart {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_written_once_in_the_order_of_their_keys_without_those_of_failed_jobs() {
        let mut pending = PendingTotals::default();
        let key = |name: &str| vec![KeyPart::from(name), 5.into()];
        pending.add("b", key("ada"), &[Amount::Sum(1), Amount::Latest(9)]);
        pending.add("a", key("bob"), &[Amount::Sum(2), Amount::Latest(1)]);
        pending.keep_job();
        pending.add("a", key("bob"), &[Amount::Sum(40), Amount::Latest(8)]);
        pending.drop_job();
        pending.add("a", key("ada"), &[Amount::Sum(3), Amount::Latest(1)]);
        pending.add("b", key("ada"), &[Amount::Sum(4), Amount::Latest(7)]);
        let mut written = Vec::new();
        let all = pending.take().write(|sql, values| {
            written.push(format!("{sql} {values:?}"));
            Ok::<_, ()>(())
        });
        assert_eq!(all, Ok(()));
        assert_eq!(
            written,
            [
                r#"a [Text("ada"), Integer(5), Integer(3), Integer(1)]"#,
                r#"a [Text("bob"), Integer(5), Integer(2), Integer(1)]"#,
                r#"b [Text("ada"), Integer(5), Integer(5), Integer(9)]"#,
            ]
        );
        assert!(pending.take().0.is_empty());
    }
}

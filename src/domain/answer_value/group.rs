//! Groups answers with the same value.

use super::reader::AnswerReader;
use super::value::AnswerValue;

/// Returns the group of each value, numbered from 0 in order of first appearance. Values with the same normal form
/// belong to one group. A value without a unit ("5") joins the groups that it equals only if they all equal each other:
/// "5", "$5", and "5 dollars" form one group, whereas "5", "$5", and "5 €" form three.
pub fn group_equal_values(values: &[AnswerValue]) -> Vec<usize> {
    let spelling = |value: &AnswerValue| (std::mem::discriminant(value), value.to_string());
    let spellings: Vec<_> = values.iter().map(spelling).collect();
    let first = |of: &_| {
        spellings
            .iter()
            .position(|spelling| spelling == of)
            .unwrap_or_default()
    };
    let exact: Vec<usize> = spellings.iter().map(first).collect();
    let is_same = |one: usize, other: usize| {
        (0..values.len()).any(|left| {
            exact[left] == one
                && (0..values.len()).any(|right| {
                    exact[right] == other && values[left].has_same_value(&values[right])
                })
        })
    };
    let mut distinct = exact.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let mut joined = exact.clone();
    for group in connected_components(&distinct, is_same) {
        let all_equal = group
            .iter()
            .all(|&one| group.iter().all(|&other| is_same(one, other)));
        if let Some(&first) = group.first().filter(|_| all_equal) {
            let members = joined.iter_mut().filter(|member| group.contains(member));
            members.for_each(|member| *member = first);
        }
    }
    renumber_groups(&joined)
}

/// Returns the value that the closing statements of all these answers share. `None` if the values differ, if an answer
/// has none, or if there are fewer than two answers.
pub fn common_value(question: &str, answers: &[&str]) -> Option<AnswerValue> {
    let reader = AnswerReader::new(question);
    let values: Option<Vec<AnswerValue>> =
        answers.iter().map(|answer| reader.read(answer)).collect();
    let values = values.filter(|values| values.len() > 1)?;
    let is_one = group_equal_values(&values).iter().all(|group| *group == 0);
    values.into_iter().next().filter(|_| is_one)
}

// Returns the connected components of the groups under the relation `is_same`.
fn connected_components(
    groups: &[usize],
    is_same: impl Fn(usize, usize) -> bool,
) -> Vec<Vec<usize>> {
    let mut left = groups.to_vec();
    let mut components = Vec::new();
    while !left.is_empty() {
        let mut component = vec![left.remove(0)];
        let mut at = 0;
        while let Some(&node) = component.get(at) {
            let (neighbors, far): (Vec<usize>, Vec<usize>) =
                left.into_iter().partition(|&other| is_same(node, other));
            component.extend(neighbors);
            left = far;
            at += 1;
        }
        components.push(component);
    }
    components
}

fn renumber_groups(groups: &[usize]) -> Vec<usize> {
    let mut seen_groups: Vec<usize> = Vec::new();
    let number = |group: &usize| {
        seen_groups
            .iter()
            .position(|known| known == group)
            .unwrap_or_else(|| {
                seen_groups.push(*group);
                seen_groups.len() - 1
            })
    };
    groups.iter().map(number).collect()
}

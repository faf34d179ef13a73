//! Tests pairs of answers that were labeled as equal or different without knowledge of the rules.

use super::*;

#[test]
fn external_pairs_are_classified_correctly() {
    let (mut same, mut different, mut wrong) = (0, 0, Vec::new());
    let pairs = include_str!("../../../../tests/data/answers/pairs.tsv");
    for line in pairs.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [kind, question, one, other] = fields[..] else {
            panic!("{line}");
        };
        let reader = AnswerReader::new(&question.replace("\\n", "\n"));
        let values = (reader.read(one), reader.read(other));
        let is_same = matches!(&values, (Some(one), Some(other)) if one.has_same_value(other));
        same += usize::from(kind == "=");
        different += usize::from(kind == "!");
        if is_same != (kind == "=") {
            wrong.push(format!("{line}: {values:?}"));
        }
    }
    assert!(same >= 150 && different >= 200, "{same}, {different}");
    assert_eq!(wrong, Vec::<String>::new());
}

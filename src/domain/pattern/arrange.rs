//! Derives the stages of a run from a pattern and a depth.

use super::{Arrangement, Pattern};
use crate::domain::analysis::{Depth, Stage, StageRole};

/// Agreement threshold of a cascade, 0 to 1. If the drafts agree less than this, the synthesizer is called.
pub const CASCADE_THRESHOLD: f64 = 0.8;
/// Default number of samples in the `self` arrangement. More than three add little.
pub const DEFAULT_SAMPLES: u32 = 3;
/// Number of members that draft an answer in a cascade. The rest of the panel is not called.
pub const CASCADE_DRAFTS: usize = 2;

/// Returns the arrangement in which a pattern runs at a depth. A quick run asks one model, unless the pattern
/// is a vote.
pub fn arrangement_at_depth(pattern: &Pattern, depth: Depth) -> Arrangement {
    match (pattern.arrangement, depth) {
        // A vote does not depend on the depth.
        (Arrangement::Vote, _) => Arrangement::Vote,
        (_, Depth::Quick) => Arrangement::Single,
        (arrangement, _) => arrangement,
    }
}

/// Returns the stages of a pattern that run at a depth. A run of a single model has only the first stage; at standard
/// depth, other runs skip the stages between the second and the last.
pub fn stages_at_depth(pattern: &Pattern, depth: Depth) -> Vec<Stage> {
    let mut stages = pattern.plan_stages();
    match arrangement_at_depth(pattern, depth) {
        Arrangement::Single => {
            stages.truncate(1);
            // The answer of the only stage is the final answer.
            stages
                .iter_mut()
                .for_each(|stage| stage.role = StageRole::Synthesizer);
        }
        Arrangement::Staged | Arrangement::Own if depth == Depth::Standard && stages.len() > 3 => {
            let last = stages.pop();
            stages.truncate(2);
            stages.extend(last);
        }
        _ => {}
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::chat::Task;
    use crate::domain::pattern::StageDefinition;

    fn pattern(arrangement: Arrangement, names: &[&str]) -> Pattern {
        let last = names.len() - 1;
        let stage = |(index, name): (usize, &&str)| StageDefinition {
            name: (*name).into(),
            role: match index == last && last > 0 {
                true => StageRole::Synthesizer,
                false => StageRole::Members,
            },
            task: Task::Answer,
            help: String::new(),
            prompt: "{question}".into(),
        };
        Pattern {
            id: "p".into(),
            name: String::new(),
            summary: String::new(),
            description: String::new(),
            category: String::new(),
            arrangement,
            complexity: "low".into(),
            panel: (1, 3),
            use_cases: Vec::new(),
            limitations: Vec::new(),
            stages: names.iter().enumerate().map(stage).collect(),
        }
    }

    #[test]
    fn the_depth_determines_the_number_of_stages() {
        use Arrangement::{Cascade, Own, Single, Staged, Vote};
        use Depth::{Full, Quick, Standard};
        let four: &[&str] = &["initial", "meta", "hyper", "ultra"];
        let two: &[&str] = &["initial", "ultra"];
        for (arrangement, names, depth, expected) in [
            (Staged, four, Quick, "initial"),
            (Staged, four, Standard, "initial meta ultra"),
            (Staged, four, Full, "initial meta hyper ultra"),
            (Staged, two, Standard, "initial ultra"),
            (Own, two, Standard, "initial ultra"),
            (Cascade, two, Quick, "initial"),
            (Vote, &["initial"], Quick, "initial"),
            (Single, &["initial"], Full, "initial"),
        ] {
            let stages = stages_at_depth(&pattern(arrangement, names), depth);
            let names: Vec<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
            assert_eq!(names.join(" "), expected, "{arrangement:?} {depth:?}");
            let ends_with_one = stages
                .last()
                .is_some_and(|last| last.role == StageRole::Synthesizer);
            assert_eq!(ends_with_one, arrangement != Vote);
        }
    }
}

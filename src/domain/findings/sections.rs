//! The sections of a synthesis or a review, by what their headings mean: in English and German, in the
//! words that models choose. What says "none" is none; nothing is added.

use super::markdown::{Block, Kind, blocks, plain};

/// Points read from one section at most.
const MOST: usize = 40;

/// What a section is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    Answer,
    Consensus,
    Contradictions,
    Unique,
    BlindSpots,
}

/// What was found under the headings.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sections {
    /// As Markdown: blocks parted by blank lines.
    pub answer: String,
    pub consensus: Vec<String>,
    pub contradictions: Vec<String>,
    pub unique: Vec<String>,
    pub blind_spots: Vec<String>,
}

impl Sections {
    /// Reads a text. What stands before every known heading is the answer.
    pub fn of(markdown: &str) -> Self {
        let mut sections = Self::default();
        let mut reader = Reader {
            about: Some(About::Answer),
            level: 0,
            indent: None,
            titled: false,
        };
        for block in blocks(markdown) {
            reader.take(&mut sections, &block);
        }
        for points in [
            &mut sections.consensus,
            &mut sections.contradictions,
            &mut sections.unique,
            &mut sections.blind_spots,
        ] {
            points.retain(|point| !is_none(point));
            points.truncate(MOST);
        }
        sections
    }

    fn points(&mut self, about: About) -> Option<&mut Vec<String>> {
        match about {
            About::Answer => None,
            About::Consensus => Some(&mut self.consensus),
            About::Contradictions => Some(&mut self.contradictions),
            About::Unique => Some(&mut self.unique),
            About::BlindSpots => Some(&mut self.blind_spots),
        }
    }
}

struct Reader {
    about: Option<About>,
    level: usize,
    /// How far the points of this section's list are indented.
    indent: Option<usize>,
    /// The last point is a heading of its own, and what follows belongs to it.
    titled: bool,
}

impl Reader {
    fn take(&mut self, sections: &mut Sections, block: &Block) {
        if let Kind::Heading(level) = block.kind {
            let known = about(&block.text);
            // A heading that says nothing here ends a section, unless it lies within it.
            if known.is_some() || level <= self.level {
                self.enter(known, level);
                return;
            }
        }
        let (lead, rest) = inline_heading(&block.text);
        // What a critique lists as missing is missing from the one answer it speaks of.
        let of_one = |lead: &&str| {
            matches!(block.kind, Kind::Item(_)) && lead.eq_ignore_ascii_case("missing")
        };
        if let Some(known) = lead.filter(|lead| !of_one(lead)).and_then(about) {
            // Any heading ends what a label has begun; a line in bold does not.
            self.enter(Some(known), 6);
            let rest = Block {
                kind: Kind::Paragraph,
                text: rest.to_owned(),
            };
            if !rest.text.is_empty() {
                self.keep(sections, &rest);
            }
            return;
        }
        self.keep(sections, block);
    }

    fn enter(&mut self, about: Option<About>, level: usize) {
        *self = Self {
            about,
            level,
            indent: None,
            titled: false,
        };
    }

    fn keep(&mut self, sections: &mut Sections, block: &Block) {
        let Some(about) = self.about else {
            return;
        };
        let Some(points) = sections.points(about) else {
            let mark = match block.kind {
                Kind::Heading(_) => "### ",
                Kind::Item(_) => "- ",
                Kind::Row => "| ",
                Kind::Paragraph => "",
            };
            sections
                .answer
                .push_str(&format!("{mark}{}\n\n", block.text));
            return;
        };
        let text = plain(&block.text);
        if let Kind::Heading(_) = block.kind {
            self.titled = true;
            return points.push(text);
        }
        let nested = match block.kind {
            Kind::Item(indent) => *self.indent.get_or_insert(indent) < indent,
            _ => false,
        };
        match points.last_mut() {
            Some(last) if nested || self.titled => {
                last.push_str("; ");
                last.push_str(&text);
            }
            _ => points.push(text),
        }
    }
}

// "**Contradictions:** none" and "Contradictions: none" are a heading and its text in one line.
fn inline_heading(text: &str) -> (Option<&str>, &str) {
    let Some((lead, rest)) = text.split_once(':') else {
        return (None, text);
    };
    let lead = lead.trim_matches(['*', '_', ' ']);
    let is_short = lead.chars().count() <= 32 && lead.split(' ').count() <= 6;
    (
        is_short.then_some(lead),
        rest.trim_start_matches(['*', '_', ' ']),
    )
}

/// A member's text without what it says of its own changes: what stands under its answer's heading where it
/// has one, else all of it.
pub(super) fn answer_of(markdown: &str) -> String {
    let opens = |block: &Block| {
        matches!(block.kind, Kind::Heading(_)) && about(&block.text) == Some(About::Answer)
    };
    if !blocks(markdown).iter().any(opens) {
        return markdown.to_owned();
    }
    Sections::of(markdown).answer
}

/// What headings announce: parts of a heading and whole ones. The first that fits counts: "disagree" before
/// "agree".
const HEADINGS: &[(About, &[&str], &[&str])] = &[
    (
        About::Contradictions,
        &[
            "contradiction",
            "disagree",
            "inconsisten",
            "widerspr",
            "uneinig",
            "where they differ",
        ],
        &[
            "conflicts",
            "points of conflict",
            "where the members differ",
            "open conflicts",
        ],
    ),
    (
        About::BlindSpots,
        &[
            "blind spot",
            "missing from all",
            "blinde fleck",
            "blinde stelle",
            "fehlt bei allen",
        ],
        &[
            "blindspots",
            "missing",
            "not covered",
            "what is missing",
            "gaps",
            "lücken",
            "was fehlt",
        ],
    ),
    (
        About::Unique,
        &[
            "made by one",
            "unique point",
            "only one",
            "nur von einem",
            "nur eines",
            "von nur einem",
            "einzelne punkte",
        ],
        &[
            "unique",
            "unique insights",
            "unique claims",
            "einzelpunkte",
            "einzelmeinungen",
        ],
    ),
    (
        About::Consensus,
        &[
            "agree",
            "consensus",
            "konsens",
            "übereinstimm",
            "einig",
            "common ground",
        ],
        &["shared by several", "shared points", "gemeinsamkeiten"],
    ),
    (
        About::Answer,
        &[],
        &[
            "answer",
            "final answer",
            "the answer",
            "the one answer",
            "antwort",
            "die antwort",
            "endgültige antwort",
            "synthesis",
            "synthesised answer",
            "synthesized answer",
            "synthese",
        ],
    ),
];

fn about(title: &str) -> Option<About> {
    let lower = title.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !word.bytes().all(|byte| byte.is_ascii_digit()))
        .collect();
    let title = words.join(" ");
    let fits = |(_, parts, titles): &&(About, &[&str], &[&str])| {
        parts.iter().any(|part| title.contains(part)) || titles.contains(&title.as_str())
    };
    let found = HEADINGS.iter().find(fits);
    found.filter(|_| words.len() <= 9).map(|(about, ..)| *about)
}

/// A point that says that there is none, or that counts points instead of making one.
fn is_none(point: &str) -> bool {
    let lower = point.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !c.is_alphanumeric() && c != '/')
        .filter(|word| !word.is_empty())
        .collect();
    let first = words.first().copied().unwrap_or_default();
    let second = words.get(1).copied().unwrap_or_default();
    const FOUND: &[&str] = &[
        "found",
        "identified",
        "gefunden",
        "noted",
        "detected",
        "remain",
        "at",
        "beyond",
        "vorhanden",
        "erkennbar",
        "apparent",
    ];
    const THINGS: &[&str] = &[
        "contradiction",
        "contradictions",
        "blind",
        "unique",
        "disagreement",
        "disagreements",
        "major",
        "significant",
        "further",
        "consensus",
        "such",
        "agreement",
        "points",
        "point",
        "gaps",
        "conflicts",
        "direct",
        "real",
        "substantive",
        "inconsistencies",
        "material",
        "other",
        "notable",
    ];
    match first {
        "" | "n/a" => true,
        "none" | "keine" | "nichts" | "keiner" => {
            words.len() == 1
                || words.len() <= 10 && (FOUND.contains(&second) || second.starts_with("widerspr"))
                || words.len() <= 3 && first != "none"
        }
        "no" | "there" => {
            let thing = if first == "no" {
                second
            } else {
                words.get(3).copied().unwrap_or_default()
            };
            let denies = first == "no" || words.get(2) == Some(&"no");
            denies && THINGS.contains(&thing) && words.len() <= 12
        }
        "spread" => true,
        _ => is_spread(&lower),
    }
}

// The patterns ask for one sentence on how many points stand at each level; that is no blind spot.
fn is_spread(lower: &str) -> bool {
    let levels = ["very high", "high", "medium", "low"];
    let named = levels
        .iter()
        .filter(|level| lower.contains(**level))
        .count();
    named >= 3 && lower.contains("point")
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: &str = "## Answer\n\nIt is thin (A).\n\n- Second\n\n## Where the members agree\n- Thin (A, B)\n- Grey (all)\n\n## Contradictions\n1. Weight: A says 5 g; B says 6 g.\n   - settled by [1]\n\n## Points made by one only\nNone found.\n\n## Blind spots\n- Nobody gives a price.\n";

    #[test]
    fn the_usual_form_is_read() {
        let found = Sections::of(USUAL);
        assert_eq!(found.answer, "It is thin (A).\n\n- Second\n\n");
        assert_eq!(found.consensus, ["Thin (A, B)", "Grey (all)"]);
        assert_eq!(
            found.contradictions,
            ["Weight: A says 5 g; B says 6 g.; settled by [1]"]
        );
        assert!(found.unique.is_empty());
        assert_eq!(found.blind_spots, ["Nobody gives a price."]);
    }

    #[test]
    fn other_forms_give_the_same() {
        let usual = Sections::of(USUAL);
        for text in [
            USUAL.replace("## ", "### "),
            USUAL.replace("Blind spots", "BLIND SPOTS:"),
            USUAL.replace("## Contradictions", "**Contradictions**"),
            USUAL.replace("## Contradictions", "## 3. Contradictions 🤔"),
            USUAL.replace("None found.", "- None."),
            USUAL.replace("None found.", "Keine gefunden."),
            USUAL.replace("None found.", "There are no unique points."),
            USUAL.replace(
                "## Where the members agree",
                "## Worin sich die Mitglieder einig sind",
            ),
            USUAL.replace("## Contradictions", "## Widersprüche"),
            USUAL.replace(
                "## Points made by one only\nNone",
                "**Points made by one only:** None",
            ),
            USUAL.replace("- Nobody", "* Nobody"),
            USUAL.replace("## Answer\n\n", ""),
            format!("{USUAL}\n## Sources\n- [1] paper.txt\n"),
        ] {
            assert_eq!(Sections::of(&text), usual, "{text}");
        }
    }

    #[test]
    fn a_critique_speaks_of_one_answer_at_a_time() {
        let found = Sections::of(
            "## On answer B\n1. claim: thin\n2. missing: what it weighs\n\n## On answer C\n3. claim: grey\n\n## Missing from all\n- the price\n\n**Gaps:** the date\n\n## Else\n- more",
        );
        assert_eq!(found.blind_spots, ["the price", "the date"]);
    }

    #[test]
    fn what_only_begins_like_none_is_a_point() {
        for (point, none) in [
            ("None", true),
            ("No contradictions were found.", true),
            ("No member gives a price.", false),
            ("None of the members gives a price.", false),
            ("Keine Antwort nennt den Preis.", false),
            ("Spread: 2 points very high, 1 medium.", true),
            (
                "Two points stand at very high, one at high, none at medium and low.",
                true,
            ),
        ] {
            assert_eq!(is_none(point), none, "{point}");
        }
    }

    #[test]
    fn a_text_without_headings_is_an_answer() {
        let found = Sections::of("Just thin.\n\n- so there");
        assert_eq!(found.answer, "Just thin.\n\n- so there\n\n");
        assert!(found.consensus.is_empty() && found.blind_spots.is_empty());
    }
}

//! Tests with questions in ordinary words, each with a pattern that must be among the first three.

use std::collections::BTreeSet;

use super::super::stored::{EMBEDDED_PATTERNS, PatternOrigin};
use super::*;

fn embedded() -> Vec<StoredPattern> {
    let list: Vec<Pattern> =
        serde_json::from_str(EMBEDDED_PATTERNS).expect("the embedded patterns");
    let stored_pattern = |pattern| StoredPattern::without_owner(pattern, PatternOrigin::Embedded);
    list.into_iter().map(stored_pattern).collect()
}

#[rustfmt::skip]
const QUESTIONS_AND_PATTERNS: &[(&str, &str)] = &[
    ("gut", "What do you think of \"Lumen\" as a name for a reading lamp?"),
    ("gut", "Brainstorm titles for a talk on wetlands"),
    ("gut", "Was sagt euch das Bauchgefühl: rotes oder blaues Logo?"),
    ("confidence", "How sure can we be that the new drug lowers mortality?"),
    ("confidence", "Should we sign the lease for the second shop?"),
    ("confidence", "Wie sicher ist die Prognose für 2027?"),
    ("critique", "Critique the argument in section 3 of my thesis"),
    ("critique", "Play devil's advocate against this proposal"),
    ("critique", "Welche Gegenargumente gibt es zu diesem Vorschlag?"),
    ("fact_check", "Verify the claims in this press release against the report"),
    ("fact_check", "Is it true that the plant cut its emissions by half?"),
    ("fact_check", "Faktencheck: Stimmt das, was im Interview über die Rente gesagt wurde?"),
    ("perspective", "Look at remote work from all sides, for a balanced recommendation"),
    ("perspective", "Welche Blickwinkel auf die Schulreform fehlen in diesem Bericht?"),
    ("scenario", "What if our largest supplier fails next winter?"),
    ("scenario", "Entwirf ein Szenario für einen Stromausfall im Krankenhaus"),
    ("stakeholder", "Who is affected by closing the branch, and who will oppose it?"),
    ("stakeholder", "Wie gewinnen wir die Gewerkschaft und andere Betroffene für den Umzug?"),
    ("systems", "Why does the backlog keep growing? Find the feedback loops and leverage points"),
    ("systems", "Welche Wechselwirkungen entstehen, wenn wir die Parkgebühren erhöhen?"),
    ("time", "Draw up a roadmap for the heating network up to 2040"),
    ("time", "Was bringt die Investition kurzfristig, was langfristig?"),
    ("innovation", "Find analogies in other fields for keeping food fresh without power"),
    ("innovation", "Unkonventionelle Ideen für leerstehende Läden in der Innenstadt"),
    ("learning", "Make a course on reading balance sheets for beginners, with exercises"),
    ("learning", "Erstelle eine Lektion mit Übungen zum Bruchrechnen"),
    ("team", "Who does what when five of us organise the conference? Set up the team"),
    ("team", "Schlage eine Aufgabenverteilung für den Festausschuss vor"),
    ("synthesis", "Write a literature review across the documents on urban heat"),
    ("synthesis", "Synthese aller Berichte zum Deichbau mit Quellen"),
    ("improvement", "Improve the draft of my cover letter"),
    ("improvement", "Überarbeite unseren Bestellprozess: Was verbessern wir zuerst?"),
    ("summarize", "Summarise the report in ten lines"),
    ("summarize", "Fasse das Protokoll zusammen"),
    ("summarize", "TL;DR please"),
    ("analyze", "Analyse the causes of the delay and explain the consequences"),
    ("analyze", "Untersuche, warum die Besucherzahlen gefallen sind"),
    ("compare", "Compare the two offers by price, warranty and delivery"),
    ("compare", "Was ist der Unterschied zwischen Fassung 2 und Fassung 3 des Vertrags?"),
    ("extract", "List all deadlines and amounts in the contract"),
    ("extract", "Liste alle Fristen aus dem Bescheid auf"),
    ("self", "Compute the expected value of the game and show the steps"),
    ("self", "Beweise, dass die Wurzel aus 2 irrational ist"),
    ("vote", "Which of the following is a mammal? A) shark B) dolphin C) tuna"),
    ("vote", "Is the notice period three months?"),
    ("vote", "Wie viele Mitglieder hat der Ausschuss?"),
    ("cascade", "Double-check quickly and as cheap as possible: when was the bridge opened?"),
    ("cascade", "Ich brauche günstig eine zweite Meinung zu diesem Befund"),
    ("single", "Translate the sentence into French"),
    ("single", "Who wrote Middlemarch?"),
    ("plain", "Reply with one word only: is the lease longer than ten years?"),
];

#[test]
fn ordinary_questions_rank_their_pattern_in_the_top_three() {
    let patterns = embedded();
    let mut covered_patterns = BTreeSet::new();
    let mut missed = Vec::new();
    for (id, question) in QUESTIONS_AND_PATTERNS {
        if !patterns.iter().any(|stored| stored.id() == *id) {
            continue;
        }
        let ranked = rank(&patterns, question);
        assert_eq!(ranked.len(), patterns.len(), "all of them are ranked");
        let first: Vec<&str> = ranked
            .iter()
            .take(3)
            .map(|one| one.pattern.id.as_str())
            .collect();
        if first.contains(id) {
            covered_patterns.insert(*id);
            let one = ranked
                .iter()
                .find(|one| one.pattern.id == *id)
                .expect("ranked");
            assert!(
                one.score > 0.0 && !one.reason.starts_with("nothing"),
                "{question}: {one:?}"
            );
        } else {
            missed.push(format!("{id}: {question}: {first:?}"));
        }
    }
    assert!(missed.is_empty(), "\n{}", missed.join("\n"));
    let left: Vec<&str> = patterns
        .iter()
        .map(StoredPattern::id)
        .filter(|id| !covered_patterns.contains(id))
        .collect();
    assert!(left.is_empty(), "no question for {left:?}");
    assert!(QUESTIONS_AND_PATTERNS.len() >= 40);
}

#[test]
fn signals_are_lowercase_and_strong_for_only_one_pattern() {
    let mut seen_signs = BTreeSet::new();
    for (id, strong, weak) in KEYWORD_SIGNALS {
        for word in strong.iter().chain(*weak) {
            assert_eq!(*word, word.to_lowercase(), "{id}");
        }
        for word in *strong {
            assert!(
                seen_signs.insert(*word) || *word == "classify",
                "{id}: {word} twice"
            );
        }
    }
}

#[test]
fn without_signs_the_default_ranks_first_and_says_so() {
    let patterns = embedded();
    let ranked = rank(&patterns, "Hm");
    assert_eq!(ranked[0].pattern.id, "confidence");
    assert!(ranked[0].score < 0.05 && ranked[0].reason.starts_with("nothing"));
    for unusual in ["", "?", "ÄÖÜ?\u{1F600}", &"ä? ".repeat(10_000)] {
        assert_eq!(rank(&patterns, unusual).len(), patterns.len());
    }
}

#[test]
fn a_custom_pattern_is_found_by_its_description() {
    let mut patterns = embedded();
    let tree = serde_json::json!({ "id": "leases", "name": "Lease review", "use_cases": ["Commercial leases and their indexation"], "stages": [
        { "name": "initial", "prompt": "{question}" }, { "name": "ultra", "prompt": "{peers}" } ] });
    let own_pattern = crate::domain::pattern::file::parse_pattern(&tree).expect("a pattern");
    patterns.push(StoredPattern::without_owner(
        own_pattern,
        PatternOrigin::Own,
    ));
    let ranked = rank(&patterns, "Check the indexation of our commercial leases");
    assert_eq!(ranked[0].pattern.id, "leases");
    assert!(
        ranked[0].reason.contains("indexation"),
        "{}",
        ranked[0].reason
    );
}

#[test]
fn signs_match_only_at_word_starts() {
    assert!(has_word_prefix("these claims", "claim"));
    assert!(!has_word_prefix("a disclaimer", "claim"));
}

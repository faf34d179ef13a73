//! Tests of stored findings from this and older versions, and of the lists for older clients.

use serde_json::json;

use super::*;

#[test]
fn claims_of_an_older_version_are_dropped_and_figures_kept() {
    let stored_json = json!({
        "consensus": [{ "point": "It is thin.", "letters": ["A", "B"], "from": "synthesis" }],
        "contradictions": [{ "point": "fee", "sides": [{ "letters": ["A"], "says": "30" }], "from": "critique" }],
        "unique": [{ "letter": "A", "point": "x", "from": "critique" }],
        "blind_spots": [{ "point": "y" }],
        "support": [{ "sentence": "It is thin.", "letters": ["A", "B"], "level": "very_high" }],
        "confidence": { "very_high": 1 }, "disagreement": { "score": 0.0 },
        "stages": [{ "stage": "initial", "answered": 2 }], "notes": ["a note"], "note": "careful",
    });
    let read: Findings = serde_json::from_value(stored_json).expect("findings");
    assert!(read.consensus.is_empty() && read.contradictions.is_empty());
    assert!(read.unique.is_empty() && read.blind_spots.is_empty());
    assert_eq!((read.stages[0].answered, &*read.notes[0]), (2, "a note"));
    assert_eq!(read.evidence.status, EvidenceStatus::Off);
    assert_eq!(read.evidence.reason.as_deref(), Some(OLDER_RUN_REASON));
}

#[test]
fn lists_match_the_evidence_map() {
    let evidence = json!({
        "status": "judged",
        "claims": [
            { "text": "It is thin.", "stances": [
                { "letter": "A", "stance": "asserts", "quote": "it is thin" }, { "letter": "B", "stance": "asserts", "quote": "thin it is" } ] },
            { "text": "It is grey.", "stances": [
                { "letter": "A", "stance": "asserts", "quote": "a grey sheet of it" }, { "letter": "B", "stance": "denies", "quote": "a white sheet of it" } ] },
        ],
        "consensus": [0], "contradictions": [{ "claim": 1, "why": "color", "sides": [
            { "letter": "A", "quote": "a grey sheet of it" }, { "letter": "B", "quote": "a white sheet of it" } ] }],
        "unique": [{ "claim": 7, "letter": "A" }], "blind_spots": ["weight"],
    });
    let findings = Findings::from_evidence(serde_json::from_value(evidence).expect("a map"));
    assert_eq!(
        findings.consensus[0].member_letters,
        BTreeSet::from(['A', 'B'])
    );
    assert_eq!(findings.contradictions[0].point, "It is grey.");
    assert_eq!(
        findings.contradictions[0].sides[1].says,
        "a white sheet of it"
    );
    assert!(findings.unique.is_empty(), "there is no such claim");
    assert_eq!(findings.blind_spots[0].point, "weight");
    let stored_json = serde_json::to_string(&findings).expect("JSON");
    assert_eq!(
        serde_json::from_str::<Findings>(&stored_json).expect("findings"),
        findings
    );
}

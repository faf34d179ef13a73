//! Builds the evidence map of a run from its plan and the answers of its calls: the judge's claims with the
//! stances whose quoted words were found, and the answer's sentences with their support. The same input
//! always gives the same map.

use super::answer::is_statement;
use super::dispute::{ClaimOutcome, have_same_words, is_reported_for, unverified_contradictions};
use super::prompts::{FirstAnswer, MAX_SENTENCES, first_answers, letter_order};
use super::read::{self, JudgeReply, JudgedClaim};
use super::rules::{conflict, difference, is_about, is_repetition, objection};
use super::similarity::similarity;
use super::support;
use super::verify::SearchedText;
use super::weigh::adjust_support;
use super::{
    ClaimContradiction, ContradictionSide, EvidenceClaim, EvidenceMap, EvidenceStatus,
    MemberStance, SentenceSupport, Stance, SupportLevels, UniqueClaim,
};
use crate::domain::analysis::{Plan, StageAnswer};
use crate::domain::money::MicroDollars;
use crate::domain::plan::EvidenceCall;

/// Reason given for a run that was stored before judges existed.
pub const OLDER_RUN_REASON: &str = "this result was made by an older version";
/// Reason given for a run that ended early.
const RUN_ENDED_REASON: &str = "the run ended before the answers were compared";

/// Builds the map of a run from its plan, the answers of all its calls, and the final answer.
pub fn build_map(plan: &Plan, answers: &[StageAnswer], synthesis: Option<&str>) -> EvidenceMap {
    let drafts = first_answers(plan, answers);
    let texts: Vec<&str> = drafts.iter().map(|draft| draft.text).collect();
    let mut map = EvidenceMap {
        similarity: similarity(&texts),
        sentences: synthesis.map_or_else(Vec::new, |text| support::unchecked_sentences(plan, text)),
        cost_usd: evidence_cost(plan, answers),
        ..EvidenceMap::default()
    };
    let call = |call: EvidenceCall| {
        let stage = plan.evidence_stage(call);
        answers.iter().find(|answer| answer.stage == stage)
    };
    let check_answer = call(EvidenceCall::Passages);
    let unchecked = check_answer.and_then(|answer| apply_checker_reply(plan, answer, &mut map));
    // If a draft became the final answer, the drafts were compared before it was chosen.
    let compared = call(EvidenceCall::Map).or_else(|| call(EvidenceCall::Drafts));
    match (&plan.evidence.judge, compared) {
        (None, _) => {
            map.status = match plan.evidence.lacks_judge {
                true => EvidenceStatus::NoJudge,
                false => EvidenceStatus::Off,
            };
            let reason = Some(&plan.evidence.reason).filter(|reason| !reason.is_empty());
            map.reason = Some(reason.map_or(OLDER_RUN_REASON, |reason| reason).to_owned());
        }
        // Only the passages had to be checked, without comparing the answers.
        (Some(_), None) if check_answer.is_some() => {
            map.status = match unchecked {
                None => EvidenceStatus::Judged,
                Some(_) => EvidenceStatus::Failed,
            };
            map.reason = unchecked;
        }
        (Some(_), None) => map.reason = Some(RUN_ENDED_REASON.to_owned()),
        (Some(_), Some(answer)) => {
            map.judge = Some(answer.model.clone());
            match judge_reply(answer) {
                Ok(reply) => {
                    map.status = EvidenceStatus::Judged;
                    map.reason = unchecked;
                    fill_claims(&mut map, plan, &drafts, reply);
                }
                Err(reason) => {
                    map.status = EvidenceStatus::Failed;
                    map.reason = Some(reason);
                }
            }
        }
    }
    map.levels = SupportLevels::count(&map.sentences);
    map
}

fn evidence_cost(plan: &Plan, answers: &[StageAnswer]) -> MicroDollars {
    let evidence_answers = answers
        .iter()
        .filter(|answer| plan.evidence_call(answer.stage).is_some());
    let costs = evidence_answers.filter_map(|answer| answer.cost);
    costs.fold(MicroDollars(0), MicroDollars::saturating_add)
}

fn judge_reply(answer: &StageAnswer) -> Result<JudgeReply, String> {
    match &answer.error {
        Some(error) => Err(format!("the answers were not compared: {}", error.detail)),
        None => read::parse_claims(&answer.text)
            .map_err(|why| format!("{} compared the answers, but {why}", answer.model)),
    }
}

// Applies the checker's verdicts to the sentences. If verdicts are missing, returns the reason.
fn apply_checker_reply(plan: &Plan, answer: &StageAnswer, map: &mut EvidenceMap) -> Option<String> {
    map.checker = Some(answer.model.clone());
    if let Some(error) = &answer.error {
        return Some(format!("the passages were not checked: {}", error.detail));
    }
    match read::parse_verdicts(&answer.text) {
        Err(why) => Some(format!("{} checked the passages, but {why}", answer.model)),
        Ok(verdicts) => {
            support::apply_verdicts(plan, &verdicts, &mut map.sentences);
            let cited_sentences = map
                .sentences
                .iter()
                .filter(|sentence| !sentence.cites.is_empty());
            (cited_sentences.count() > MAX_SENTENCES)
                .then(|| format!("only the first {MAX_SENTENCES} cited sentences were checked"))
        }
    }
}

fn fill_claims(map: &mut EvidenceMap, plan: &Plan, drafts: &[FirstAnswer<'_>], reply: JudgeReply) {
    let stage = plan
        .stage_name(plan.first_answer_stage())
        .unwrap_or_default();
    let order = letter_order(plan, drafts.len());
    let searched_drafts: Vec<SearchedText> = drafts
        .iter()
        .map(|entry| SearchedText::new(entry.text))
        .collect();
    let mut claim_outcomes = Vec::new();
    for (index, claim) in reply.claims.iter().enumerate() {
        let (stances, lost, unfound_count) =
            claim_stances(claim, drafts, &order, &searched_drafts, stage);
        let mut reported = reply.contradictions.iter();
        let sentence = sentence_of(claim, &map.sentences);
        let asserting_sentence =
            sentence.filter(|&at| objection(&claim.text, &map.sentences[at].text).is_none());
        let mut outcome = ClaimOutcome {
            text: &claim.text,
            claim: None,
            sentence,
            is_asserted: asserting_sentence.is_some(),
            objection: reported.find(|(of, _)| *of == index).map(|(_, why)| &**why),
            ineffective_denials: lost,
            unfound_quote_count: unfound_count,
        };
        let is_shown = stances.iter().any(|entry| entry.stance != Stance::Silent);
        if !is_statement(&claim.text) {
            // A heading, a table row, or a lead-in is not a claim.
        } else if let Some(known) = find_repeated_claim(&map.claims, &claim.text, &stances) {
            outcome.claim = Some(known);
        } else if is_shown {
            outcome.claim = Some(map.claims.len());
            if let Some(at) = asserting_sentence {
                map.sentences[at].claim.get_or_insert(map.claims.len());
            }
            map.claims.push(EvidenceClaim {
                text: claim.text.clone(),
                answer: asserting_sentence.map(|at| map.sentences[at].text.clone()),
                stances,
            });
        } else {
            map.dropped += 1;
        }
        claim_outcomes.push(outcome);
    }
    classify_claims(map, &claim_outcomes, &reply.unplaced_reasons);
    adjust_support(map, &claim_outcomes);
    map.blind_spots = reply.blind_spots;
}

// Returns the index of an earlier claim that this one repeats and that has the same stances.
fn find_repeated_claim(
    claims: &[EvidenceClaim],
    text: &str,
    stances: &[MemberStance],
) -> Option<usize> {
    let kinds = |stances: &[MemberStance]| -> Vec<Stance> {
        stances.iter().map(|member| member.stance).collect()
    };
    let own_stances = kinds(stances);
    claims
        .iter()
        .position(|claim| kinds(&claim.stances) == own_stances && is_repetition(text, &claim.text))
}

/// Returns the stance of every first answer on a claim. A member counts as silent unless its quoted words were found.
/// Also returns the number of the judge's denials that were not confirmed and the number of its assertions whose quoted
/// words were not found.
fn claim_stances(
    claim: &JudgedClaim,
    drafts: &[FirstAnswer<'_>],
    order: &[usize],
    searched: &[SearchedText<'_>],
    stage: &str,
) -> (Vec<MemberStance>, usize, usize) {
    let mut stances: Vec<MemberStance> = drafts
        .iter()
        .map(|draft| MemberStance {
            letter: draft.letter,
            model: draft.model.to_owned(),
            stage: stage.to_owned(),
            ..MemberStance::default()
        })
        .collect();
    for reported_stances in claim
        .stances
        .iter()
        .filter(|reported_stances| reported_stances.stance != Stance::Silent)
    {
        let letter_index = (reported_stances.letter as usize).checked_sub('A' as usize);
        let index = letter_index.and_then(|at| order.get(at)).copied();
        let Some((index, found)) =
            index.and_then(|index| Some((index, searched[index].find(&reported_stances.quote)?)))
        else {
            continue;
        };
        let (kind, why) = match reported_stances.stance {
            Stance::Asserts => match found.objection(&claim.text) {
                Some(why) => (Stance::Unconfirmed, why),
                None => (Stance::Asserts, String::new()),
            },
            _ if have_same_words(&claim.text, found.words) => (Stance::Silent, String::new()),
            denies => (denies, String::new()),
        };
        // Two stances of one member cancel each other out.
        let stance = &mut stances[index];
        let is_second = !stance.quote.is_empty();
        stance.stance = if is_second { Stance::Silent } else { kind };
        found.words.clone_into(&mut stance.quote);
        stance.lowered = why;
    }
    for stance in &mut stances {
        if stance.stance == Stance::Silent {
            stance.quote.clear();
            stance.lowered.clear();
        }
    }
    let reported_stances =
        |kind: Stance| (claim.stances.iter()).filter(move |reported| reported.stance == kind);
    let confirmed_stances = |kinds: &[Stance]| {
        let confirmed_stances = stances
            .iter()
            .filter(|reported| kinds.contains(&reported.stance));
        confirmed_stances.count()
    };
    let ineffective_denials =
        reported_stances(Stance::Denies).count() - confirmed_stances(&[Stance::Denies]);
    let asserted = confirmed_stances(&[Stance::Asserts, Stance::Unconfirmed]);
    let unfound_count = reported_stances(Stance::Asserts).count() - asserted;
    (stances, ineffective_denials, unfound_count)
}

/// Returns the index of the answer's sentence that contains the words that the judge copied, at least four of them,
/// provided that the sentence is about the claim.
fn sentence_of(claim: &JudgedClaim, sentences: &[SentenceSupport]) -> Option<usize> {
    let plain = |text: &str| -> Vec<String> {
        let words = super::tokens::tokens(text).into_iter();
        words.map(|token| token.text).collect()
    };
    let copied = plain(&claim.answer);
    if copied.len() < 4 {
        return None;
    }
    let mut all = sentences.iter().map(|sentence| plain(&sentence.text));
    all.position(|words| words.windows(copied.len()).any(|part| part == copied))
        .filter(|&at| is_about(&claim.text, &sentences[at].text))
}

// Derives the consensus, contradictions, and single-member points from the stances. A contradiction that the judge
// reports rules out agreement even if its quoted words were not found.
fn classify_claims(
    map: &mut EvidenceMap,
    claim_outcomes: &[ClaimOutcome<'_>],
    unplaced_reasons: &[String],
) {
    for (index, claim) in map.claims.iter().enumerate() {
        let reported = claim_outcomes
            .iter()
            .filter(|entry| entry.claim == Some(index));
        let why = reported.filter_map(|entry| entry.objection).next();
        let (asserting, denying) = stance_counts(claim);
        // If no member denies the claim, members can contradict each other only in numbers, dates, or names.
        let differs = why.is_some() && denying == 0 && is_disputed(claim);
        if (asserting > 0 && denying > 0) || differs {
            let has_position = |entry: &&MemberStance| match entry.stance {
                Stance::Silent => false,
                Stance::Unconfirmed => differs,
                Stance::Asserts | Stance::Denies => true,
            };
            let sides = claim.stances.iter().filter(has_position);
            let side = |entry: &MemberStance| ContradictionSide {
                letter: entry.letter,
                quote: entry.quote.clone(),
            };
            map.contradictions.push(ClaimContradiction {
                claim: index,
                why: why.unwrap_or_default().to_owned(),
                sides: sides.map(side).collect(),
            });
        }
    }
    map.unverified = unverified_contradictions(map, claim_outcomes, unplaced_reasons);
    for (index, claim) in map.claims.iter().enumerate() {
        let (asserting, denying) = stance_counts(claim);
        let is_listed = map.contradictions.iter().any(|entry| entry.claim == index);
        if is_listed || denying > 0 {
            continue;
        }
        // If the judge reports that other members take a stance too, the claim is not unique to one member,
        // even if nothing confirms the report.
        let mut claim_entries = claim_outcomes
            .iter()
            .filter(|entry| entry.claim == Some(index));
        let is_open = claim_entries
            .any(|entry| entry.ineffective_denials + entry.unfound_quote_count > 0)
            || claim
                .stances
                .iter()
                .any(|entry| entry.stance == Stance::Unconfirmed);
        if asserting >= 2 && asserting == claim.stances.len() {
            if !are_opposed(claim) && !is_reported_for(&map.unverified, index, &claim.text) {
                map.consensus.push(index);
            }
        } else if asserting == 1 && claim.stances.len() >= 2 && !is_open {
            let mut stances = claim.stances.iter();
            let alone = stances.find(|entry| entry.stance == Stance::Asserts);
            map.unique.extend(alone.map(|entry| UniqueClaim {
                claim: index,
                letter: entry.letter,
            }));
        }
    }
}

// Returns the number of members that make a claim and the number that deny it.
fn stance_counts(claim: &EvidenceClaim) -> (usize, usize) {
    let with_stance = |kind: Stance| {
        claim
            .stances
            .iter()
            .filter(move |member| member.stance == kind)
    };
    (
        with_stance(Stance::Asserts).count(),
        with_stance(Stance::Denies).count(),
    )
}

fn is_disputed(claim: &EvidenceClaim) -> bool {
    any_pair_matches(claim, |left, right| difference(left, right).is_some())
}

// Whether two members make the claim in words that conflict, because a broad claim can cover opposite statements.
fn are_opposed(claim: &EvidenceClaim) -> bool {
    any_pair_matches(claim, |left, right| conflict(left, right).is_some())
}

fn any_pair_matches(claim: &EvidenceClaim, is_match: impl Fn(&str, &str) -> bool) -> bool {
    let quotes: Vec<&str> = (claim.stances.iter())
        .filter(|left| matches!(left.stance, Stance::Asserts | Stance::Unconfirmed))
        .map(|left| left.quote.as_str())
        .collect();
    let mut pairs = quotes.iter().enumerate();
    pairs.any(|(at, left)| quotes[at + 1..].iter().any(|right| is_match(left, right)))
}

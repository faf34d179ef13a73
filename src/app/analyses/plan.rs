//! Turns a checked request into a plan: the members, the synthesizer, the passages, and the values that make a
//! rerun reproducible.

use std::collections::BTreeMap;

use super::Analyses;
use super::check::CheckedRequest;
use super::context_allocation::{ContextAllocation, PlannedPanel};
use super::history_budgets;
use super::pictures::DocumentImages;
use crate::app::{Error, Kind, Result};
use crate::crypto::{self, sha256};
use crate::domain::analysis::{Arrangement, Member, Plan, Stage};
use crate::domain::ballot;
use crate::domain::id::UserId;
use crate::domain::model::{Availability, Model};
use crate::domain::pattern::{arrange, reading};
use crate::domain::plan::{EvidencePlan, PlanImage};
use crate::domain::standing::{self, MemberTrackRecord};
use crate::domain::thread;
use crate::domain::usage;

/// The pattern that sends the prompt to one model unchanged.
const PLAIN_PATTERN: &str = "plain";
/// The strength assumed for a model that is not in the catalog.
const ASSUMED_STRENGTH: u32 = 1;

/// The IDs of the panel's models.
struct PanelIds {
    members: Vec<String>,
    synthesizer: String,
}

/// The inputs, besides the request, from which a plan is assembled.
struct PlanParts {
    pattern: String,
    members: Vec<Member>,
    synthesizer: Member,
    /// Stages other than those that read documents in parts.
    stages: Vec<Stage>,
    arrangement: Arrangement,
    standings: Vec<MemberTrackRecord>,
    history_budgets: BTreeMap<String, u64>,
    evidence: EvidencePlan,
    notes: Vec<String>,
    context: ContextAllocation,
    pictures: Vec<PlanImage>,
}

impl Analyses<'_> {
    /// Builds the plan, which fixes everything a run needs. `new` has been checked: its models and pattern exist.
    ///
    /// # Errors
    /// `BadInput` if the documents do not fit the models, or the answer format does not fit a vote; `BadRequest` if no
    /// model accepts the request's images; `Missing` for an unknown model, pattern, or document. Also fails if the
    /// documents cannot be read.
    pub(super) async fn plan(
        &self,
        user: Option<&UserId>,
        new: &CheckedRequest,
        material: DocumentImages,
    ) -> Result<Plan> {
        let pattern = self.patterns.find(user, new.request.pattern()).await?;
        let pattern = pattern.ok_or_else(Error::missing)?;
        let arrangement =
            arrange::arrangement_at_depth(&pattern, new.request.depth.unwrap_or_default());
        let PanelIds {
            members,
            synthesizer: writer,
        } = self.panel_ids(user, new, arrangement);
        let panel_members = members.iter().chain([&writer]);
        let models = panel_members.map(|id| self.llm.find(user, id).ok_or_else(Error::missing));
        let models = models.collect::<Result<Vec<Model>>>()?;
        check_capabilities(new, arrangement, &models)?;
        let mut members = self.members(user, new, &models);
        let mut synthesizer = members.pop().ok_or_else(Error::missing)?;
        let standings = self
            .member_standings(user, &models[..members.len()])
            .await?;
        let mut stages = arrange::stages_at_depth(&pattern, new.request.depth.unwrap_or_default());
        stages.extend(tie_stage(arrangement, &standings));
        let budgets = self.history_budgets(user, new, (&members, &synthesizer), stages.len() > 1);
        let panel = PlannedPanel {
            members: &mut members,
            synthesizer: &mut synthesizer,
            reads_peers: stages.len() > 1,
            history_tokens: &budgets,
        };
        let mut allocation = self.allocate_context(user, new, panel).await?;
        number_samples(&mut members, new.context.sample);
        synthesizer.sample = new.context.sample;
        let mut notes = new.notes.clone();
        notes.extend(self.retired_notes(user, &models));
        notes.extend(material.notes(&models));
        notes.extend(blind_note(new, &models));
        notes.extend(material.warnings);
        notes.extend(history_budgets::history_notes(&new.context.turns, &budgets));
        notes.append(&mut allocation.notes);
        notes.extend(demo_format_note(new, arrangement, models.last()));
        let parts = PlanParts {
            evidence: self.evidence_plan(user, new, arrangement, &models),
            pattern: pattern.id.clone(),
            pictures: material.pictures,
            members,
            synthesizer,
            stages,
            arrangement,
            standings,
            history_budgets: budgets,
            notes,
            context: allocation,
        };
        Ok(self.assemble(user, new, parts))
    }

    fn assemble(&self, user: Option<&UserId>, new: &CheckedRequest, parts: PlanParts) -> Plan {
        let PlanParts {
            pattern,
            members,
            synthesizer,
            stages,
            arrangement,
            standings,
            history_budgets: rooms,
            evidence,
            notes,
            context: allocation,
            pictures,
        } = parts;
        // The bare prompt is sent only if there is no document to introduce.
        let sends_bare_prompt =
            pattern == PLAIN_PATTERN && !new.context.turns.is_empty() && new.documents.is_empty();
        Plan {
            evidence,
            pattern,
            question: match new.context.answer_prefix.as_str() {
                "" => new.request.prompt.clone(),
                begun => thread::continuation_prompt(&new.request.prompt, begun),
            },
            members,
            synthesizer,
            stages: match allocation.parts.is_empty() {
                true => stages,
                false => std::iter::once(reading::reading_stage())
                    .chain(stages)
                    .collect(),
            },
            arrangement,
            agreement: match arrangement {
                Arrangement::Cascade => Some(
                    new.request
                        .stop_when_agreed
                        .unwrap_or(arrange::CASCADE_THRESHOLD),
                ),
                _ => new.request.stop_when_agreed,
            },
            canary: self.secret_of("canary", user, new),
            notes,
            sources: allocation.sources,
            readings: allocation.member_passages,
            parts: allocation.parts,
            retrieval: allocation.retrieval,
            readers: allocation.readers,
            fits: allocation.member_fits,
            pictures,
            nonce: self.secret_of("fence", user, new),
            seed: seed(new),
            cache: new.request.cache,
            cache_max_age_s: new.request.cache_max_age_s,
            budget: new.budget,
            times: self.deadlines,
            format: new.format.clone(),
            bare: sends_bare_prompt,
            standings,
            is_adaptive: arrangement == Arrangement::Vote && new.request.adaptive.unwrap_or(true),
            is_live: new.context.is_live,
            turns: new.context.turns.clone(),
            history_budgets: rooms,
            answer_prefix: new.context.answer_prefix.clone(),
            tools: new.context.tools.clone(),
            passthrough: new.context.passthrough.clone(),
        }
    }

    // Returns notes about models that their providers no longer list. Such models are called anyway, because the lists
    // have gaps.
    fn retired_notes(&self, user: Option<&UserId>, models: &[Model]) -> Vec<String> {
        let mut ids: Vec<&str> = models.iter().map(|model| &*model.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let note = |id: &str| {
            let retired = self.llm.retired_model(user, id)?;
            Some(format!(
                "{id} is no longer in its provider's list of models{}",
                retired.hint()
            ))
        };
        ids.into_iter().filter_map(note).collect()
    }

    // Returns each member with its parameters, its current price, and its fallbacks.
    fn members(
        &self,
        user: Option<&UserId>,
        new: &CheckedRequest,
        models: &[Model],
    ) -> Vec<Member> {
        let chains = self.fallbacks.current();
        let member = |model: &Model| {
            let model_parameters = new
                .request
                .model_parameters
                .get(&model.id)
                .cloned()
                .unwrap_or_default();
            let parameters = model_parameters.overlay(&new.request.parameters);
            let to_member = |model: Model| Member {
                price: usage::price_of(&model),
                model: model.id,
                parameters: parameters.clone(),
                fallbacks: Vec::new(),
                sample: 0,
                reads: 0,
            };
            let chain = chains.get(&model.id).into_iter().flatten();
            let others = chain
                .filter_map(|id| self.llm.find(user, id))
                .map(to_member);
            Member {
                fallbacks: others.collect(),
                ..to_member(model.clone())
            }
        };
        models.iter().map(member).collect()
    }

    // Selects the models that answer and the one that writes the synthesis. A model specified by the user is never
    // replaced; specified models beyond what the arrangement needs are not called.
    fn panel_ids(
        &self,
        user: Option<&UserId>,
        new: &CheckedRequest,
        arrangement: Arrangement,
    ) -> PanelIds {
        let panel: Vec<Model> = new
            .request
            .models
            .iter()
            .filter_map(|id| self.llm.find(user, id))
            .collect();
        let strongest = panel.iter().max_by_key(|model| model.strength);
        let strongest =
            strongest.map_or_else(|| new.request.models[0].clone(), |model| model.id.clone());
        let chosen_writer = || new.request.ultra_model.clone();
        match arrangement {
            Arrangement::Single => {
                // There is no synthesis to write. The only member is the chosen synthesizer if it is on the panel,
                // otherwise the strongest member.
                let only_member = chosen_writer()
                    .filter(|id| new.request.models.contains(id))
                    .unwrap_or(strongest);
                PanelIds {
                    members: vec![only_member.clone()],
                    synthesizer: only_member,
                }
            }
            Arrangement::Own => {
                let samples = new.request.samples.unwrap_or(arrange::DEFAULT_SAMPLES) as usize;
                PanelIds {
                    members: vec![strongest.clone(); samples],
                    synthesizer: chosen_writer().unwrap_or(strongest),
                }
            }
            Arrangement::Cascade => {
                let mut drafts: Vec<&Model> = panel.iter().collect();
                // A stable sort: ties keep the user's order. An unknown price counts as high.
                let price = |model: &Model| {
                    usage::price_of(model).map_or(f64::INFINITY, |price| price.input + price.output)
                };
                drafts.sort_by(|left, right| {
                    price(left)
                        .total_cmp(&price(right))
                        .then(left.strength.cmp(&right.strength))
                });
                drafts.truncate(arrange::CASCADE_DRAFTS);
                PanelIds {
                    members: drafts.iter().map(|model| model.id.clone()).collect(),
                    synthesizer: chosen_writer()
                        .unwrap_or_else(|| self.choose_synthesizer(user, new)),
                }
            }
            // In a vote, the synthesizer may have to break a tie.
            Arrangement::Staged | Arrangement::Vote => PanelIds {
                members: new.request.models.clone(),
                synthesizer: chosen_writer().unwrap_or_else(|| self.choose_synthesizer(user, new)),
            },
        }
    }

    // Chooses the strongest available model outside the panel or, if there is none, the strongest member; a member that
    // has just failed is the last resort. Paid models never summarize a panel of demo models, and demo models never
    // summarize a panel of real ones.
    fn choose_synthesizer(&self, user: Option<&UserId>, new: &CheckedRequest) -> String {
        let members = &new.request.models;
        let all: Vec<(Model, Availability)> = self.llm.models(user);
        let panel: Vec<Model> = members
            .iter()
            .filter_map(|id| self.llm.find(user, id))
            .collect();
        let demo = panel.iter().all(|model| model.mock);
        // Never prefer an uncataloged model to a panel member: its strength is unknown and, without a price, no
        // budget can be enforced.
        let is_known = |model: &Model| {
            let is_priced = usage::price_of(model).is_some();
            model.mock || model.strength > ASSUMED_STRENGTH && (is_priced || new.budget.is_none())
        };
        let outside = all
            .iter()
            .filter(|(model, state)| {
                *state == Availability::Ready
                    && model.mock == demo
                    && is_known(model)
                    && self.llm.retired_model(user, &model.id).is_none()
                    && !self.llm.failed_recently(user, &model.id)
                    && !members.contains(&model.id)
            })
            .map(|(model, _)| model)
            .max_by_key(|model| model.strength);
        let inside = panel
            .iter()
            .filter(|model| model.mock == demo)
            .max_by_key(|model| (!self.llm.failed_recently(user, &model.id), model.strength));
        outside
            .or(inside)
            .map_or_else(|| members[0].clone(), |model| model.id.clone())
    }

    // Derives a delimiter secret that document authors cannot predict but that stays the same when a user asks about
    // the same documents again, so that the prompt prefix stays cacheable.
    fn secret_of(&self, what: &str, user: Option<&UserId>, new: &CheckedRequest) -> String {
        let mut hasher = sha256::Hasher::new();
        hasher.update(what.as_bytes());
        hasher.update(b"\0");
        hasher.update(self.secret.as_bytes());
        hasher.update(user.map_or("", UserId::as_str).as_bytes());
        for document in &new.documents {
            hasher.update(document.as_str().as_bytes());
        }
        crypto::hex(&hasher.finish()[..8])
    }
}

fn has_images(new: &CheckedRequest) -> bool {
    new.context.turns.iter().any(|turn| !turn.images.is_empty())
}

// Returns the stage in which the synthesizer breaks a tie, if the catalog does not rank all members.
fn tie_stage(arrangement: Arrangement, standings: &[MemberTrackRecord]) -> Option<Stage> {
    let may_stay_tied = arrangement == Arrangement::Vote && !standing::ranks_all_members(standings);
    may_stay_tied.then(ballot::tie_stage)
}

// Returns a note if a demo model would have to write the requested format. In a vote, the server formats the winning
// value, so no member has to support the format.
fn demo_format_note(
    new: &CheckedRequest,
    arrangement: Arrangement,
    writer: Option<&Model>,
) -> Option<String> {
    let writer = writer.filter(|model| model.mock)?;
    let has_format = new.format.is_some() && arrangement != Arrangement::Vote;
    has_format.then(|| {
        format!(
            "{} is a local algorithm that cannot write JSON: the answer is plain text",
            writer.id
        )
    })
}

fn blind_note(new: &CheckedRequest, models: &[Model]) -> Option<String> {
    let blind = models.iter().filter(|model| model.rejects_images());
    let names = join_names(blind);
    (has_images(new) && !names.is_empty()).then(|| {
        format!(
            "images in the conversation were not sent to models that do not accept them: {names}"
        )
    })
}

fn join_names<'m>(models: impl Iterator<Item = &'m Model>) -> String {
    let mut names: Vec<&str> = models.map(|model| &*model.id).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

// Rejects requests that can only fail, before anything is spent.
fn check_capabilities(
    new: &CheckedRequest,
    arrangement: Arrangement,
    models: &[Model],
) -> Result<()> {
    if let Some(format) = new
        .format
        .as_ref()
        .filter(|_| arrangement == Arrangement::Vote)
    {
        ballot::form::check_votable(format).map_err(|why| {
            Error::field(&["body", "response_format"], "value_error", &why)
                .resolve("choose another pattern, or ask for one value")
        })?;
    }
    if has_images(new) && models.iter().all(Model::rejects_images) {
        let why = format!(
            "no model of the panel accepts images: {}",
            join_names(models.iter())
        );
        return Err(Error::new(Kind::BadRequest, why).resolve("choose a model that accepts images"));
    }
    Ok(())
}

// Numbers each model's samples, starting at `first`, so that several answers to one request get different numbers.
fn number_samples(members: &mut [Member], first: u32) {
    let mut numbered_models: Vec<String> = Vec::new();
    for member in members {
        let earlier = numbered_models
            .iter()
            .filter(|model| **model == member.model)
            .count() as u32;
        member.sample = first.saturating_add(earlier);
        numbered_models.push(member.model.clone());
    }
}

fn seed(new: &CheckedRequest) -> u64 {
    let text = format!(
        "{}\0{}\0{}",
        new.request.pattern(),
        new.request.models.join("\0"),
        new.request.prompt
    );
    let hash = sha256::hash(text.as_bytes());
    hash[..8]
        .iter()
        .fold(0, |seed, &byte| seed << 8 | u64::from(byte))
}

//! Computes a question's vector and, if its terms hardly occur in the documents, has the panel's cheapest model rewrite
//! it.

use std::time::Duration;

use tokio::sync::mpsc;

use super::SemanticSearch;
use crate::app::documents::PassageSearch;
use crate::app::embeddings::EmbeddingContext;
use crate::app::{Error, Kind, Result};
use crate::clock;
use crate::domain::analysis::Member;
use crate::domain::chat::{
    Brief, CallBill, Message, MessageRole, ModelRequest, Usage, estimate_tokens,
};
use crate::domain::id::{AnalysisId, DocumentId, UserId};
use crate::domain::money::MicroDollars;
use crate::domain::parameters::Parameters;
use crate::domain::pattern::CallId;
use crate::domain::retrieval::meaning::{QuestionEmbedding, normalize};
use crate::domain::retrieval::record::{
    RETRIEVAL_STAGE_NUMBER, REWRITING_TOKENS, RetrievalRecord, RewriterModel, rewriting_prompt,
};
use crate::domain::usage::{self, CallCharge, CallEnd};
use crate::domain::user::Caller;
use crate::llm::CallEvent;
use crate::log;
use crate::store::{Reader, meaning_search, passage_vectors};
use crate::wire::embed::EmbeddingRequest;

/// Maximum number of characters of a question that are embedded or rewritten.
pub(super) const MAX_QUESTION: usize = 4_000;
/// Maximum number of characters of a rewritten question.
const MAX_REWRITTEN_CHARS: usize = 400;
/// Time limit of the rewriting call: the run waits for it.
const REWRITING_DEADLINE: Duration = Duration::from_secs(30);

/// A question about documents.
pub(in crate::app) struct QuestionSearch<'a> {
    /// The user whose documents are searched.
    pub caller: &'a Caller,
    /// The analysis under which the calls are recorded.
    pub analysis: &'a AnalysisId,
    /// The question, whose meaning is compared with the meaning of the passages.
    pub question: &'a str,
    /// The documents whose passages are compared.
    pub documents: &'a [DocumentId],
}

/// The vector of a question, with its usage and cost.
pub(super) struct EmbeddedQuestion {
    vector: Option<Vec<f32>>,
    /// Number of input tokens of the embedding call.
    pub tokens: u64,
    /// Cost of the tokens; `None` if the price is unknown.
    pub cost: Option<MicroDollars>,
}

impl EmbeddedQuestion {
    /// Takes the vector, scaled to length 1.
    ///
    /// # Errors
    /// `UpstreamFailed` if the model returned an empty vector or one that cannot be normalized.
    pub fn take_vector(&mut self, model: &str) -> Result<Vec<f32>> {
        self.vector.take().ok_or_else(|| {
            let why = format!("{model} returned an empty vector");
            Error::new(Kind::UpstreamFailed, why)
        })
    }
}

impl SemanticSearch<'_> {
    /// Returns the plan for the semantic search of these documents; `None` if the user has not chosen a model. Makes
    /// no calls.
    ///
    /// # Errors
    /// Returns an error if the database cannot be read.
    pub(in crate::app) async fn plan_search(
        &self,
        user: &UserId,
        documents: &[DocumentId],
        members: &[Member],
    ) -> Result<Option<RetrievalRecord>> {
        let (id, documents) = (user.clone(), documents.to_vec());
        let read = self.store.read(move |db: &Reader| {
            let Some(model) = meaning_search::model_for_user(db, &id)? else {
                return Ok(None);
            };
            let (passages, embedded) = passage_vectors::count(db, &id, &documents, &model)?;
            Ok(Some((model, passages, embedded)))
        });
        let Some((model, passages, embedded)) = read.await? else {
            return Ok(None);
        };
        let listed_model = self.llm.find(Some(user), &model);
        let failure = match (&listed_model, embedded) {
            (None, _) => format!("{model} is no longer available"),
            (_, 0) => "no passage of these documents has a vector yet".to_owned(),
            _ => String::new(),
        };
        Ok(Some(RetrievalRecord {
            price: listed_model.as_ref().and_then(usage::price_of),
            model,
            passages,
            embedded,
            rewriter: cheapest_model(members).filter(|_| failure.is_empty()),
            failure,
            ..RetrievalRecord::default()
        }))
    }

    /// Computes the vector of a question. If the question's terms hardly occur in the documents, a model also rewrites
    /// it, and the vector stands for both wordings. Records usage and cost in `record`. On failure, records the reason
    /// and returns `None`, and the run ranks passages by keywords alone. Also returns `None` if `record` already
    /// contains a failure.
    pub(in crate::app) async fn meaning_of(
        &self,
        search: &QuestionSearch<'_>,
        record: &mut RetrievalRecord,
    ) -> Option<QuestionEmbedding> {
        if !record.failure.is_empty() {
            return None;
        }
        match self.try_meaning(search, record).await {
            Ok(meaning) => Some(meaning),
            Err(error) => {
                log::warn(
                    "a question was searched by words alone",
                    &[("model", &record.model), ("why", &error.public)],
                );
                record.failure = error.public;
                None
            }
        }
    }

    async fn try_meaning(
        &self,
        search: &QuestionSearch<'_>,
        record: &mut RetrievalRecord,
    ) -> Result<QuestionEmbedding> {
        let question: String = search.question.chars().take(MAX_QUESTION).collect();
        let (words, user) = (question.clone(), search.caller.user.clone());
        let documents = search.documents.to_vec();
        let read = self
            .store
            .read(move |db| PassageSearch::new(&words).is_weak(db, &user, &documents));
        record.is_weak = read.await?;
        let rewriter = record.rewriter.clone().filter(|_| record.is_weak);
        if let Some(rewriter) = rewriter {
            // Without a rewritten question, the original one can still be embedded.
            match self.rewrite(search, &question, &rewriter, record).await {
                Ok(rewriting) => record.rewriting = rewriting,
                Err(error) => log::warn(
                    "a question was not rewritten",
                    &[("model", &rewriter.model), ("why", &error.public)],
                ),
            }
        }
        let mut texts = vec![question];
        texts.extend(Some(record.rewriting.clone()).filter(|text| !text.is_empty()));
        let context = EmbeddingContext {
            id: search.analysis,
            call: CallId {
                stage: RETRIEVAL_STAGE_NUMBER,
                member: 0,
            },
            deadline: Some(REWRITING_DEADLINE),
        };
        let mut embedded = self
            .embed_question(search.caller, &record.model, texts, context)
            .await?;
        let usage = Usage {
            input: embedded.tokens,
            ..Usage::default()
        };
        record.add(&usage, embedded.cost);
        Ok(QuestionEmbedding {
            vector: embedded.take_vector(&record.model)?,
            model: record.model.clone(),
            rewriting: record.rewriting.clone(),
        })
    }

    /// Computes one vector for all wordings of a question: the normalized sum of their vectors.
    ///
    /// # Errors
    /// Returns the errors of an embedding call.
    pub(super) async fn embed_question(
        &self,
        caller: &Caller,
        model: &str,
        wordings: Vec<String>,
        context: EmbeddingContext<'_>,
    ) -> Result<EmbeddedQuestion> {
        let request = EmbeddingRequest {
            model: model.to_owned(),
            texts: wordings,
            ..EmbeddingRequest::default()
        };
        let embedded = self.embeddings.embed_for(caller, request, context).await?;
        Ok(EmbeddedQuestion {
            vector: sum_vectors(embedded.embedded.vectors).and_then(normalize),
            tokens: embedded.tokens,
            cost: embedded.cost,
        })
    }

    async fn rewrite(
        &self,
        search: &QuestionSearch<'_>,
        question: &str,
        rewriter: &RewriterModel,
        record: &mut RetrievalRecord,
    ) -> Result<String> {
        let prompt = rewriting_prompt(question);
        let started = clock::now();
        let bill = |usage| CallBill {
            usage,
            tries: 1,
            ..CallBill::default()
        };
        let max_usage = Usage {
            input: estimate_tokens(&prompt),
            output: REWRITING_TOKENS.into(),
            ..Usage::default()
        };
        let expected = usage::cost(&bill(max_usage), rewriter.price);
        let charges = self.embeddings.charges;
        let tokens = max_usage.input + max_usage.output;
        let _reserved = charges
            .reserve(search.caller, &rewriter.model, (expected, tokens), started)
            .await?;
        let (result, bill) = self.ask(&search.caller.user, rewriter, prompt).await?;
        let charge = CallCharge {
            call: CallId {
                stage: RETRIEVAL_STAGE_NUMBER,
                member: 1,
            },
            model: rewriter.model.clone(),
            started_at: started,
            outcome: match &result {
                Ok(_) => CallEnd::Answered,
                Err(_) => CallEnd::Failed,
            },
            price: rewriter.price,
            own_key: self
                .llm
                .uses_own_key(Some(&search.caller.user), &rewriter.model),
            bill,
        };
        record.add(&charge.bill.usage, charge.cost());
        charges
            .record(search.caller, search.analysis, charge)
            .await?;
        Ok(to_one_line(&result?))
    }

    async fn ask(
        &self,
        user: &UserId,
        rewriter: &RewriterModel,
        prompt: String,
    ) -> Result<(Result<String>, CallBill)> {
        let request = ModelRequest {
            model: rewriter.model.clone(),
            messages: vec![Message::new(MessageRole::User, prompt)],
            parameters: Parameters {
                max_tokens: Some(REWRITING_TOKENS),
                ..Parameters::default()
            },
            brief: Brief::default(),
            deadline: REWRITING_DEADLINE,
            format: None,
            tools: None,
            passthrough: None,
            is_prefix_reused: false,
            is_live: false,
            sample: 0,
        };
        let (sender, mut events) = mpsc::channel(64);
        let _running = self.llm.start(0, Some(user), request, sender);
        while let Some((_, event)) = events.recv().await {
            if let CallEvent::Finished { result, bill } = event {
                let text = result.map(|answer| answer.text);
                return Ok((text.map_err(Error::from_call_error), *bill));
            }
        }
        Err(Error::new(Kind::Unavailable, "the call did not end"))
    }
}

// Returns the panel's cheapest model, which rewrites questions. A model with an unknown price is returned only if no
// price is known, and a demo model never.
fn cheapest_model(members: &[Member]) -> Option<RewriterModel> {
    let price = |member: &&Member| {
        let price = member.price;
        price.map_or(f64::INFINITY, |price| price.input + price.output)
    };
    let paid = members
        .iter()
        .filter(|member| !member.model.starts_with("demo/"));
    let cheapest_member =
        paid.min_by(|member, other_member| price(member).total_cmp(&price(other_member)))?;
    Some(RewriterModel {
        model: cheapest_member.model.clone(),
        price: cheapest_member.price,
    })
}

fn sum_vectors(vectors: Vec<Vec<f32>>) -> Option<Vec<f32>> {
    let mut vectors = vectors.into_iter().filter_map(normalize);
    let mut sum = vectors.next()?;
    for other in vectors {
        for (member, other) in sum.iter_mut().zip(other) {
            *member += other;
        }
    }
    Some(sum)
}

fn to_one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String = words.join(" ").chars().take(MAX_REWRITTEN_CHARS).collect();
    line.trim_matches(['"', '“', '”', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Price;

    #[test]
    fn the_cheapest_real_model_rewrites() {
        let member = |model: &str, input: Option<f64>| Member {
            model: model.to_owned(),
            parameters: Parameters::default(),
            price: input.map(|input| Price {
                input,
                output: 1.0,
                cached_input: None,
                long: None,
            }),
            fallbacks: Vec::new(),
            sample: 0,
            reads: 0,
        };
        let cheapest_of = |members: &[Member]| cheapest_model(members).map(|member| member.model);
        assert_eq!(cheapest_of(&[member("demo/a", Some(0.0))]), None);
        let panel = [
            member("demo/a", Some(0.0)),
            member("p/unknown", None),
            member("p/large", Some(9.0)),
            member("p/small", Some(0.5)),
        ];
        assert_eq!(cheapest_of(&panel).as_deref(), Some("p/small"));
        assert_eq!(cheapest_of(&panel[..2]).as_deref(), Some("p/unknown"));
    }

    #[test]
    fn a_rewriting_is_one_short_line() {
        assert_eq!(to_one_line(" \"notice\n period\" "), "notice period");
        assert_eq!(to_one_line(&"word ".repeat(500)).chars().count(), 399);
        assert_eq!(to_one_line(""), "");
        let joined = sum_vectors(vec![vec![3.0, 0.0], vec![0.0, 5.0], vec![]]);
        assert_eq!(joined, Some(vec![1.0, 1.0]));
        assert_eq!(sum_vectors(Vec::new()), None);
    }
}

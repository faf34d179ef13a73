//! Follow-up questions: finds the turn that a request follows, and carries over the thread's content: the earlier
//! questions and answers, the panel with its settings, and the documents.

use super::Analyses;
use super::check::MAX_DOCUMENTS;
use super::stopped::StoppedRun;
use crate::app::{Error, Kind, Result};
use crate::domain::analysis::{Analysis, Depth, Status};
use crate::domain::answer::partial_text;
use crate::domain::chat::{Message, MessageRole};
use crate::domain::id::{AnalysisId, DocumentId, ProjectId, ThreadId, UserId};
use crate::domain::project::Project;
use crate::domain::request::{Request, RunContext};
use crate::domain::thread::{self, MAX_TURNS, NO_ANSWER, STOPPED_NOTE};
use crate::domain::user::Caller;
use crate::store::threads::{self, TurnRow};
use crate::store::{Reader, analyses, documents, projects};

/// The data that a request carries over from its thread and project.
pub(super) struct CarriedThread {
    /// The turn that supplies the panel and settings: the followed turn or, if it asked only a single model, an earlier
    /// one.
    settings: Option<Box<Analysis>>,
    /// The project's instructions and the earlier turns.
    turns: Vec<Message>,
    /// Documents of the turn that the request follows or replaces, without deleted ones.
    documents: Vec<DocumentId>,
    /// Documents of the project that belong to the caller.
    project_documents: Vec<DocumentId>,
    /// Notes about documents that were left out.
    notes: Vec<String>,
    /// The stopped run to be continued.
    stopped: Option<StoppedRun>,
}

impl Analyses<'_> {
    /// Resolves the thread position and the project that a request specifies, and records them in `context`. Returns
    /// what the request carries over from them, or `None` if it specifies neither.
    ///
    /// # Errors
    /// `SignInNeeded` without a caller; `BadInput` if a named analysis, thread, or project is not the caller's, or if
    /// the request specifies more than one position; `Conflict` if the thread has reached its maximum number of turns,
    /// or if a stopped turn cannot be continued.
    pub(super) async fn resolve_thread(
        &self,
        caller: Option<&Caller>,
        request: &mut Request,
        context: &mut RunContext,
    ) -> Result<Option<CarriedThread>> {
        let requested_position = RequestedPosition {
            follow_up_to: parse_field("follow_up_to", request.follow_up_to.take(), |id| {
                AnalysisId::parse(id)
            })?,
            thread: parse_field("thread", request.thread.take(), ThreadId::parse)?,
            edit_of: parse_field("edit_of", request.edit_of.take(), AnalysisId::parse)?,
            continue_of: parse_field("continue_of", request.continue_of.take(), |id| {
                AnalysisId::parse(id)
            })?,
            write_from: parse_field("write_from", request.write_from.take(), AnalysisId::parse)?,
            project: parse_field("project", request.project.take(), ProjectId::parse)?,
            model: request.models.first().cloned(),
        };
        let keeps_documents = request.keep_documents.take().unwrap_or(true);
        if requested_position.is_empty() {
            return Ok(None);
        }
        requested_position.check()?;
        let user = caller.ok_or_else(Error::sign_in)?.user.clone();
        let lookup = self
            .store
            .read(move |db| ResolvedPosition::load(db, &user, &requested_position));
        let resolved = lookup.await??;
        check_turn_count(resolved.turns)?;
        context.thread = resolved.thread;
        context.follows = resolved.follows;
        context.project = resolved.project.as_ref().map(|project| project.id.clone());
        context.is_threaded = true;
        let mut carried_thread = resolved.carried_thread;
        if !keeps_documents {
            carried_thread.documents.clear();
        }
        Ok(Some(carried_thread))
    }

    /// Appends a run to a thread without carrying anything over: the request contains its own conversation.
    ///
    /// # Errors
    /// `BadInput` if the thread is not the caller's; `Conflict` if the thread is full.
    pub async fn join_thread(
        &self,
        caller: &Caller,
        thread: &str,
        context: &mut RunContext,
    ) -> Result<()> {
        let unknown = || {
            let location = &["header", "x-quire-thread"];
            Error::field(location, "value_error", "is not one of your threads")
        };
        let id = ThreadId::parse(thread).ok_or_else(unknown)?;
        let user = caller.user.clone();
        let lookup = self.store.read(move |db| {
            let Some(row) = threads::by_id(db, &user, &id)? else {
                return Ok(None);
            };
            let newest = threads::newest_turn(db, &user, &row.id)?;
            Ok(Some((row, newest)))
        });
        let (row, newest) = lookup.await?.ok_or_else(unknown)?;
        check_turn_count(row.turns)?;
        context.thread = Some(row.id);
        context.follows = newest;
        Ok(())
    }
}

fn check_turn_count(turns: u64) -> Result<()> {
    if turns < MAX_TURNS {
        return Ok(());
    }
    let why = format!("this thread already has {MAX_TURNS} turns, the maximum");
    Err(Error::new(Kind::Conflict, why).resolve("start a new thread"))
}

impl CarriedThread {
    /// Fills in fields that the request and its recipe omit, and adds the thread's turns and documents. Returns notes
    /// about documents that were left out.
    pub(super) fn fill(mut self, request: &mut Request, context: &mut RunContext) -> Vec<String> {
        if let Some(stopped) = self.stopped.take() {
            stopped.fill(request, context);
        }
        let is_single_model = request.models.len() == 1 && request.pattern.is_none();
        if let Some(settings) = self.settings {
            let old = settings.request;
            context.inherited.extend(old.named_models());
            context.recipe = context.recipe.take().or(settings.context.recipe);
            if is_single_model && (context.follows.is_some() || !context.answer_prefix.is_empty()) {
                context.is_single_model = true;
                request.depth.get_or_insert(Depth::Quick);
            }
            request.topic = request.topic.take().or_else(|| old.topic.clone());
            if request.reading == Default::default() {
                request.reading = old.reading;
            }
            request.fill(old);
        }
        let has_own_documents = !request.document_ids.is_empty() || request.document_id.is_some();
        let thread = self.documents.iter().filter(|_| !has_own_documents);
        for document in thread.chain(&self.project_documents) {
            let id = document.to_string();
            if request.document_ids.len() < MAX_DOCUMENTS && !request.document_ids.contains(&id) {
                request.document_ids.push(id);
            }
        }
        context.turns = self.turns;
        let question = match context.answer_prefix.as_str() {
            "" => request.prompt.clone(),
            begun => thread::continuation_prompt(&request.prompt, begun),
        };
        let question = Message::new(MessageRole::User, question);
        if !context.turns.is_empty() {
            context.turns.push(question);
        }
        self.notes
    }
}

/// The thread position that a request specifies.
struct RequestedPosition {
    follow_up_to: Option<AnalysisId>,
    thread: Option<ThreadId>,
    edit_of: Option<AnalysisId>,
    continue_of: Option<AnalysisId>,
    write_from: Option<AnalysisId>,
    project: Option<ProjectId>,
    /// The model whose text is continued; `None` to continue the synthesis or, if it has no text, the longest draft.
    model: Option<String>,
}

impl RequestedPosition {
    fn is_empty(&self) -> bool {
        let (sibling, follows) = (self.sibling_of(), &self.follow_up_to);
        sibling.is_none() && follows.is_none() && self.thread.is_none() && self.project.is_none()
    }

    /// Returns the stopped turn to continue, and the stopped turn whose drafts the synthesis uses.
    fn stopped_turns(&self) -> (Option<&AnalysisId>, Option<&AnalysisId>) {
        (self.continue_of.as_ref(), self.write_from.as_ref())
    }

    /// Returns the turn that the new turn becomes a sibling of: the edited or the stopped one.
    fn sibling_of(&self) -> Option<&AnalysisId> {
        let stopped = self.continue_of.as_ref().or(self.write_from.as_ref());
        self.edit_of.as_ref().or(stopped)
    }

    fn check(&self) -> Result<()> {
        let positions = [
            self.follow_up_to.is_some(),
            self.thread.is_some(),
            self.edit_of.is_some(),
            self.continue_of.is_some(),
            self.write_from.is_some(),
        ];
        let count = positions.into_iter().filter(|is_given| *is_given).count();
        if count > 1 {
            let why = "give only one of follow_up_to, thread, edit_of, continue_of, and write_from";
            return Err(Error::field(&["body", "follow_up_to"], "value_error", why));
        }
        if count == 1 && self.project.is_some() {
            let why = "a follow-up stays in the project of its thread";
            return Err(Error::field(&["body", "project"], "value_error", why)
                .resolve("move the thread with PATCH /api/threads/{id}"));
        }
        Ok(())
    }
}

/// IDs of a thread and of the turn to follow in it; `None` for a new thread.
type PositionIds = (Option<ThreadId>, Option<AnalysisId>);

/// A thread position that was found in the store.
struct ResolvedPosition {
    thread: Option<ThreadId>,
    follows: Option<AnalysisId>,
    project: Option<Project>,
    /// Number of turns of the thread.
    turns: u64,
    carried_thread: CarriedThread,
}

impl ResolvedPosition {
    fn load(
        db: &Reader,
        user: &UserId,
        requested: &RequestedPosition,
    ) -> crate::store::Result<Result<Self>> {
        let (thread, follows) = match requested_position(db, user, requested)? {
            Ok(place) => place,
            Err(field) => {
                let why = "you have no such turn or thread";
                return Ok(Err(Error::field(&["body", field], "unknown_turn", why)));
            }
        };
        let row = match &thread {
            Some(id) => threads::by_id(db, user, id)?,
            None => None,
        };
        let thread_project = row.as_ref().and_then(|row| row.project.clone());
        let project = match requested.project.clone().or(thread_project) {
            Some(id) => projects::by_id(db, user, &id)?,
            None => None,
        };
        if requested.project.is_some() && project.is_none() {
            let why = "there is no such project, or you may not use it";
            return Ok(Err(Error::field(
                &["body", "project"],
                "unknown_project",
                why,
            )));
        }
        // An edited question takes its settings from the turn it replaces.
        let model = requested.sibling_of().or(follows.as_ref());
        let mut carried_thread =
            CarriedThread::load(db, user, (model, follows.as_ref()), project.as_ref())?;
        match StoppedRun::load(
            db,
            user,
            requested.stopped_turns(),
            requested.model.as_deref(),
        )? {
            Ok(stopped) => carried_thread.stopped = stopped,
            Err(refusal) => return Ok(Err(refusal)),
        }
        Ok(Ok(Self {
            turns: row.map_or(0, |row| row.turns),
            thread,
            follows,
            project,
            carried_thread,
        }))
    }
}

impl CarriedThread {
    fn load(
        db: &Reader,
        user: &UserId,
        (model, follows): (Option<&AnalysisId>, Option<&AnalysisId>),
        project: Option<&Project>,
    ) -> crate::store::Result<Self> {
        let path = match follows {
            Some(id) => threads::path_to(db, user, id)?,
            None => Vec::new(),
        };
        let (settings, old_documents) = settings_of(db, user, model, &path)?;
        let mut notes = Vec::new();
        let mut documents = Vec::new();
        for id in old_documents {
            match documents::by_id(db, user, &id)? {
                Some(_) => documents.push(id),
                None => notes.push(format!("document {id} was deleted and is no longer read")),
            }
        }
        let mut project_documents = Vec::new();
        for id in project.into_iter().flat_map(|project| &project.documents) {
            if documents::by_id(db, user, id)?.is_some() {
                project_documents.push(id.clone());
            }
        }
        let others_count =
            project.map_or(0, |project| project.documents.len()) - project_documents.len();
        if others_count > 0 {
            notes.push(format!(
                "{others_count} documents of the project belong to other people and were not read"
            ));
        }
        Ok(Self {
            settings: settings.map(Box::new),
            turns: turns_of(db, user, &path, project)?,
            documents,
            project_documents,
            notes,
            stopped: None,
        })
    }
}

// Returns the thread and turn that a request follows, or the name of the field with an ID that is not this user's.
fn requested_position(
    db: &Reader,
    user: &UserId,
    requested: &RequestedPosition,
) -> crate::store::Result<std::result::Result<PositionIds, &'static str>> {
    if let Some(id) = &requested.follow_up_to {
        let turn = threads::place_of(db, user, id)?;
        let position = turn.map(|turn| (Some(turn.thread), Some(id.clone())));
        return Ok(position.ok_or("follow_up_to"));
    }
    if let Some(id) = requested.sibling_of() {
        let turn = threads::place_of(db, user, id)?;
        let position = turn.map(|turn| (Some(turn.thread), turn.parent));
        return Ok(position.ok_or("edit_of"));
    }
    let Some(id) = &requested.thread else {
        return Ok(Ok((None, None)));
    };
    let Some(row) = threads::by_id(db, user, id)? else {
        return Ok(Err("thread"));
    };
    let newest = threads::newest_turn(db, user, &row.id)?;
    Ok(Ok((Some(row.id), newest)))
}

// Returns the analysis that supplies the settings, and the documents of the turn `model`. The settings are those of
// that turn or, if it asked only a single model, of the newest earlier turn that asked a panel.
fn settings_of(
    db: &Reader,
    user: &UserId,
    model: Option<&AnalysisId>,
    path: &[TurnRow],
) -> crate::store::Result<(Option<Analysis>, Vec<DocumentId>)> {
    let Some(model) = model else {
        return Ok((None, Vec::new()));
    };
    let Some(first) = analyses::by_id(db, Some(user), model)? else {
        return Ok((None, Vec::new()));
    };
    let documents = first.request.documents();
    if !first.context.is_single_model {
        return Ok((Some(first), documents));
    }
    // Search the earlier turns, newest first, for one that asked a panel.
    for turn in path.iter().rev().filter(|turn| turn.id != first.id) {
        if let Some(earlier) = analyses::by_id(db, Some(user), &turn.id)?
            && !earlier.context.is_single_model
        {
            return Ok((Some(earlier), documents));
        }
    }
    Ok((Some(first), documents))
}

// Returns the messages to carry over: the project's instructions, anything that preceded the first turn (in an imported
// conversation), and each turn's question and answer.
fn turns_of(
    db: &Reader,
    user: &UserId,
    path: &[TurnRow],
    project: Option<&Project>,
) -> crate::store::Result<Vec<Message>> {
    let instructions = project
        .map(|project| project.instructions.trim())
        .filter(|text| !text.is_empty());
    let mut system: Vec<Message> = instructions
        .map(|text| Message::new(MessageRole::System, text))
        .into_iter()
        .collect();
    let mut messages = Vec::new();
    if let Some(first) = path.first()
        && let Some(first) = analyses::by_id(db, Some(user), &first.id)?
        && !first.context.is_threaded
    {
        let mut earlier_turns = first.context.turns;
        earlier_turns.pop();
        let (system_turns, dialogue_turns): (Vec<_>, Vec<_>) = earlier_turns
            .into_iter()
            .partition(|turn| turn.role == MessageRole::System);
        system.extend(system_turns);
        messages.extend(dialogue_turns);
    }
    for turn in path {
        messages.push(Message::new(MessageRole::User, turn.question.clone()));
        let answer = match &turn.answer {
            Some(answer) => answer.clone(),
            None => stopped_answer(db, turn)?,
        };
        messages.push(Message::new(MessageRole::Assistant, answer));
    }
    system.extend(thread::carried_turns(&messages, thread::MAX_CARRIED_TOKENS).messages);
    Ok(system)
}

// Returns the text that stands for a turn without an answer: the partial text of a stopped turn, or a placeholder.
fn stopped_answer(db: &Reader, turn: &TurnRow) -> crate::store::Result<String> {
    let answers = match turn.status {
        Status::Cancelled => analyses::answers_of(db, &turn.id)?,
        _ => Vec::new(),
    };
    let text = partial_text(&answers).map(|text| format!("{text}{STOPPED_NOTE}"));
    Ok(text.unwrap_or_else(|| NO_ANSWER.to_owned()))
}

fn parse_field<T>(
    name: &str,
    id_text: Option<String>,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>> {
    let Some(id_text) = id_text else {
        return Ok(None);
    };
    match parse(&id_text) {
        Some(id) => Ok(Some(id)),
        None => {
            let why = "is not an ID of this kind";
            Err(Error::field(&["body", name], "value_error", why))
        }
    }
}

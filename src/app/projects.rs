//! Project use cases: list, create, change, share with users of this server, and delete.

use super::{Error, Kind, Result};
use crate::crypto;
use crate::domain::id::{DocumentId, ProjectId, UserId};
use crate::domain::money::MicroDollars;
use crate::domain::project::{
    MAX_INSTRUCTIONS_CHARS, MAX_NAME_CHARS, MAX_PEOPLE, MAX_PROJECT_DOCUMENTS, MAX_PROJECTS,
    Project,
};
use crate::domain::time::Timestamp;
use crate::domain::usage::month_start;
use crate::domain::user::{Caller, Email};
use crate::store::{Reader, Store, documents, projects, threads, users};

/// Maximum number of listed projects, both the user's own and shared ones.
const MAX_SHOWN: u32 = 1_000;

/// A day, in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// Use cases for projects: list, create, change, and delete.
#[derive(Clone, Copy)]
pub struct Projects<'a> {
    pub(super) store: &'a Store,
}

/// Fields of a project to set; absent fields are unchanged.
#[derive(Debug, Clone, Default)]
pub struct ProjectChange {
    /// The new display name.
    pub name: Option<String>,
    /// New instructions, which are added to every question in the project.
    pub instructions: Option<String>,
    /// IDs of the caller's documents in the project.
    pub documents: Option<Vec<String>>,
    /// Email addresses of the users that the project is shared with.
    pub people: Option<Vec<String>>,
}

/// A change whose fields are within their limits.
struct CheckedChange {
    name: Option<String>,
    instructions: Option<String>,
    documents: Option<Vec<DocumentId>>,
    people: Option<Vec<Email>>,
}

impl Projects<'_> {
    /// Lists the caller's projects and those shared with them.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn list(&self, caller: &Caller) -> Result<Vec<Project>> {
        let user = caller.user.clone();
        let lookup = self
            .store
            .read(move |db| projects::visible(db, &user, MAX_SHOWN));
        Ok(lookup.await?)
    }

    /// Returns a project that belongs to the caller or is shared with them.
    ///
    /// # Errors
    /// `Missing` if there is none. Also fails if the store cannot be read.
    pub async fn show(&self, caller: &Caller, id: &ProjectId) -> Result<Project> {
        let (user, id) = (caller.user.clone(), id.clone());
        let lookup = self
            .store
            .read(move |db| projects::by_id(db, &user, &id))
            .await?;
        lookup.ok_or_else(Error::missing)
    }

    /// Returns the cost of the caller's questions in a project in the current month (UTC), and whether the price of any
    /// of their calls is unknown.
    ///
    /// # Errors
    /// Returns an error if the store cannot be read.
    pub async fn spent_this_month(
        &self,
        caller: &Caller,
        id: &ProjectId,
        now: Timestamp,
    ) -> Result<(MicroDollars, bool)> {
        let (user, id) = (caller.user.clone(), id.clone());
        let since = Timestamp::from_millis(month_start(now.day()) * DAY_MS);
        let month_spending = self
            .store
            .read(move |db| threads::spent_in_project(db, &user, &id, since));
        Ok(month_spending.await?)
    }

    /// Creates a project.
    ///
    /// # Errors
    /// `BadInput` for an invalid field; `Conflict` if the caller has reached the maximum number of projects.
    pub async fn create(
        &self,
        caller: &Caller,
        change: ProjectChange,
        now: Timestamp,
    ) -> Result<Project> {
        let change = CheckedChange::validate(change)?;
        let Some(name) = change.name.clone() else {
            let why = "a project needs a name";
            return Err(Error::field(&["body", "name"], "missing", why));
        };
        let project = Project {
            id: ProjectId::new(now, crypto::random_number()?),
            owner: caller.user.clone(),
            name,
            instructions: change.instructions.clone().unwrap_or_default(),
            documents: Vec::new(),
            member_emails: Vec::new(),
            created: now,
            changed_at: now,
        };
        let user = caller.user.clone();
        let pending_write = self.store.write(move |db| {
            if projects::count_of(db, &user)? >= MAX_PROJECTS {
                return Ok(Err(too_many_error()));
            }
            projects::insert(db, &project)?;
            if let Err(error) = change.fill(db, &user, &project)? {
                projects::delete(db, &user, &project.id)?;
                return Ok(Err(error));
            }
            Ok(projects::by_id(db, &user, &project.id)?.ok_or_else(Error::missing))
        });
        pending_write.await?
    }

    /// Changes a project. Its owner may change everything; users it is shared with may change only which of their
    /// own documents it contains.
    ///
    /// # Errors
    /// `Missing` if the caller may not see it; `Forbidden` for a field that only its owner may change; `BadInput`
    /// for an invalid field.
    pub async fn change(
        &self,
        caller: &Caller,
        id: &ProjectId,
        change: ProjectChange,
        now: Timestamp,
    ) -> Result<Project> {
        let project = self.show(caller, id).await?;
        let change = CheckedChange::validate(change)?;
        let is_owner = project.owner == caller.user;
        if !is_owner && change.requires_owner() {
            let why = "only the owner of a project can change it";
            return Err(Error::new(Kind::Forbidden, why)
                .resolve("you can add and remove only your own documents"));
        }
        let user = caller.user.clone();
        let pending_write = self.store.write(move |db| {
            if let Err(error) = change.fill(db, &user, &project)? {
                return Ok(Err(error));
            }
            if is_owner {
                let name = change.name.as_ref().unwrap_or(&project.name);
                let instructions = change.instructions.as_ref();
                let texts = (&**name, &**instructions.unwrap_or(&project.instructions));
                projects::change(db, &user, &project.id, texts, now)?;
            }
            Ok(projects::by_id(db, &user, &project.id)?.ok_or_else(Error::missing))
        });
        pending_write.await?
    }

    /// Deletes one of the caller's projects. Its threads and documents are kept.
    ///
    /// # Errors
    /// `Missing` if the project is not the caller's. Also returns any error from the store.
    pub async fn delete(&self, caller: &Caller, id: &ProjectId) -> Result<()> {
        let (user, id) = (caller.user.clone(), id.clone());
        let store = self.store.with_reserve();
        let deleted = store.write(move |db| projects::delete(db, &user, &id));
        Ok(deleted.await?)
    }
}

impl CheckedChange {
    fn validate(change: ProjectChange) -> Result<Self> {
        let documents = change.documents.map(parse_documents).transpose()?;
        let people = change.people.map(parse_people).transpose()?;
        Ok(Self {
            name: change.name.as_deref().map(validate_name).transpose()?,
            instructions: (change.instructions)
                .map(validate_instructions)
                .transpose()?,
            documents,
            people,
        })
    }

    fn requires_owner(&self) -> bool {
        self.name.is_some() || self.instructions.is_some() || self.people.is_some()
    }

    // Writes the change's documents and users to the project. Fails if any of them does not exist.
    fn fill(
        &self,
        db: &crate::store::Writer,
        user: &UserId,
        project: &Project,
    ) -> crate::store::Result<Result<()>> {
        if let Some(documents) = &self.documents {
            for id in documents {
                if documents::by_id(db, user, id)?.is_none() {
                    let why = format!("there is no document {id}");
                    let location = &["body", "document_ids"];
                    return Ok(Err(Error::field(location, "unknown_document", why)));
                }
            }
            projects::set_documents(db, user, &project.id, documents)?;
        }
        if let Some(emails) = &self.people {
            match find_people(db, emails)? {
                Ok(people) => projects::set_people(db, project, &people)?,
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(()))
    }
}

fn find_people(db: &Reader, emails: &[Email]) -> crate::store::Result<Result<Vec<UserId>>> {
    let mut people = Vec::new();
    for email in emails {
        match users::by_email(db, email.as_str())? {
            Some(user) => people.push(user.id),
            None => {
                let why = format!(
                    "no account on this server has the address {}",
                    email.as_str()
                );
                let location = &["body", "members"];
                return Ok(Err(Error::field(location, "unknown_user", why)));
            }
        }
    }
    Ok(Ok(people))
}

fn validate_name(name: &str) -> Result<String> {
    let name = name.trim();
    let location = &["body", "name"];
    if name.is_empty() {
        return Err(Error::field(location, "missing", "the name is empty"));
    }
    if name.chars().count() > MAX_NAME_CHARS {
        let why = format!("at most {MAX_NAME_CHARS} characters");
        return Err(Error::field(location, "too_long", why));
    }
    if name.chars().any(char::is_control) {
        let why = "a name cannot contain control characters";
        return Err(Error::field(location, "value_error", why));
    }
    Ok(name.to_owned())
}

fn validate_instructions(text: String) -> Result<String> {
    let location = &["body", "instructions"];
    if text.chars().count() > MAX_INSTRUCTIONS_CHARS {
        let why = format!("at most {MAX_INSTRUCTIONS_CHARS} characters");
        return Err(Error::field(location, "too_long", why));
    }
    if text.contains('\0') {
        let why = "the instructions contain a NUL character";
        return Err(Error::field(location, "value_error", why));
    }
    Ok(text)
}

fn parse_documents(ids: Vec<String>) -> Result<Vec<DocumentId>> {
    let location = &["body", "document_ids"];
    if ids.len() > MAX_PROJECT_DOCUMENTS {
        let why = format!("at most {MAX_PROJECT_DOCUMENTS} documents");
        return Err(Error::field(location, "too_long", why));
    }
    let parsed = ids.iter().map(|id| DocumentId::parse(id));
    let parsed: Option<Vec<DocumentId>> = parsed.collect();
    parsed.ok_or_else(|| Error::field(location, "value_error", "is not a document ID"))
}

fn parse_people(emails: Vec<String>) -> Result<Vec<Email>> {
    let location = &["body", "members"];
    if emails.len() > MAX_PEOPLE {
        let why = format!("at most {MAX_PEOPLE} people");
        return Err(Error::field(location, "too_long", why));
    }
    let parsed = emails.iter().map(|email| Email::parse(email));
    let parsed: Option<Vec<Email>> = parsed.collect();
    parsed.ok_or_else(|| Error::field(location, "value_error", "is not an email address"))
}

fn too_many_error() -> Error {
    let why = format!("you already have {MAX_PROJECTS} projects, the maximum");
    Error::new(Kind::Conflict, why).resolve("delete one first")
}

//! Looking closer at one document: a page of it, who still quotes it, and reading it again.

use super::keep::queue_full;
use super::{DocumentService, missing};
use crate::app::{Error, Kind, Result};
use crate::domain::analysis::PlanPicture;
use crate::domain::chunk::PageText;
use crate::domain::document::{Document, DocumentStatus, InjectionFlag, TextlessPage};
use crate::domain::id::{AnalysisId, DocumentId, UserId};
use crate::domain::reading_queue::MAX_WAITING;
use crate::domain::time::Timestamp;
use crate::extract;
use crate::store::{StoreError, analyses, documents, unread};

/// Analyses that are named.
const MOST_USES: u32 = 20;

/// One page as people and models see it.
#[derive(Debug, Clone)]
pub struct PageView {
    /// Of which document.
    pub document: Document,
    /// The page; its text is empty where there is none.
    pub page: PageText,
    /// Why there is no text.
    pub gap: Option<TextlessPage>,
    /// What in it reads like orders to models.
    pub flags: Vec<InjectionFlag>,
    /// The pages with text before and after it.
    pub neighbours: (Option<u32>, Option<u32>),
}

/// An analysis that was given a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentUse {
    /// Which.
    pub analysis: AnalysisId,
    /// What was asked.
    pub question: String,
    /// When.
    pub created: Timestamp,
}

impl DocumentService {
    /// One page. `Missing` where there is neither text nor a reason why not.
    pub async fn page(&self, user: &UserId, id: &DocumentId, number: u32) -> Result<PageView> {
        let document = self.show(user, id).await?;
        let (owner, one) = (user.clone(), id.clone());
        let (page, neighbours) = self
            .store
            .read(move |db| {
                let page = documents::page_of(db, &owner, &one, number)?;
                Ok((page, documents::pages_around(db, &owner, &one, number)?))
            })
            .await?;
        let gap = document.gaps.iter().find(|gap| gap.page == number).cloned();
        let flags = document.flags.iter().filter(|flag| flag.page == number);
        let flags = flags.cloned().collect();
        if page.is_none() && gap.is_none() {
            return Err(Error::new(
                Kind::Missing,
                format!("there is no page {number}"),
            ));
        }
        Ok(PageView {
            page: page.unwrap_or(PageText {
                number,
                ..PageText::default()
            }),
            document,
            gap,
            flags,
            neighbours,
        })
    }

    /// The newest analyses that were given this document, and how many there are.
    pub async fn uses(&self, user: &UserId, id: &DocumentId) -> Result<(Vec<DocumentUse>, u64)> {
        self.show(user, id).await?;
        let (user, id) = (user.clone(), id.clone());
        let found = self.store.read(move |db| {
            Ok((
                analyses::given(db, &user, &id, MOST_USES)?,
                analyses::count_given(db, &user, &id)?,
            ))
        });
        let (found, count) = found.await?;
        let uses = found
            .into_iter()
            .map(|(analysis, question, created)| DocumentUse {
                analysis,
                question,
                created,
            });
        Ok((uses.collect(), count))
    }

    /// Reads a document again, in another encoding where one is named.
    pub async fn read_again(
        &self,
        user: &UserId,
        id: &DocumentId,
        encoding: Option<&str>,
    ) -> Result<Document> {
        let encoding = match encoding.map(|label| (label, extract::encoding_named(label))) {
            None => None,
            Some((_, Some(name))) => Some(name),
            Some((label, None)) => {
                let label: String = label.chars().take(40).collect();
                return Err(Error::field(
                    &["body", "encoding"],
                    "value_error",
                    format!("there is no encoding {label}"),
                )
                .resolve(
                    "name one as web pages do: utf-8, windows-1252, shift_jis, gb18030, koi8-r …",
                ));
            }
        };
        let document = self.show(user, id).await?;
        if document.status == DocumentStatus::Processing {
            return Err(Error::new(
                Kind::Conflict,
                "it is being read at this moment",
            ));
        }
        let again = Document {
            status: DocumentStatus::Processing,
            message: "it is being read again".to_owned(),
            encoding,
            ..document
        };
        let row = again.clone();
        let stored = self.store.write(move |db| {
            if unread::count_waiting(db, &row.user)? >= MAX_WAITING {
                return Ok(false);
            }
            documents::settle(db, &row).map(|()| true)
        });
        match stored.await {
            Err(StoreError::Missing) => return Err(missing()),
            Ok(false) => return Err(queue_full()),
            other => _ = other?,
        }
        self.settled(&again, false).await
    }

    /// The picture of a page without text: its media type and its bytes in base64.
    pub async fn page_picture(
        &self,
        user: &UserId,
        id: &DocumentId,
        page: u32,
    ) -> Result<Option<(String, String)>> {
        let (_, path) = self.content(user, id).await?;
        let reader = self.reader.of(user);
        // One at a time: a picture may be large. Not on the thread that keeps files: it may take long.
        let work = move || reader.picture(&path, page).map_err(super::intake::fault);
        self.pictures.hand_for(user, work).await
    }

    /// What in these documents reads like orders to models, for people.
    pub async fn warnings(&self, user: &UserId, ids: &[DocumentId]) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        for id in ids {
            let document = self.show(user, id).await?;
            if let Some(first) = document.flags.first() {
                warnings.push(format!(
                    "{}, page {}, holds text that reads like orders to a model (“{}”); it is treated as data",
                    document.name, first.page, first.excerpt
                ));
            }
        }
        Ok(warnings)
    }

    /// Pages without text that can be shown to a model that sees, up to `most` of all these documents, and how
    /// many more there are.
    pub async fn scans_among(
        &self,
        user: &UserId,
        ids: &[DocumentId],
        most: usize,
    ) -> Result<(Vec<PlanPicture>, usize)> {
        let mut pictures = Vec::new();
        let mut more = 0;
        for id in ids {
            let document = self.show(user, id).await?;
            for gap in document.gaps.iter().filter(|gap| gap.picture) {
                if pictures.len() == most {
                    more += 1;
                    continue;
                }
                pictures.push(PlanPicture {
                    document: document.id.clone(),
                    name: format!("{}, page {}", document.name, gap.page),
                    content_type: String::new(),
                    page: gap.page,
                });
            }
        }
        Ok((pictures, more))
    }
}

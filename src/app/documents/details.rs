//! Shows a document's pages and the analyses that use it, and processes a document again.

use super::storing::queue_full;
use super::{DocumentService, missing_error};
use crate::app::{Error, Kind, Result};
use crate::domain::analysis::PlanImage;
use crate::domain::chunk::PageText;
use crate::domain::document::{Document, DocumentStatus, InjectionFlag, PageWithoutText};
use crate::domain::id::{AnalysisId, DocumentId, ThreadId, UserId};
use crate::domain::reading_queue::MAX_WAITING;
use crate::domain::time::Timestamp;
use crate::extract;
use crate::store::{StoreError, analyses, documents, reading_queue};

/// Maximum number of analyses listed.
const MAX_USES: u32 = 20;

/// One page as users and models see it.
#[derive(Debug, Clone)]
pub struct PageView {
    /// The document that the page belongs to.
    pub document: Document,
    /// The page; its text is empty if it has none.
    pub page: PageText,
    /// Why the page has no text; `None` if it has text.
    pub gap: Option<PageWithoutText>,
    /// Possible prompt injections on the page.
    pub flags: Vec<InjectionFlag>,
    /// Numbers of the nearest pages with text before and after this one.
    pub neighbors: (Option<u32>, Option<u32>),
}

/// An analysis that used a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentUse {
    /// ID of the analysis that used the document.
    pub analysis: AnalysisId,
    /// Thread of the analysis; `None` if it is not in the history.
    pub thread: Option<ThreadId>,
    /// The question that the analysis answers.
    pub question: String,
    /// Creation time of the analysis.
    pub created: Timestamp,
}

impl DocumentService {
    /// Returns one page of a document as users and models see it.
    ///
    /// # Errors
    /// `Missing` if the user has no such document, or if the page has neither text nor a recorded reason for having
    /// none.
    pub async fn page(&self, user: &UserId, id: &DocumentId, number: u32) -> Result<PageView> {
        let document = self.show(user, id).await?;
        let (owner, document_id) = (user.clone(), id.clone());
        let (page, neighbors) = self
            .store
            .read(move |db| {
                let page = documents::page_of(db, &owner, &document_id, number)?;
                Ok((
                    page,
                    documents::pages_around(db, &owner, &document_id, number)?,
                ))
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
            neighbors,
        })
    }

    /// Returns the most recent analyses that used this document, and the total number of such analyses.
    ///
    /// # Errors
    /// `Missing` if the user has no such document.
    pub async fn uses(&self, user: &UserId, id: &DocumentId) -> Result<(Vec<DocumentUse>, u64)> {
        self.show(user, id).await?;
        let (user, id) = (user.clone(), id.clone());
        let lookup = self.store.read(move |db| {
            Ok((
                analyses::using_document(db, &user, &id, MAX_USES)?,
                analyses::count_using_document(db, &user, &id)?,
            ))
        });
        let (rows, count) = lookup.await?;
        let uses = rows
            .into_iter()
            .map(|(analysis, thread, question, created)| DocumentUse {
                analysis,
                thread,
                question,
                created,
            });
        Ok((uses.collect(), count))
    }

    /// Processes a document again, in another encoding if one is specified.
    ///
    /// # Errors
    /// `BadInput` for an unknown encoding; `Missing` if the user has no such document; `Conflict` while it is
    /// being read; `TooFast` if too many of the user's documents are already waiting; `UnsupportedType` if the
    /// file type is not supported.
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
                    "use a web label, such as utf-8, windows-1252, shift_jis, gb18030, or koi8-r",
                ));
            }
        };
        let document = self.show(user, id).await?;
        if document.status == DocumentStatus::Processing {
            return Err(Error::new(
                Kind::Conflict,
                "the document is being read right now",
            ));
        }
        let again = Document {
            status: DocumentStatus::Processing,
            message: "it is being read again".to_owned(),
            encoding,
            ..document
        };
        let row = again.clone();
        let update = self.store.write(move |db| {
            if reading_queue::count_waiting(db, &row.user)? >= MAX_WAITING {
                return Ok(false);
            }
            documents::store_read_result(db, &row).map(|()| true)
        });
        match update.await {
            Err(StoreError::Missing) => return Err(missing_error()),
            Ok(false) => return Err(queue_full()),
            other => _ = other?,
        }
        self.wait_for_text(&again, false).await
    }

    /// Returns the image of a page without text: its media type and its base64-encoded bytes. Returns `None` if the
    /// page has no image.
    ///
    /// # Errors
    /// `Missing` if the user has no such document; `Unavailable` if its file is damaged or cannot be fetched, or if too
    /// many jobs are waiting; `TooFast` if too many of the user's jobs are waiting.
    pub async fn page_image(
        &self,
        user: &UserId,
        id: &DocumentId,
        page: u32,
    ) -> Result<Option<(String, String)>> {
        let (_, path) = self.content(user, id).await?;
        let reader = self.reader.for_user(user);
        // A separate thread renders one page at a time: an image may be large, and rendering may take too long for the
        // thread that stores files.
        let work = move || {
            reader
                .render_page(path.path(), page)
                .map_err(super::upload::from_io)
        };
        self.picture_worker.run_for_user(user, work).await
    }

    /// Returns warnings for the user about possible prompt injections in these documents.
    ///
    /// # Errors
    /// `Missing` if one of them does not belong to the user.
    pub async fn warnings(&self, user: &UserId, ids: &[DocumentId]) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        for id in ids {
            let document = self.show(user, id).await?;
            if let Some(first) = document.flags.first() {
                warnings.push(format!(
                    "{}, page {}, contains text that reads like instructions to a model (“{}”); it is treated as data",
                    document.name, first.page, first.excerpt
                ));
            }
        }
        Ok(warnings)
    }

    /// Returns up to `limit` pages of these documents that have no text and can be shown to a vision model, and
    /// the number of further such pages.
    ///
    /// # Errors
    /// `Missing` if one of the documents does not belong to the user.
    pub async fn scans_among(
        &self,
        user: &UserId,
        ids: &[DocumentId],
        limit: usize,
    ) -> Result<(Vec<PlanImage>, usize)> {
        let mut images = Vec::new();
        let mut remaining = 0;
        for id in ids {
            let document = self.show(user, id).await?;
            for gap in document.gaps.iter().filter(|gap| gap.picture) {
                if images.len() == limit {
                    remaining += 1;
                    continue;
                }
                images.push(PlanImage {
                    document: document.id.clone(),
                    name: format!("{}, page {}", document.name, gap.page),
                    content_type: String::new(),
                    page: gap.page,
                });
            }
        }
        Ok((images, remaining))
    }
}

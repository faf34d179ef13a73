//! Images among a user's documents, which are sent to members with vision and never read as text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Analyses;
use super::check::CheckedRequest;
use crate::app::{Error, Kind, Result};
use crate::domain::analysis::{Plan, PlanImage};
use crate::domain::chat::Image;
use crate::domain::id::UserId;
use crate::domain::model::Model;

/// Maximum number of images in a run; every call carries all of them.
const MAX_IMAGES: usize = 4;

/// Images that a plan's documents contribute, with warnings about the documents.
#[derive(Debug, Default)]
pub(super) struct DocumentImages {
    pub pictures: Vec<PlanImage>,
    /// Warnings about the documents, shown to the user before anything is spent.
    pub warnings: Vec<String>,
}

impl DocumentImages {
    /// Returns a note for the result about models that cannot see the images.
    pub fn notes(&self, models: &[Model]) -> Vec<String> {
        let names: Vec<&str> = self.pictures.iter().map(|image| &*image.name).collect();
        let blind = models.iter().filter(|model| model.rejects_images());
        let mut ids: Vec<&str> = blind.map(|model| &*model.id).collect();
        ids.sort_unstable();
        ids.dedup();
        if names.is_empty() || ids.is_empty() {
            return Vec::new();
        }
        vec![format!(
            "models that do not accept images ({}) did not get {}",
            ids.join(", "),
            names.join(", ")
        )]
    }
}

impl Analyses<'_> {
    /// Returns the images among the request's documents, including images of pages without text. Also returns warnings
    /// about the documents.
    ///
    /// # Errors
    /// Returns an error if there are too many images or the store fails.
    pub(super) async fn document_images(
        &self,
        user: Option<&UserId>,
        new: &CheckedRequest,
    ) -> Result<DocumentImages> {
        let (Some(user), false) = (user, new.documents.is_empty()) else {
            return Ok(DocumentImages::default());
        };
        let documents = self.documents;
        let mut pictures = documents.images_among(user, &new.documents).await?;
        if pictures.len() > MAX_IMAGES {
            return Err(Error::field(
                &["body", "document_ids"],
                "too_long",
                format!("at most {MAX_IMAGES} images at once"),
            ));
        }
        let remaining_count = MAX_IMAGES - pictures.len();
        let (scans, omitted_count) = documents
            .scans_among(user, &new.documents, remaining_count)
            .await?;
        pictures.extend(scans);
        let mut warnings = documents.warnings(user, &new.documents).await?;
        if omitted_count > 0 {
            warnings.push(format!(
                "{omitted_count} more pages without text were not sent to any model; \
                 a run can include at most {MAX_IMAGES} images"
            ));
        }
        Ok(DocumentImages { pictures, warnings })
    }

    async fn scan(&self, user: &UserId, image: &PlanImage) -> Result<Image> {
        let documents = self.documents;
        let found = documents.page_image(user, &image.document, image.page);
        let (media_type, base64) = found.await?.ok_or_else(|| {
            Error::new(
                Kind::UnsupportedType,
                format!("{} cannot be shown as an image", image.name),
            )
        })?;
        Ok(Image {
            media_type,
            base64: base64.into(),
        })
    }

    /// Reads the bytes of a plan's images. Fails the run if an image was deleted in the meantime: an answer based on
    /// less than the user selected would be worse.
    ///
    /// # Errors
    /// Returns an error if an image is gone or cannot be read.
    pub(super) async fn pictures(&self, user: Option<&UserId>, plan: &Plan) -> Result<Vec<Image>> {
        let mut images = Vec::new();
        for image in &plan.pictures {
            let user = user.ok_or_else(Error::missing)?;
            if image.page > 0 {
                images.push(self.scan(user, image).await?);
                continue;
            }
            let (_, path) = self.documents.content(user, &image.document).await?;
            let bytes = tokio::fs::read(path.path())
                .await
                .map_err(Error::internal)?;
            images.push(Image {
                media_type: image.content_type.clone(),
                base64: STANDARD.encode(bytes).into(),
            });
        }
        Ok(images)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::DocumentId;
    use crate::domain::time::Timestamp;

    #[test]
    fn models_without_image_support_are_named_in_a_note() {
        let model = |id: &str, vision: Option<bool>| Model {
            id: id.into(),
            vision,
            ..crate::llm::demo::models().remove(0)
        };
        let image = PlanImage {
            document: DocumentId::new(Timestamp::from_millis(1), 1),
            name: "plan.png".into(),
            content_type: "image/png".into(),
            page: 0,
        };
        let images = DocumentImages {
            warnings: Vec::new(),
            pictures: vec![image],
        };
        let panel = [
            model("b/blind", Some(false)),
            model("a/sees", Some(true)),
            model("b/blind", Some(false)),
            model("c/unknown", None),
        ];
        assert_eq!(
            images.notes(&panel),
            ["models that do not accept images (b/blind) did not get plan.png"]
        );
        assert!(images.notes(&panel[1..2]).is_empty());
        assert!(DocumentImages::default().notes(&panel).is_empty());
    }
}

//! Reads a file that came inside a request, in the same sandboxed process as an upload. Nothing is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::Documents;
use super::child::Ended;
use super::intake::{self, Incoming};
use crate::app::{Error, Kind, Result};
use crate::domain::chunk::Page;

/// Stops reading when the request that wants the file is dropped.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

impl Documents {
    /// The text of a file in base64, its pages marked.
    ///
    /// # Errors
    /// `BadRequest` when it is not base64, cannot be read or holds no text; `TooLarge` over the limit of an upload.
    pub async fn read_attached(&self, name: &str, base64: &str) -> Result<String> {
        let base64: String = base64.split_ascii_whitespace().collect();
        let bytes = STANDARD
            .decode(&base64)
            .or_else(|_| STANDARD_NO_PAD.decode(&base64));
        let bytes = bytes.map_err(|_| unreadable(name, "its data is not base64"))?;
        let mut incoming = Incoming::begin(&self.folders.incoming, self.limit)?;
        incoming.write(&bytes).await?;
        drop(bytes);
        let received = incoming.finish().await?;
        let turn = self.attached.acquire().await.map_err(Error::internal)?;
        let (reader, called) = (self.reader.clone(), name.to_owned());
        let gone = Gone(Arc::default());
        let is_gone = gone.0.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let mut pages = Vec::new();
            let ended = reader.read(received.path(), (&called, None), &mut |page| {
                pages.push(page);
                !is_gone.load(Relaxed)
            });
            (ended, pages)
        });
        let (ended, pages) = reading.await.map_err(Error::internal)?;
        drop((turn, gone));
        match ended.map_err(intake::fault)? {
            Ended::Refused(_, why) => Err(unreadable(name, &why)),
            Ended::Read(_) | Ended::Left => joined(name, &pages),
        }
    }
}

fn joined(name: &str, pages: &[Page]) -> Result<String> {
    if pages.iter().all(|page| page.text.trim().is_empty()) {
        return Err(unreadable(name, "it holds no text, only pictures"));
    }
    let is_paged = pages.len() > 1;
    let mut text = String::new();
    for page in pages {
        if is_paged {
            text += &format!("[page {}]\n", page.number);
        }
        text += page.text.trim_end();
        text += "\n\n";
    }
    Ok(text)
}

fn unreadable(name: &str, why: &str) -> Error {
    let what = match name.is_empty() {
        true => "the document".to_owned(),
        false => format!("the document {name:?}"),
    };
    Error::new(Kind::BadRequest, format!("{what} cannot be read: {why}"))
        .resolve("send a PDF or another document with text in it")
}

//! An analysis as a file: JSON, CSV or Markdown.

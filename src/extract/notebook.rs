//! Jupyter notebooks: the cells in order, with their code and the text of their outputs. Images and other binary
//! outputs are omitted, with a note.

use serde_json::Value;

use super::terminal;

/// Maximum size of an output in bytes; the rest is omitted, with a note.
const MAX_OUTPUT_BYTES: usize = 64 << 10;

/// Returns whether a JSON text is a notebook.
pub fn is_notebook(text: &str) -> bool {
    text.contains("\"nbformat\"") && (text.contains("\"cells\"") || text.contains("\"worksheets\""))
}

/// Returns the notebook as Markdown, and notes for the user; `None` if it has no cells.
pub fn render(text: &str, max_text: usize) -> Option<(String, Vec<String>)> {
    let notebook: Value = serde_json::from_str(text).ok()?;
    // Notebooks of version 3 store the cells in worksheets.
    let cells: Vec<&Value> = match notebook["cells"].as_array() {
        Some(cells) => cells.iter().collect(),
        None => notebook["worksheets"]
            .as_array()?
            .iter()
            .filter_map(|sheet| sheet["cells"].as_array())
            .flatten()
            .collect(),
    };
    let language = notebook["metadata"]["kernelspec"]["language"]
        .as_str()
        .or_else(|| notebook["metadata"]["language_info"]["name"].as_str())
        .unwrap_or_default();
    let mut out = NotebookText::default();
    for cell in cells {
        if out.text.len() > max_text {
            break;
        }
        out.push_cell(cell, language);
    }
    let mut notes = Vec::new();
    for (count, what) in [
        (
            out.pictures,
            "pictures and other outputs without text left out",
        ),
        (
            out.truncated_output_count,
            "outputs cut because they are too long",
        ),
    ] {
        if count > 0 {
            notes.push(format!("{what}: {count}"));
        }
    }
    Some((out.text, notes))
}

#[derive(Default)]
struct NotebookText {
    text: String,
    pictures: usize,
    truncated_output_count: usize,
}

impl NotebookText {
    fn push_cell(&mut self, cell: &Value, language: &str) {
        let source = join_text(if cell["source"].is_null() {
            &cell["input"]
        } else {
            &cell["source"]
        });
        match cell["cell_type"].as_str().unwrap_or_default() {
            "code" => {
                self.push_block(
                    &format!("```{language}\n{}\n```", source.trim_end()),
                    &source,
                );
                for output in cell["outputs"].as_array().into_iter().flatten() {
                    self.push_output(output);
                }
            }
            "heading" => {
                let level = cell["level"].as_u64().unwrap_or(1).clamp(1, 6) as usize;
                self.push_block(&format!("{} {source}", "#".repeat(level)), &source);
            }
            _ => self.push_block(source.trim_end(), &source),
        }
        let attached = cell["attachments"].as_object();
        self.pictures += attached.map_or(0, serde_json::Map::len);
    }

    fn push_output(&mut self, output: &Value) {
        let data = if output["data"].is_object() {
            &output["data"]
        } else {
            output
        };
        let plain = [
            &data["text/plain"],
            &data["text/markdown"],
            &data["text/latex"],
            &output["text"],
            &output["traceback"],
        ];
        let text = plain.into_iter().find(|text| !text.is_null());
        let is_picture = data.as_object().is_some_and(|data| {
            data.keys().any(|kind| {
                [
                    "image/",
                    "application/",
                    "video/",
                    "audio/",
                    "png",
                    "jpeg",
                    "svg",
                ]
                .iter()
                .any(|one| kind.starts_with(one))
            })
        });
        self.pictures += usize::from(is_picture);
        let Some(text) = text else {
            // The output has only HTML, without the plain text that programs usually add.
            let page = join_text(&data["text/html"]);
            if !page.is_empty() {
                self.push_block(
                    &super::html::body(&page, MAX_OUTPUT_BYTES, false).text,
                    &page,
                );
            }
            return;
        };
        let plain_text = match text {
            Value::Array(lines)
                if !output["traceback"].is_null() && text == &output["traceback"] =>
            {
                let lines: Vec<&str> = lines.iter().filter_map(Value::as_str).collect();
                lines.join("\n")
            }
            text => join_text(text),
        };
        let plain_text = terminal::strip_control_codes(&plain_text);
        let plain_text = match output["evalue"].as_str() {
            // Add the error message only if the traceback does not end with it.
            Some(message) if !plain_text.contains(message) => {
                format!("{plain_text}\n{}: {message}", join_text(&output["ename"]))
            }
            _ => plain_text.into_owned(),
        };
        let end = plain_text.floor_char_boundary(MAX_OUTPUT_BYTES.min(plain_text.len()));
        self.truncated_output_count += usize::from(end < plain_text.len());
        self.push_block(
            &format!("Output:\n{}", plain_text[..end].trim_end()),
            &plain_text,
        );
    }

    fn push_block(&mut self, text: &str, content: &str) {
        if !content.trim().is_empty() {
            if !self.text.is_empty() {
                self.text.push_str("\n\n");
            }
            self.text.push_str(text);
        }
    }
}

/// Joins text stored as a string or as a list of lines.
fn join_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_and_text_outputs_are_read() {
        let text = r##"{"cells":[
            {"cell_type":"markdown","source":["# Levels\n","of rivers"],"metadata":{}},
            {"cell_type":"code","execution_count":7,"source":"print(2)","outputs":[
                {"output_type":"stream","name":"stdout","text":["2\n"]},
                {"output_type":"display_data","data":{"image/png":"QUJD","text/plain":["<Figure>"]}},
                {"output_type":"error","ename":"E","traceback":["\u001b[31mE\u001b[0m","line 2"]}]}],
            "metadata":{"kernelspec":{"language":"python"}},"nbformat":4,"nbformat_minor":5}"##;
        assert!(is_notebook(text));
        let (rendered, notes) = render(text, 10_000).expect("a notebook");
        assert_eq!(
            rendered,
            "# Levels\nof rivers\n\n```python\nprint(2)\n```\n\nOutput:\n2\n\nOutput:\n<Figure>\n\nOutput:\nE\nline 2"
        );
        assert_eq!(
            notes,
            ["pictures and other outputs without text left out: 1"]
        );
        assert_eq!(render("{}", 10), None);
    }
}

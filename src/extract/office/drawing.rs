//! Text of charts and diagrams, which are separate parts of the container.

use super::body::to_one_line;
use super::package::{Relationship, relationships};
use super::xml::{Tag, Xml, XmlPiece};
use crate::extract::zip::Zip;

/// Maximum size of the text of a chart or diagram, in bytes.
const MAX_TEXT_BYTES: usize = 64 << 10;

/// Returns the lines of text of the chart or diagram that a tag refers to; none if that part is missing.
pub fn referenced_text(zip: &Zip<'_>, links: &[Relationship], tag: &Tag) -> Vec<String> {
    let is_chart = tag.name() == "chart";
    let id = if is_chart {
        tag.prefixed_attribute("id")
    } else {
        tag.prefixed_attribute("dm")
    };
    let link = id.and_then(|id| links.iter().find(|link| link.id == id));
    let Some((link, xml)) = link.and_then(|link| Some((link, Xml::part(zip, &link.target)?)))
    else {
        return Vec::new();
    };
    if !is_chart {
        return diagram_lines(xml);
    }
    let mut lines = chart_lines(xml);
    // Text boxes drawn onto the chart are stored in a part of their own.
    for link in relationships(zip, &link.target) {
        if link.kind == "chartUserShapes"
            && let Some(xml) = Xml::part(zip, &link.target)
        {
            lines.extend(diagram_lines(xml));
        }
    }
    lines
}

/// Returns a chart's title and a line for each series, with its categories and values.
fn chart_lines(mut xml: Xml<'_>) -> Vec<String> {
    let (mut lines, mut title) = (Vec::new(), String::new());
    let mut series: Option<ChartSeries> = None;
    let mut part = "";
    let mut total = 0;
    while let Some(piece) = xml.next() {
        match piece {
            XmlPiece::Open(tag) => match tag.name() {
                "ser" => series = Some(ChartSeries::default()),
                "tx" => part = "name",
                "cat" | "xVal" => part = "category",
                "val" | "yVal" | "bubbleSize" => part = "value",
                "t" if series.is_none() => {
                    title.push_str(&xml.inner_text());
                    title.push(' ');
                }
                "v" => {
                    let text = xml.inner_text();
                    total += text.len();
                    if let Some(series) = series.as_mut().filter(|_| total < MAX_TEXT_BYTES) {
                        series.take(part, text);
                    }
                }
                _ => {}
            },
            XmlPiece::Close(name) if name == "ser" => {
                lines.extend(series.take().and_then(|series| series.line()));
            }
            _ => {}
        }
    }
    let title = to_one_line(&title);
    if lines.is_empty() && title.is_empty() {
        return lines;
    }
    lines.insert(0, format!("[chart] {title}").trim_end().to_owned());
    lines
}

#[derive(Default)]
struct ChartSeries {
    name: String,
    categories: Vec<String>,
    values: Vec<String>,
}

impl ChartSeries {
    fn take(&mut self, part: &str, text: String) {
        match part {
            "name" => self.name = to_one_line(&text),
            "category" => self.categories.push(to_one_line(&text)),
            _ => self.values.push(to_one_line(&text)),
        }
    }

    /// Formats a series: `Sales | Q1: 4.3 | Q2: 2.5`.
    fn line(self) -> Option<String> {
        // Without one category per value, write only the values.
        let has_category_per_value = self.categories.len() == self.values.len();
        let values = self.values.iter().enumerate().map(|(at, value)| {
            if has_category_per_value {
                format!("{}: {value}", self.categories[at])
            } else {
                value.clone()
            }
        });
        let series_name = Some(self.name.clone()).filter(|name| !name.is_empty());
        let cells: Vec<String> = series_name.into_iter().chain(values).collect();
        (!cells.is_empty()).then(|| cells.join(" | "))
    }
}

/// Returns the text of a diagram or of text boxes, one line per node or paragraph.
fn diagram_lines(mut xml: Xml<'_>) -> Vec<String> {
    let (mut lines, mut line, mut total) = (Vec::new(), String::new(), 0);
    while let Some(piece) = xml.next() {
        match piece {
            XmlPiece::Open(tag) if tag.name() == "t" => {
                // `dgm:t` contains a whole text body; the words are in its `a:t` elements.
                continue;
            }
            XmlPiece::Text(text) if total < MAX_TEXT_BYTES => {
                total += text.len();
                line.push_str(&text);
            }
            XmlPiece::Close(name) if name == "p" || name == "pt" => {
                let words = to_one_line(&std::mem::take(&mut line));
                if !words.is_empty() {
                    lines.push(format!("- {words}"));
                }
            }
            _ => {}
        }
    }
    lines
}

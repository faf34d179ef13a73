//! Data of XFA forms. Their pages are drawn by a program inside the file, which only a few viewers run.

use hayro_syntax::Pdf;
use hayro_syntax::object::{Array, Dict, Object};
use quick_xml::events::Event;

/// Maximum size of the form's data in bytes.
const MAX_BYTES: usize = 8 << 20;
/// Maximum depth of the form's data.
const MAX_DEPTH: usize = 64;

/// Returns the values of an XFA form, one field per line; `None` if the file is not an XFA form, or also has regular
/// fields that show the values.
pub fn field_values(pdf: &Pdf) -> Option<String> {
    let root = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id())?;
    let form = root.get::<Dict<'_>>("AcroForm")?;
    let has_fields = form
        .get::<Array<'_>>("Fields")
        .is_some_and(|fields| fields.iter::<Dict<'_>>().next().is_some());
    let parts = form.get::<Object<'_>>("XFA")?;
    if has_fields {
        return None;
    }
    let bytes = match parts {
        Object::Stream(stream) => stream.decoded_data().ok()?.into_owned(),
        Object::Array(parts) => {
            let mut all = Vec::new();
            // The array alternates between names and streams.
            for part in parts.iter::<Object<'_>>().take(128) {
                let Object::Stream(part) = part else {
                    continue;
                };
                all.extend_from_slice(&part.decoded_data().unwrap_or_default());
                if all.len() > MAX_BYTES {
                    break;
                }
            }
            all
        }
        _ => return None,
    };
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_BYTES)]).into_owned();
    Some(leaf_lines(&text))
}

/// Returns the innermost elements of the `data` element, one per line as `name: value`.
fn leaf_lines(xml: &str) -> String {
    let mut reader = quick_xml::Reader::from_str(xml);
    reader.config_mut().check_end_names = false;
    let mut open_names: Vec<String> = Vec::new();
    let (mut value, mut out, mut data) = (String::new(), String::new(), None);
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => {
                let name = tag.local_name().into_inner().to_owned();
                if name == "data" && data.is_none() {
                    data = Some(open_names.len());
                }
                value.clear();
                if open_names.len() >= MAX_DEPTH {
                    break;
                }
                open_names.push(name);
            }
            Ok(Event::Text(text)) if data.is_some() => value.push_str(&text.xml10_content()),
            Ok(Event::GeneralRef(name)) if data.is_some() => {
                let name = name.into_inner();
                value.push_str(&crate::extract::entities::decode(&format!("&{name};")));
            }
            Ok(Event::End(_)) => {
                let name = open_names.pop().unwrap_or_default();
                let words = value.split_whitespace().collect::<Vec<_>>().join(" ");
                if data.is_some_and(|depth| open_names.len() > depth) && !words.is_empty() {
                    out.push_str(&format!("{name}: {words}\n"));
                }
                value.clear();
                if data == Some(open_names.len()) {
                    break;
                }
            }
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_values_of_a_form_are_listed() {
        let xml = "<xdp:xdp xmlns:xdp='x'><template><field name='a'><value>no</value></field></template>\
                   <xfa:datasets xmlns:xfa='y'><xfa:data><form><Name>Ann &amp; Bob</Name><Sum> 12 </Sum><Empty/></form>\
                   </xfa:data></xfa:datasets></xdp:xdp>";
        assert_eq!(super::leaf_lines(xml), "Name: Ann & Bob\nSum: 12\n");
    }
}

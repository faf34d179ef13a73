//! Percent-encoding in paths and query strings.

/// Returns the first value of a query parameter, decoded; `None` if it is missing or invalid.
pub fn query_value(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key, true)? == name).then(|| decode(value, true))?
    })
}

/// Decodes percent-encoding. With `plus_is_space`, `+` becomes a space, as in a query string. Returns `None` if an
/// escape is malformed, or if the result is not UTF-8 or contains NUL.
pub fn decode(text: &str, plus_is_space: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                (high * 16 + low) as u8
            }
            b'+' if plus_is_space => b' ',
            other => other,
        });
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::{decode, query_value};

    #[test]
    fn percent_encoding_is_decoded() {
        for (text, plus_is_space, expected) in [
            ("a%20b+c", true, Some("a b c")),
            ("a+b", false, Some("a+b")),
            ("%C3%A9", false, Some("é")),
            ("%c3", false, None),
            ("%4", false, None),
            ("%zz", false, None),
            ("%00", false, None),
        ] {
            assert_eq!(decode(text, plus_is_space).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_first_value_of_a_parameter_counts() {
        for (query, expected) in [
            ("a=1&key=x%20y&key=z", Some("x y")),
            ("k%65y=x", Some("x")),
            ("key", Some("")),
            ("keys=x", None),
            ("", None),
        ] {
            assert_eq!(query_value(query, "key").as_deref(), expected, "{query}");
        }
    }
}

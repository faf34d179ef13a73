//! Reduces an answer's markup to plain text: Markdown emphasis, LaTeX, and full-width characters.

/// Maximum number of LaTeX commands of each kind (fractions, roots, wrappers) that are expanded in a text.
const MAX_COMMAND_DEPTH: usize = 16;

/// LaTeX commands and the text they represent. If one name is a prefix of another, the longer one comes first.
const LATEX_COMMANDS: &[(&str, &str)] = &[
    ("\\approx", "≈"),
    ("\\times", "×"),
    ("\\cdot", "·"),
    ("\\left", ""),
    ("\\right", ""),
    ("\\leq", "≤"),
    ("\\geq", "≥"),
    ("\\le", "≤"),
    ("\\ge", "≥"),
    ("\\pm", "±"),
    ("\\neq", "≠"),
    ("^{\\circ}", "°"),
    ("^\\circ", "°"),
    ("\\degree", "°"),
    ("\\pi", "π"),
    ("\\quad", " "),
    ("\\%", "%"),
    ("\\$", "$"),
    ("\\,", " "),
    ("\\;", " "),
    ("\\:", " "),
    ("\\ ", " "),
    ("\\!", ""),
    ("\\(", ""),
    ("\\)", ""),
    ("\\[", ""),
    ("\\]", ""),
    ("{,}", ","),
];

/// LaTeX commands that are replaced by their argument.
const WRAPPER_COMMANDS: &[&str] = &[
    "\\text",
    "\\mathrm",
    "\\mathbf",
    "\\textbf",
    "\\textit",
    "\\mathit",
    "\\operatorname",
    "\\mbox",
    "\\boldsymbol",
    "\\bf",
];

const FRACTION_COMMANDS: &[&str] = &["\\dfrac", "\\tfrac", "\\cfrac", "\\frac"];

/// Returns the text without markup and surrounding punctuation, with single spaces. Keeps a leading period or minus
/// sign, because it belongs to a number, and an exclamation mark after a digit, because it means a factorial.
pub fn to_plain_text(text: &str) -> String {
    let text: String = text.chars().map(normalize_char).collect();
    let text = text
        .replace('℃', "°C")
        .replace('℉', "°F")
        .replace('…', "...");
    let text = replace_sqrt_calls(&remove_latex(&flatten_subscripts(&text)));
    let words: Vec<&str> = text.split_whitespace().collect();
    strip_markup(&words.join(" ")).to_owned()
}

/// Returns the argument of the last `\boxed{…}` in a text.
pub fn boxed_content(text: &str) -> Option<&str> {
    let start = text.rfind("\\boxed{")?;
    braced_argument(&text[start + "\\boxed".len()..]).map(|(inner, _)| inner)
}

/// Strips emphasis, quotation marks, final punctuation, and one pair of parentheses around the whole text. Keeps a mark
/// that belongs to the digit or symbol before it (`5"`, `f'`, `A*`, `0.3...`), the parentheses around a tuple or a
/// negative amount (`($5)`), brackets, and braces.
pub fn strip_markup(text: &str) -> &str {
    let is_emphasis = |c: char| c.is_whitespace() || "*_`".contains(c);
    let mut text = text;
    loop {
        let previous_text = text;
        text = match is_starred(text.trim()) {
            true => text.trim(),
            false => strip_quotes(text.trim_matches(is_emphasis)),
        };
        let continues = text
            .trim_end_matches('.')
            .ends_with(|c: char| c.is_ascii_digit())
            && text.ends_with("..");
        if let Some(short) = text.strip_suffix(['.', ',', ';', ':', '。'])
            && !continues
        {
            text = short;
        }
        if let Some(short) = text.strip_suffix('!')
            && !short.ends_with(|c: char| c.is_ascii_digit() || c == ')')
        {
            text = short;
        }
        let inner = text.strip_prefix('(').and_then(|t| t.strip_suffix(')'));
        text = inner
            .filter(|inner| !inner.contains(['(', ')', ',', ';']))
            .filter(|inner| {
                !inner
                    .trim_start()
                    .starts_with(|c: char| "$€£¥₹".contains(c))
            })
            .unwrap_or(text);
        if text == previous_text {
            return text;
        }
    }
}

// Whether the only emphasis character is a star after a single letter or a number: "A*", "5*".
fn is_starred(text: &str) -> bool {
    text.strip_suffix('*').is_some_and(|symbol| {
        let is_number = symbol.ends_with(|c: char| c.is_ascii_digit());
        let is_letter = symbol.chars().count() == 1 && symbol.starts_with(char::is_alphabetic);
        (is_number || is_letter) && !symbol.contains(['*', '_', '`'])
    })
}

// Removes the quotation marks around the text. Keeps an unmatched mark at the end if it follows a digit, where it means
// feet, inches, or minutes, or a single letter, where it is a prime.
fn strip_quotes(text: &str) -> &str {
    let is_mark = |c: char| "\"'“”„«»".contains(c);
    let inner = text.trim_start_matches(is_mark);
    let is_open = inner.len() < text.len();
    let (Some(short), false) = (inner.strip_suffix(is_mark), inner.is_empty()) else {
        return inner;
    };
    let is_letter = short.chars().count() == 1 && short.starts_with(char::is_alphabetic);
    let is_figure = short.trim_end().ends_with(|c: char| c.is_ascii_digit());
    match (is_figure || is_letter) && !is_open {
        true => inner,
        false => short,
    }
}

// Maps full-width digits, letters, and symbols, every kind of space, and typographic apostrophes to ASCII.
fn normalize_char(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        _ if c.is_whitespace() => ' ',
        '’' | '‘' => '\'',
        _ => c,
    }
}

/// Names of logarithms. Their subscript is the base.
const LOGARITHM_NAMES: &[&str] = &["log", "lb", "ld"];

// Replaces subscript digits after a letter, as in H₂O and x₁, with plain digits. Subscripts after a digit are
// kept, because they are the base of the number. Subscripts before a digit are kept, because x₁2 is not x12.
// The base of a logarithm is followed by a space, because log₂8 is not log28.
fn flatten_subscripts(text: &str) -> String {
    let is_subscript = |c: char| matches!(c, '\u{2080}'..='\u{2089}');
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find(is_subscript) {
        let (text_before, from) = rest.split_at(start);
        let length = from.find(|c| !is_subscript(c)).unwrap_or(from.len());
        let (run, after_run) = from.split_at(length);
        out.push_str(text_before);
        rest = after_run;
        let letters = out.rsplit(|c: char| !c.is_alphabetic()).next();
        let letters = letters.unwrap_or_default().to_lowercase();
        let is_logarithm_name = LOGARITHM_NAMES.contains(&letters.as_str());
        if letters.is_empty()
            || !is_logarithm_name && after_run.starts_with(|c: char| c.is_ascii_digit())
        {
            out.push_str(run);
            continue;
        }
        let digits = run
            .chars()
            .filter_map(|c| char::from_digit(c as u32 - 0x2080, 10));
        out.extend(digits);
        if is_logarithm_name && after_run.starts_with(char::is_alphanumeric) {
            out.push(' ');
        }
    }
    out + rest
}

// Replaces "sqrt(2)" with "√2".
fn replace_sqrt_calls(text: &str) -> String {
    const ROOT: &str = "sqrt(";
    let Some((text_before, rest)) = text.split_once(ROOT) else {
        return text.to_owned();
    };
    let is_word = text_before.ends_with(|c: char| c.is_alphanumeric() || c == '\\');
    match rest.split_once(')') {
        Some((inner, after))
            if !is_word && !inner.is_empty() && inner.chars().all(char::is_alphanumeric) =>
        {
            format!("{text_before}√{inner}{}", replace_sqrt_calls(after))
        }
        _ => text.to_owned(),
    }
}

fn remove_latex(text: &str) -> String {
    let text = boxed_content(text).unwrap_or(text);
    let trimmed = strip_markup(text);
    if is_set_notation(trimmed) {
        let set = trimmed.replace("\\{", "{").replace("\\}", "}");
        // A backslash before the closing brace is the beginning of a LaTeX space.
        let is_space = |c: char| c.is_whitespace() || c == '\\';
        let elements = set
            .strip_suffix('}')
            .map(|open| open.trim_end_matches(is_space));
        return elements.map_or(set.clone(), |elements| format!("{elements}}}"));
    }
    let math = ["$$", "$"].into_iter().find_map(|mark| {
        let inner = trimmed.strip_prefix(mark)?.strip_suffix(mark)?;
        (!inner.trim().is_empty() && !inner.contains('$')).then_some(inner)
    });
    let text = math.unwrap_or(text);
    if math.is_none() && !text.contains(['\\', '{']) {
        return text.to_owned();
    }
    let mut text = expand_roots(&expand_fractions(text, 0), 0);
    for (command, replacement) in LATEX_COMMANDS {
        text = text.replace(command, replacement);
    }
    text = unwrap_commands(&text);
    // This turns "10^{3}" into "10^3".
    text.replace("^{", "^").replace(['{', '}'], "")
}

// Whether the text is a set, such as `{1, 2}`, `{5}`, or `\{1, 2\}`, whose braces are not LaTeX groups.
fn is_set_notation(text: &str) -> bool {
    let text = text.trim_matches('$');
    let inner = text.strip_prefix('\\').unwrap_or(text).strip_prefix('{');
    let inner = inner.and_then(|inner| inner.strip_suffix('}'));
    let is_element = |c: char| !c.is_whitespace() && c != '\\';
    inner.is_some_and(|inner| inner.contains(is_element) && !inner.contains(['{', '}']))
}

fn expand_fractions(text: &str, depth: usize) -> String {
    let next = FRACTION_COMMANDS
        .iter()
        .filter_map(|name| Some((text.find(name)?, name.len())))
        .min();
    let Some((start, length)) = next.filter(|_| depth < MAX_COMMAND_DEPTH) else {
        return text.to_owned();
    };
    let (text_before, rest) = (&text[..start], &text[start + length..]);
    let parts =
        braced_argument(rest).and_then(|(above, rest)| Some((above, braced_argument(rest)?)));
    let Some((above, (below, rest))) = parts else {
        return text.to_owned();
    };
    let is_number = |part: &str| part.trim().chars().all(|c| c.is_ascii_digit());
    let replacement = match is_number(above) && is_number(below) {
        true => format!("{}/{}", above.trim(), below.trim()),
        false => format!("({above})/({below})"),
    };
    let space = if text_before.ends_with(|c: char| c.is_ascii_digit()) {
        " "
    } else {
        ""
    };
    expand_fractions(
        &format!("{text_before}{space}{replacement}{rest}"),
        depth + 1,
    )
}

// Replaces "\sqrt{2}" with "√2". A root with a degree is unchanged.
fn expand_roots(text: &str, depth: usize) -> String {
    const ROOT: &str = "\\sqrt";
    let start = text.find(ROOT).filter(|_| depth < MAX_COMMAND_DEPTH);
    let parts =
        start.and_then(|start| Some((start, braced_argument(&text[start + ROOT.len()..])?)));
    let Some((start, (inner, rest))) = parts else {
        return text.to_owned();
    };
    let is_single = !inner.is_empty() && inner.chars().all(char::is_alphanumeric);
    let replacement = match is_single {
        true => format!("√{inner}"),
        false => format!("√({inner})"),
    };
    expand_roots(&format!("{}{replacement}{rest}", &text[..start]), depth + 1)
}

// Splits off one argument, which is a group in braces or a single character, and returns it without the braces,
// together with the rest of the text. `None` if the text begins with neither.
fn braced_argument(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let first = text.chars().next()?;
    if first != '{' {
        let end = first.len_utf8();
        return first.is_alphanumeric().then(|| text.split_at(end));
    }
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[1..at], &text[at + 1..]));
        }
    }
    None
}

fn unwrap_commands(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..MAX_COMMAND_DEPTH {
        let unwrapped = WRAPPER_COMMANDS.iter().find_map(|name| {
            let start = text.find(&format!("{name}{{"))?;
            let (inner, rest) = braced_argument(&text[start + name.len()..])?;
            Some(format!("{} {inner} {rest}", &text[..start]))
        });
        match unwrapped {
            Some(shorter) => text = shorter,
            None => break,
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_reduced_to_its_text() {
        for (text, expected) in [
            ("**B**", "B"),
            ("(b)", "b"),
            (".5", ".5"),
            ("- 5.", "- 5"),
            ("5!", "5!"),
            ("5\"", "5\""),
            ("**5'**", "5'"),
            ("\"5\"", "5"),
            ("“5”", "5"),
            ("(1,2)", "(1,2)"),
            ("[1, 2].", "[1, 2]"),
            ("\\{1, 2\\}", "{1, 2}"),
            // In LaTeX, a line break after a backslash is a space. A set has elements.
            ("{\\\n}", ""),
            ("{\\}", "\\"),
            ("{x\\\n}", "{x}"),
            ("{5}", "{5}"),
            ("[5]", "[5]"),
            ("($5)", "($5)"),
            ("A*", "A*"),
            ("*A*", "A"),
            (" B**", "B"),
            ("5*", "5*"),
            ("f'", "f'"),
            ("0.3...", "0.3..."),
            ("0.3…", "0.3..."),
            ("Paris...", "Paris"),
            ("\\sqrt{2}", "√2"),
            ("2\\sqrt{x+1}", "2√(x+1)"),
            ("\\frac{\\sqrt{2}}{2}", "(√2)/(2)"),
            ("No!", "No"),
            ("\\boxed{1200}", "1200"),
            ("$\\boxed{1{,}200}$", "1,200"),
            ("$1,200.00", "$1,200.00"),
            ("$1200$", "1200"),
            ("\\$1200", "$1200"),
            ("\\(\\frac{1}{2}\\)", "1/2"),
            ("1\\frac12", "1 1/2"),
            ("\\dfrac{a+1}{2}", "(a+1)/(2)"),
            ("1.2 \\times 10^{3}", "1.2 × 10^3"),
            ("5\\,\\text{km}", "5 km"),
            ("50\\%", "50%"),
            ("\\frac{1", "\\frac1"),
            ("１２００", "1200"),
            ("", ""),
            ("((", "(("),
        ] {
            assert_eq!(to_plain_text(text), expected, "{text}");
        }
    }
}

//! Words that change the meaning of a sentence, in English and German: negations, quantifiers, directions,
//! units, and dates. The rules use them only to lower a judgment, so a word that is not listed costs at most
//! a missed objection.

/// Words that negate, or nearly negate, a statement.
const NEGATIONS: &[&str] = &[
    "not",
    "no",
    "never",
    "none",
    "nor",
    "neither",
    "nobody",
    "nothing",
    "nowhere",
    "without",
    "cannot",
    "unless",
    "except",
    "hardly",
    "barely",
    "scarcely",
    "nicht",
    "nichts",
    "kein",
    "keine",
    "keinen",
    "keiner",
    "keinem",
    "keines",
    "keinerlei",
    "nie",
    "niemals",
    "niemand",
    "ohne",
    "kaum",
    "weder",
    "deny",
    "denies",
    "denied",
    "refuse",
    "refuses",
    "refused",
    "fails",
    "failed",
    "lacks",
    "lacked",
];

/// Prefixes that may turn a word into its opposite.
pub(super) const OPPOSING_PREFIXES: &[&str] =
    &["un", "dis", "in", "im", "ir", "il", "non", "mis", "de"];

/// Whether a word negates, or nearly negates, a statement.
pub(super) fn is_negation(word: &str) -> bool {
    NEGATIONS.contains(&word) || word.ends_with("n't")
}

/// Whether a word next to a quotation reverses its meaning. Words such as the "without" of "without notice"
/// only add a circumstance.
pub(super) fn reverses_meaning(word: &str) -> bool {
    is_negation(word) && !matches!(word, "without" | "ohne" | "unless" | "except")
}

/// Quantifiers and modal verbs by class.
const WORD_CLASSES: &[(&str, &[&str])] = &[
    (
        "all",
        &[
            "all",
            "every",
            "each",
            "everyone",
            "everybody",
            "always",
            "alle",
            "allen",
            "aller",
            "jeder",
            "jede",
            "jedes",
            "jeden",
            "jedem",
            "sämtliche",
            "stets",
            "immer",
        ],
    ),
    (
        "most",
        &[
            "most", "mostly", "usually", "majority", "meist", "meisten", "mehrheit",
        ],
    ),
    (
        "some",
        &[
            "some",
            "several",
            "sometimes",
            "einige",
            "manche",
            "mehrere",
            "manchmal",
        ],
    ),
    ("few", &["few", "rarely", "seldom", "wenige", "selten"]),
    (
        "only",
        &[
            "only",
            "solely",
            "exclusively",
            "nur",
            "lediglich",
            "ausschließlich",
        ],
    ),
    (
        "must",
        &[
            "must",
            "shall",
            "required",
            "obliged",
            "mandatory",
            "muss",
            "müssen",
            "verpflichtet",
        ],
    ),
    (
        "may",
        &[
            "may",
            "might",
            "can",
            "could",
            "allowed",
            "permitted",
            "optional",
            "darf",
            "dürfen",
            "kann",
            "können",
        ],
    ),
    ("both", &["both", "beide", "beiden", "beider"]),
    ("should", &["should", "soll", "sollte", "sollten"]),
    (
        "perhaps",
        &[
            "perhaps",
            "maybe",
            "possibly",
            "probably",
            "likely",
            "apparently",
            "reportedly",
            "allegedly",
            "supposedly",
            "vielleicht",
            "vermutlich",
            "möglicherweise",
            "wahrscheinlich",
            "angeblich",
        ],
    ),
];

/// Returns the class of a quantifier or modal verb; `None` for any other word.
pub(super) fn word_class(word: &str) -> Option<&'static str> {
    let mut classes = WORD_CLASSES.iter();
    classes
        .find(|(_, words)| words.contains(&word))
        .map(|(name, _)| *name)
}

/// Pairs of opposite directions, with the words for each direction.
const DIRECTION_WORDS: &[(&[&str], &[&str])] = &[
    (&["more", "mehr"], &["less", "fewer", "weniger"]),
    (&["most"], &["least"]),
    (
        &["above", "over", "exceed", "exceeds", "exceeded", "über"],
        &["below", "under", "unter"],
    ),
    (
        &["higher", "high", "highest", "höher", "hoch"],
        &["lower", "low", "lowest", "niedriger", "niedrig"],
    ),
    (
        &["greater", "larger", "bigger", "large", "größer", "groß"],
        &["smaller", "small", "kleiner", "klein"],
    ),
    (
        &["longer", "long", "länger", "lang"],
        &["shorter", "short", "kürzer", "kurz"],
    ),
    (
        &["faster", "fast", "schneller", "schnell"],
        &["slower", "slow", "langsamer", "langsam"],
    ),
    (
        &["better", "best", "besser"],
        &["worse", "worst", "schlechter"],
    ),
    (
        &[
            "rise",
            "rises",
            "rose",
            "risen",
            "grew",
            "grow",
            "grows",
            "grown",
            "increase",
            "increases",
            "increased",
            "gained",
            "stieg",
            "stiegen",
            "steigt",
            "gestiegen",
            "wuchs",
            "erhöht",
        ],
        &[
            "fall",
            "falls",
            "fell",
            "fallen",
            "shrank",
            "drop",
            "drops",
            "dropped",
            "decrease",
            "decreases",
            "decreased",
            "declined",
            "lost",
            "sank",
            "sanken",
            "sinkt",
            "gesunken",
            "fiel",
            "gesenkt",
        ],
    ),
    (&["before", "vor", "bevor"], &["after", "nach", "nachdem"]),
    (
        &["earlier", "early", "früher", "früh"],
        &["later", "late", "später", "spät"],
    ),
    (
        &["first", "erste", "erster", "ersten"],
        &["last", "letzte", "letzter", "letzten"],
    ),
    (&["minimum", "mindestens"], &["maximum", "höchstens"]),
    (&["true", "richtig", "wahr"], &["false", "wrong", "falsch"]),
    (
        &["open", "opened", "opens", "offen", "geöffnet"],
        &["closed", "closes", "close", "geschlossen"],
    ),
    (&["<", "≤"], &[">", "≥"]),
];

/// Returns the index of the pair of directions that a word belongs to, and whether the word stands for the first
/// direction of the pair.
pub(super) fn direction_of(word: &str) -> Option<(usize, bool)> {
    let mut pairs = DIRECTION_WORDS.iter().enumerate();
    pairs.find_map(|(index, (left, right))| {
        if left.contains(&word) {
            return Some((index, true));
        }
        right.contains(&word).then_some((index, false))
    })
}

/// Whether the unit with this canonical name is a currency.
pub(super) fn is_currency(unit: &str) -> bool {
    matches!(unit, "€" | "$" | "£" | "¥" | "chf")
}

/// Units by canonical name.
const UNIT_WORDS: &[(&str, &[&str])] = &[
    ("%", &["%", "percent", "prozent"]),
    (
        "km",
        &["km", "kilometre", "kilometres", "kilometer", "kilometers"],
    ),
    ("mile", &["mile", "miles", "meile", "meilen"]),
    ("m", &["m", "metre", "metres", "meter", "meters", "metern"]),
    (
        "cm",
        &[
            "cm",
            "centimetre",
            "centimetres",
            "centimeter",
            "centimeters",
            "zentimeter",
        ],
    ),
    (
        "mm",
        &[
            "mm",
            "millimetre",
            "millimetres",
            "millimeter",
            "millimeters",
        ],
    ),
    ("ft", &["ft", "foot", "feet"]),
    ("kg", &["kg", "kilogram", "kilograms", "kilogramm"]),
    ("g", &["g", "gram", "grams", "gramm"]),
    ("t", &["t", "tonne", "tonnes", "ton", "tons", "tonnen"]),
    ("l", &["l", "litre", "litres", "liter", "liters"]),
    ("s", &["s", "second", "seconds", "sekunde", "sekunden"]),
    ("min", &["min", "minute", "minutes", "minuten"]),
    ("h", &["h", "hour", "hours", "stunde", "stunden"]),
    ("day", &["day", "days", "tag", "tage", "tagen"]),
    ("week", &["week", "weeks", "woche", "wochen"]),
    ("month", &["month", "months", "monat", "monate", "monaten"]),
    ("year", &["year", "years", "jahr", "jahre", "jahren"]),
    ("celsius", &["celsius"]),
    ("fahrenheit", &["fahrenheit"]),
    ("€", &["€", "eur", "euro", "euros"]),
    ("$", &["$", "usd", "dollar", "dollars"]),
    ("£", &["£", "gbp", "pound", "pounds", "pfund"]),
    ("¥", &["¥", "yen"]),
    ("chf", &["chf", "franken", "francs"]),
];

/// Returns the canonical name of a unit; `None` if the word is not a unit.
pub(super) fn unit_of(word: &str) -> Option<&'static str> {
    let mut units = UNIT_WORDS.iter();
    units
        .find(|(_, words)| words.contains(&word))
        .map(|(name, _)| *name)
}

/// Months, weekdays, and seasons, in English and German.
const DATE_WORDS: &[&[&str]] = &[
    &["january", "januar", "jan"],
    &["february", "februar", "feb"],
    &["march", "märz"],
    &["april", "apr"],
    &["june", "juni", "jun"],
    &["july", "juli", "jul"],
    &["august", "aug"],
    &["september", "sept", "sep"],
    &["october", "oktober", "oct", "okt"],
    &["november", "nov"],
    &["december", "dezember", "dec", "dez"],
    &["monday", "mondays", "montag", "montags"],
    &["tuesday", "tuesdays", "dienstag", "dienstags"],
    &["wednesday", "wednesdays", "mittwoch", "mittwochs"],
    &["thursday", "thursdays", "donnerstag", "donnerstags"],
    &["friday", "fridays", "freitag", "freitags"],
    &["saturday", "saturdays", "samstag", "samstags", "sonnabend"],
    &["sunday", "sundays", "sonntag", "sonntags"],
    &["spring", "frühling", "frühjahr"],
    &["summer", "sommer"],
    &["autumn", "herbst"],
    &["winter"],
    &["today", "heute"],
    &["tomorrow", "morgen"],
    &["yesterday", "gestern"],
];

/// Returns the index of a month, weekday, or season. "May" is also a verb, so it counts only if it is a name.
pub(super) fn date_word(word: &str, is_name: bool) -> Option<usize> {
    if is_name && matches!(word, "may" | "mai") {
        return Some(DATE_WORDS.len());
    }
    DATE_WORDS.iter().position(|names| names.contains(&word))
}

/// Function words, which carry no content.
const FUNCTION_WORDS: &[&str] = &[
    "a", "an", "the", "this", "that", "these", "those", "it", "its", "he", "she", "they", "their",
    "his", "her", "we", "our", "you", "your", "i", "of", "to", "in", "on", "at", "by", "for",
    "from", "with", "as", "into", "about", "per", "and", "or", "but", "if", "than", "then", "so",
    "which", "who", "when", "where", "there", "is", "are", "was", "were", "be", "been", "being",
    "has", "have", "had", "do", "does", "did", "will", "would", "der", "die", "das", "den", "dem",
    "des", "ein", "eine", "einen", "einem", "einer", "eines", "und", "oder", "aber", "wenn", "als",
    "wie", "es", "er", "sie", "wir", "ihr", "ihre", "von", "vom", "zu", "zum", "zur", "im", "am",
    "an", "auf", "bei", "mit", "für", "aus", "durch", "dass", "ist", "sind", "war", "waren",
    "wird", "werden", "wurde", "wurden", "worden", "hat", "haben", "hatte", "sich", "auch", "also",
    "s",
];

/// Whether a word carries content: it is not a function word, quantifier, modal verb, or negation.
pub(super) fn is_content_word(word: &str) -> bool {
    !FUNCTION_WORDS.contains(&word) && word_class(word).is_none() && !is_negation(word)
}

/// Whether the words are German, judging by the most frequent function words.
pub(super) fn is_german<'a>(words: impl Iterator<Item = &'a str>) -> bool {
    const GERMAN_WORDS: &[&str] = &[
        "der", "die", "das", "den", "dem", "des", "und", "ist", "nicht", "ein", "eine", "von",
        "mit", "im", "am", "zu", "wird", "wurde", "für", "sich", "auf", "kein", "keine",
    ];
    const ENGLISH_WORDS: &[&str] = &[
        "the", "of", "and", "is", "to", "in", "was", "for", "that", "by", "are", "on", "with",
        "not",
    ];
    let (mut german, mut english) = (0, 0);
    for word in words {
        german += u32::from(GERMAN_WORDS.contains(&word));
        english += u32::from(ENGLISH_WORDS.contains(&word));
    }
    german > english
}

//! Stop words, and the detection of a question's language from them.

/// The stop words of one language.
type StopWords = &'static [&'static str];

#[rustfmt::skip]
const ENGLISH_STOP_WORDS: StopWords = &[
    "about", "after", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "because", "been",
    "being", "but", "by", "can", "could", "did", "do", "does", "for", "from", "give", "had", "has", "have",
    "he", "her", "his", "how", "if", "in", "into", "is", "it", "its", "me", "more", "most", "my", "no",
    "not", "of", "on", "one", "or", "other", "our", "out", "over", "please", "she", "should", "so", "some",
    "such", "tell", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this",
    "those", "to", "up", "us", "was", "we", "were", "what", "when", "where", "which", "who", "whom", "why",
    "will", "with", "would", "you", "your",
];
#[rustfmt::skip]
const GERMAN_STOP_WORDS: StopWords = &[
    "aber", "als", "am", "auch", "auf", "aus", "bei", "bin", "bis", "da", "das", "dass", "dem", "den",
    "der", "des", "die", "dies", "diese", "dieser", "dieses", "doch", "du", "durch", "ein", "eine", "einem",
    "einen", "einer", "eines", "er", "es", "für", "hat", "hatte", "hatten", "ich", "ihr", "ihre", "im",
    "ist", "kann", "man", "mit", "nach", "nicht", "noch", "nur", "oder", "ohne", "sein", "sich", "sie",
    "sind", "und", "uns", "unter", "viele", "vom", "von", "vor", "wann", "war", "waren", "warum", "was",
    "welche", "welchem", "welchen", "welcher", "welches", "wem", "wen", "wenn", "wer", "werden", "wie",
    "wieviel", "wir", "wird", "wo", "wurde", "wurden", "zu", "zum", "zur", "über",
];
#[rustfmt::skip]
const FRENCH_STOP_WORDS: StopWords = &[
    "au", "aux", "avec", "c", "ce", "ces", "cet", "cette", "combien", "comme", "comment", "d", "dans", "de",
    "du", "elle", "en", "est", "et", "il", "ils", "j", "je", "l", "la", "le", "les", "leur", "lui", "mais",
    "n", "ne", "nous", "on", "ont", "ou", "où", "par", "pas", "plus", "pour", "pourquoi", "qu", "quand",
    "que", "quel", "quelle", "quelles", "quels", "qui", "quoi", "s", "sa", "se", "ses", "son", "sont",
    "sous", "sur", "un", "une", "vers", "vos", "votre", "vous", "à", "étaient", "était", "été",
];
#[rustfmt::skip]
const SPANISH_STOP_WORDS: StopWords = &[
    "a", "al", "como", "con", "cual", "cuando", "cuál", "cuáles", "cuándo", "cuántas", "cuánto", "cuántos",
    "cómo", "de", "del", "desde", "donde", "dónde", "e", "el", "ella", "ellos", "en", "entre", "era",
    "eran", "es", "esta", "este", "esto", "está", "están", "fue", "fueron", "ha", "hace", "han", "hasta",
    "hay", "la", "las", "lo", "los", "muy", "más", "no", "nos", "o", "para", "pero", "por", "porque", "que",
    "quien", "quién", "qué", "se", "ser", "si", "sin", "sobre", "son", "su", "sus", "también", "un", "una",
    "uno", "y", "ya",
];
#[rustfmt::skip]
const ITALIAN_STOP_WORDS: StopWords = &[
    "a", "al", "alla", "anche", "che", "chi", "ci", "come", "con", "cosa", "da", "dal", "dalla", "dei",
    "del", "della", "delle", "di", "dove", "e", "era", "gli", "ha", "i", "il", "in", "la", "le", "lo", "ma",
    "nel", "nella", "non", "per", "perché", "più", "quale", "quali", "quando", "quanto", "questa", "questo",
    "se", "si", "sono", "su", "sul", "tra", "un", "una", "uno", "è",
];
#[rustfmt::skip]
const PORTUGUESE_STOP_WORDS: StopWords = &[
    "a", "ao", "as", "com", "como", "da", "das", "de", "do", "dos", "e", "em", "era", "essa", "esse",
    "esta", "este", "eu", "foi", "há", "mais", "mas", "na", "nas", "no", "nos", "não", "o", "onde", "os",
    "ou", "para", "pela", "pelo", "por", "quais", "qual", "quando", "que", "quem", "se", "ser", "sua",
    "são", "também", "um", "uma", "é",
];
#[rustfmt::skip]
const DUTCH_STOP_WORDS: StopWords = &[
    "aan", "als", "bij", "dat", "de", "deze", "die", "dit", "door", "een", "en", "er", "ge", "had", "heeft",
    "het", "hij", "hoe", "ik", "in", "is", "kan", "maar", "meer", "met", "naar", "niet", "nog", "of", "om",
    "onder", "ook", "op", "over", "te", "tot", "uit", "van", "veel", "voor", "waar", "waarom", "wanneer",
    "was", "wat", "we", "welke", "werd", "wie", "worden", "wordt", "ze", "zich", "zijn",
];
#[rustfmt::skip]
const RUSSIAN_STOP_WORDS: StopWords = &[
    "а", "без", "бы", "был", "была", "были", "было", "быть", "в", "во", "вот", "все", "где", "для", "до",
    "его", "ее", "если", "же", "за", "и", "из", "или", "их", "к", "как", "какая", "какие", "какое", "какой",
    "кем", "когда", "кого", "который", "кто", "ли", "мы", "на", "не", "него", "нет", "но", "о", "об", "он",
    "она", "они", "от", "по", "под", "после", "почему", "при", "с", "сколько", "со", "так", "также", "то",
    "только", "у", "чего", "чем", "что", "это", "этот", "я",
];

const STOP_WORD_LISTS: [StopWords; 8] = [
    ENGLISH_STOP_WORDS,
    GERMAN_STOP_WORDS,
    FRENCH_STOP_WORDS,
    SPANISH_STOP_WORDS,
    ITALIAN_STOP_WORDS,
    PORTUGUESE_STOP_WORDS,
    DUTCH_STOP_WORDS,
    RUSSIAN_STOP_WORDS,
];

/// Selects the stop-word lists for a question: the lists with the most matches in it, or the English list if none has
/// at least two. A single match proves nothing: "war", for example, is also a stop word in German.
pub(super) fn stop_words_for(words: &[String]) -> Vec<StopWords> {
    let count = |list: StopWords| words.iter().filter(|word| is_in_list(list, word)).count();
    let max_matches = STOP_WORD_LISTS
        .iter()
        .map(|list| count(list))
        .max()
        .unwrap_or(0);
    if max_matches < 2 {
        return vec![ENGLISH_STOP_WORDS];
    }
    STOP_WORD_LISTS
        .into_iter()
        .filter(|list| count(list) == max_matches)
        .collect()
}

/// Whether the list contains the word, which must be in lowercase.
pub(super) fn is_in_list(list: StopWords, word: &str) -> bool {
    list.contains(&word)
}

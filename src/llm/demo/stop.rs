//! Stop words in English, German, French, and Spanish, and other word lists of the demo algorithms. Contains only lists
//! and lookups.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Function words of English, German, French, and Spanish in one list, because the demo algorithms do not detect the
/// language.
const STOP_WORDS: &str = "\
a about above after again all also although am an and any are aren't as at be because been before \
being below between both but by can cannot could did do does doing don't down during each either else \
etc every few for from further had has have having he her here hers him his how however i if in into is \
isn't it its itself just let may me might more most must my neither no nor not of off on once only or \
other others our ours out over own per s same shall she should so some such t than that the their \
theirs them themselves then there these they this those through thus to too under until up upon us \
very was we were what when where whether which while who whom whose why will with within without would \
yet you your yours \
aber alle allem allen aller alles als also am an andere anderen auch auf aus bei beim bin bis bist da \
dadurch daher damit dann das dass dein dem den denn der des dessen die dies diese diesem diesen dieser \
dieses doch dort du durch ein eine einem einen einer eines er es etwas euer für gegen gewesen hat haben \
hatte hatten hier hinter ich ihm ihn ihr ihre ihrem ihren ihrer im in indem ins ist ja jede jedem jeden \
jeder jedes jene kann kein keine keinem keinen keiner können man mehr mein mit muss müssen nach nicht \
nichts noch nun nur ob oder ohne sehr sein seine seinem seinen seiner seit sich sie sind so solche \
soll sollen sollte sondern sonst über um und uns unser unter vom von vor war waren warum was weil \
welche welchem welchen welcher welches wenn wer werden wie wieder wird wir wo wurde wurden zu zum zur \
zwischen \
au aucun aussi autre aux avec avoir c ce ceci cela ces cet cette ceux chaque ci comme comment d dans de \
depuis des donc dont du elle elles en encore entre est et été étaient était être eu eux fait font hors il \
ils j je l la le les leur leurs lui ma mais me même mes moi mon n ne nos notre nous on ont ou où par parce \
pas peu peut plus pour pourquoi qu quand que quel quelle quelles quels qui s sa sans se sera ses si son \
sont sous sur ta te tes toi ton tous tout toute toutes très trop tu un une vos votre vous y \
al algo algunas algunos ante antes como con contra cual cuando de del desde donde durante e el ella \
ellas ellos en entre era eran es esa esas ese eso esos esta está están estas este esto estos ha había \
han hasta hay la las le les lo los más me mi mis mucho muy nada ni no nos nosotros o os otra otras otro \
otros para pero poco por porque qué que quien quién se sea ser si sí sin sobre son su sus también tanto \
te tiene tienen todo todos tu tus un una uno unos y ya yo";

/// Words of a question that are addressed to the model instead of naming the subject.
const REQUEST_WORDS: &str = "\
analyse analysis analyze answer article bitte brief briefly bullet compare concise content contents \
describe describes detail details discuss document documents dokument explain explique extract file \
find fasse give gib many much long lange viel viele wieviel combien cuánto cuántos help identify importance important key list main mean means nenne outline overview \
passage passages please point points question read resume resumen résumé resumer say says section \
sentence sentences show states summarise summarize summary tell text texts thing things understand use \
using want work write zusammen zusammenfassen zusammenfassung erkläre explica analiza analysiere";

/// Abbreviations that end with a period within a sentence.
const ABBREVIATIONS: &str = "\
al approx art bspw bzw ca cf co corp dept dipl dr ed eds eq etc evtl fig figs ggf hr inc jr ltd m max \
min mr mrs ms nr no p pp prof resp rev sec sog sr st tab u.s usw vgl vol vs z";

/// Words that express uncertainty (hedges).
pub const HEDGES: &[&str] = &[
    "allegedly",
    "almost",
    "apparently",
    "appears",
    "approximately",
    "believe",
    "believed",
    "could",
    "estimate",
    "estimated",
    "estimates",
    "expected",
    "generally",
    "likely",
    "mainly",
    "may",
    "maybe",
    "might",
    "mostly",
    "nearly",
    "normally",
    "often",
    "partly",
    "perhaps",
    "possible",
    "possibly",
    "presumably",
    "probably",
    "reportedly",
    "roughly",
    "seem",
    "seems",
    "sometimes",
    "suggest",
    "suggests",
    "typically",
    "unclear",
    "unlikely",
    "usually",
    "etwa",
    "eventuell",
    "könnte",
    "könnten",
    "möglicherweise",
    "schätzungsweise",
    "ungefähr",
    "vermutlich",
    "vielleicht",
    "voraussichtlich",
    "wahrscheinlich",
    "environ",
    "peut-être",
    "pourrait",
    "probablement",
    "aproximadamente",
    "podría",
    "probablemente",
    "quizás",
];

/// Absolute words, which are easily refuted by a counterexample.
pub const ABSOLUTES: &[&str] = &[
    "absolutely",
    "all",
    "always",
    "best",
    "certainly",
    "clearly",
    "completely",
    "entirely",
    "ever",
    "every",
    "everyone",
    "fully",
    "greatest",
    "guarantee",
    "guaranteed",
    "guarantees",
    "highest",
    "impossible",
    "largest",
    "lowest",
    "never",
    "nobody",
    "none",
    "obviously",
    "perfect",
    "proven",
    "solely",
    "undoubtedly",
    "unique",
    "unprecedented",
    "worst",
    "alle",
    "beste",
    "garantiert",
    "immer",
    "jeder",
    "niemals",
    "niemand",
    "sicherlich",
    "völlig",
    "aucun",
    "jamais",
    "meilleur",
    "toujours",
    "mejor",
    "nunca",
    "siempre",
    "todos",
];

/// Words that negate a statement.
const NEGATIONS: &str = "\
not no never none nobody neither nor cannot without isn't aren't doesn't don't didn't won't wasn't nicht \
kein keine keinen keiner nie niemals ohne pas jamais aucun sans nunca sin ningún";

/// Nouns after which a number refers to a part of a document, as in "page 3". Such a number is not a measurement.
const REFERENCE_NOUNS: &str = "\
abs absatz appendix art article artikel chapter clause eq fig figure item kapitel line no nr number \
paragraph page part point section sections seite step table teil version volume";

/// Returns whether the word is a stop word.
pub fn is_stop(word: &str) -> bool {
    let mut characters = word.chars();
    let single = matches!((characters.next(), characters.next()), (Some(only), None) if only.is_ascii_alphabetic());
    single || contains(&STOP_SET, word)
}

/// Returns whether the word is addressed to the model instead of naming the subject.
pub fn is_request_word(word: &str) -> bool {
    contains(&REQUEST_WORD_SET, word)
}

/// Returns whether the word is an abbreviation that ends in a period.
pub fn is_abbreviation(word: &str) -> bool {
    contains(&ABBREVIATION_SET, word)
}

/// Returns whether the word is a negation.
pub fn is_negation(word: &str) -> bool {
    contains(&NEGATION_SET, word)
}

/// Returns whether a number after this word refers to a part of a document.
pub fn is_reference_noun(word: &str) -> bool {
    contains(&PLACE_SET, word)
}

type WordSet = LazyLock<HashSet<&'static str>>;

static STOP_SET: WordSet = LazyLock::new(|| STOP_WORDS.split(' ').collect());
static REQUEST_WORD_SET: WordSet = LazyLock::new(|| REQUEST_WORDS.split(' ').collect());
static ABBREVIATION_SET: WordSet = LazyLock::new(|| ABBREVIATIONS.split(' ').collect());
static NEGATION_SET: WordSet = LazyLock::new(|| NEGATIONS.split(' ').collect());
static PLACE_SET: WordSet = LazyLock::new(|| REFERENCE_NOUNS.split(' ').collect());

fn contains(list: &WordSet, word: &str) -> bool {
    let word = word.to_lowercase().replace('\u{2019}', "'");
    list.contains(word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookups_ignore_case() {
        assert!(is_stop("The") && is_stop("Für") && is_stop("x") && is_stop("DON’T"));
        assert!(!is_stop("licence") && !is_stop("") && !is_stop("字"));
        assert!(
            is_request_word("Summarize") && is_negation("Nicht") && is_reference_noun("Section")
        );
        assert!(is_abbreviation("Dr"));
    }

    #[test]
    fn tables_are_lowercase_without_duplicates() {
        for list in [HEDGES, ABSOLUTES] {
            let mut seen_words = std::collections::BTreeSet::new();
            for word in list {
                assert!(seen_words.insert(word), "{word} twice");
                assert_eq!(*word, word.to_lowercase());
            }
        }
    }
}

//! Tests with quotations that must be found despite small differences, and with quotations that must not be found.

mod properties;
mod quotations;

use super::*;

const PAGE: &str = "The supplier shall not exceed 3.5 tonnes of carbon per year. Mr Andersen, who manu-\nfactures the \
    “ﬁrst” engine, paid 1,200 euros on 4 May 2021;\nthe rest was payable within thirty days of delivery to the port. \
    Die Übertragung der Rechte erfolgt nicht vor Zahlung. 量子計算は速い。";

fn find_in_page(quote: &str) -> Option<&'static str> {
    verify(PAGE, quote).map(|range| &PAGE[range])
}

#[test]
fn quotations_are_found_despite_case_punctuation_and_line_breaks() {
    for quote in [
        "shall not exceed 3.5 tonnes of carbon",
        "SHALL NOT  EXCEED 3.5 tonnes",
        "who manufactures the 'first' engine",
        "paid 1,200 euros on 4 May 2021 - the rest was payable",
        "the rest was payable within thirty days of delivery to the p0rt"
            .replace("p0rt", "port")
            .as_str(),
        "the rest was pay able within thirty days",
        "die Ubertragung der Rechte erfolgt nicht",
        "量子計算は速い",
    ] {
        assert!(find_in_page(quote).is_some(), "{quote}");
    }
    assert_eq!(
        find_in_page("who manufactures the first"),
        Some("who manu-\nfactures the “ﬁrst")
    );
}

#[test]
fn small_changes_of_meaning_are_detected() {
    for (page, quote) in [
        (
            "The landlord shall not enter without notice of a day.",
            "The landlord shall … enter without notice",
        ),
        (
            "He pays rent. She may leave. They may stay here.",
            "He pays rent … They may stay",
        ),
        (
            "The effect was clear, p < 0.05 in all groups.",
            "The effect was clear, p > 0.05 in all groups",
        ),
        (
            "The price is $900 for each month.",
            "The price is €900 for each month",
        ),
        (
            "The rate is 5 per year and person.",
            "The rate is 5% per year and person",
        ),
        (
            "It fell to -5 degrees in the night.",
            "It fell to 5 degrees in the night",
        ),
        (
            "It costs 1.000 euros in all.",
            "It costs 1,000 euros in all",
        ),
        (
            "the notice goes from the employer to the union within ten days of that",
            "the notice goes from the employee to the union within ten days of that",
        ),
        (
            "this was proscribed by the law of the country in that year",
            "this was prescribed by the law of the country in that year",
        ),
        (
            "it ends on the sixth day after the delivery of the goods",
            "it ends on the sixty day after the delivery of the goods",
        ),
        (
            "this is an atypical case of it",
            "this is an a typical case of it",
        ),
        (
            "this modem is old and slow and was bought in that year",
            "this modern is old and slow and was bought in that year",
        ),
    ] {
        assert_eq!(verify(page, quote), None, "{quote}");
        assert!(verify(page, page).is_some(), "{page}");
    }
}

#[test]
fn altered_quotations_are_not_found() {
    for quote in [
        "shall exceed 3.5 tonnes of carbon",
        "shall not exceed 35 tonnes of carbon",
        "shall not exceed 3.6 tonnes of carbon per year",
        "Mr Anderson, who manufactures the first engine",
        "paid 1,200 euros on 5 May 2021; the rest was payable",
        "the rest was payable within thirteen days of delivery",
        "the rest was not payable within thirty days of delivery",
        "Die Übertragung der Rechte erfolgt vor Zahlung",
        "The supplier … on 6 May",
        "shall not excess 3.5",
        "量子計算は遅い",
        "",
    ] {
        assert_eq!(find_in_page(quote), None, "{quote}");
    }
}

#[test]
fn lost_signs_split_words_and_lost_case_are_detected() {
    for (page, quote) in [
        (
            "Its rating is BB- by both of the agencies.",
            "Its rating is BB by both of the agencies.",
        ),
        (
            "Its rating is BB- by both of the agencies.",
            "Its rating is BB",
        ),
        (
            "HER2- patients got the drug in the first arm.",
            "HER2 patients got the drug in the first arm.",
        ),
        (
            "Cl- ions were moved across the cell wall.",
            "Cl ions were moved across the cell wall.",
        ),
        (
            "The C# compiler was used in all builds.",
            "The C compiler was used in all builds.",
        ),
        ("The C# compiler was used in all builds.", "The C"),
        (
            "Temperature fell to - 5 degrees at night.",
            "Temperature fell to 5 degrees at night.",
        ),
        (
            "Temperature fell to – 5 degrees at night.",
            "5 degrees at night.",
        ),
        (
            "Loss of - £5 million was seen last year.",
            "£5 million was seen last year.",
        ),
        (
            "Profit of ( 5 ) was seen in the last year.",
            "Profit of 5 was seen in the last year.",
        ),
        (
            "Profit of (5) million was seen last year.",
            "Profit of 5 million was seen last year.",
        ),
        (
            "Profit of 5- was seen in the last year then.",
            "Profit of 5 was seen in the last year then.",
        ),
        (
            "The wall is 6' high near the old gate.",
            "The wall is 6 high near the old gate.",
        ),
        ("The wall is 6' high near the old gate.", "The wall is 6"),
        (
            "The size is 5' by the wall of the hut.",
            "The size is 5\" by the wall of the hut.",
        ),
        (
            "It takes 3! boxes in every single row.",
            "It takes 3 boxes in every single row.",
        ),
        (
            "It takes n! boxes in every single row.",
            "It takes n boxes in every single row.",
        ),
        (
            "It takes |-3| boxes in every single row.",
            "It takes -3 boxes in every single row.",
        ),
        ("It takes |-3| boxes in every single row.", "-3"),
        (
            "~p is true for all of the other cases seen.",
            "p is true for all of the other cases seen.",
        ),
        (
            "!ready is true for all of the cases seen.",
            "ready is true for all of the cases seen.",
        ),
        (
            "Set Ω to 5 in the model for the second run.",
            "Set ω to 5 in the model for the second run.",
        ),
        (
            "Rated 👍 by all of the tenants of the house.",
            "Rated 👎 by all of the tenants of the house.",
        ),
        (
            "Rated 👍 by all of the tenants of the house.",
            "Rated by all of the tenants of the house.",
        ),
        (
            "The word ~~shall not~~ was struck from the text.",
            "The word shall not was struck from the text.",
        ),
        ("The tenant ~~shall not~~ may pay the rent.", "shall not"),
        (
            "We saw the therapist of the clinic last May.",
            "We saw the rapist of the clinic last May.",
        ),
        (
            "We saw the rapist of the clinic last May.",
            "We saw therapist of the clinic last May.",
        ),
        (
            "The legend of the table was broken by him.",
            "The leg end of the table was broken by him.",
        ),
        (
            "We will hasten men to the front of the ship.",
            "We will has ten men to the front of the ship.",
        ),
    ] {
        assert_eq!(verify(page, quote), None, "{quote}");
        assert!(verify(page, page).is_some(), "{page}");
    }
}

#[test]
fn spellings_of_one_text_are_found() {
    for (page, quote) in [
        (
            "العقد ينتهي في ٣٠ يونيو ٢٠٢٧ تماما",
            "العقد ينتهي في 30 يونيو 2027 تماما",
        ),
        (
            "The U.S. unit is used by the old owner now.",
            "The US unit is used by the old owner now.",
        ),
        (
            "The USA unit is used by the old owner now.",
            "The U.S.A. unit is used by the old owner now.",
        ),
        (
            "The cost is x₁+x₂ for the whole last year.",
            "The cost is x_1 + x_{2} for the whole last year.",
        ),
        (
            "Die Gebühr für die Prüfung beträgt 5 Euro.",
            "Die Gebuehr für die Prüfung beträgt 5 Euro.",
        ),
        (
            "The 'class of 2020' won, and Haus- und Hof.",
            "The “class of 2020” won, and Haus- und Hof.",
        ),
        (
            "- 5 apples\n- 2 pears were sold to the man.",
            "2 pears were sold to the man",
        ),
        ("Item | Price\nPump | 30\nValve | 40", "Pump 30"),
        (
            "They said so! The rent is due in May.",
            "They said so. The rent is due in May.",
        ),
    ] {
        assert!(verify(page, quote).is_some(), "{quote}");
    }
    assert_eq!(
        verify(
            "In Maßen trinken ist für ältere Menschen gut.",
            "In Massen trinken ist für ältere Menschen gut."
        ),
        None
    );
    assert_eq!(
        verify("They told us all of it.", "They told U.S. all of it."),
        None
    );
}

#[test]
fn a_footnote_number_does_not_prove_a_number() {
    let page = "The rent of the tenants² is due in May.";
    assert_eq!(verify(page, "2"), None);
    assert_eq!(verify(page, "the tenants 2 is due"), None);
    assert!(verify(page, "the tenants is due in May").is_some());
    assert!(verify(page, "the tenants² is due in May").is_some());
    for (page, quote) in [
        (
            "As shown by Smith [3] in 2020, the rent is due.",
            "As shown by Smith [3]",
        ),
        (
            "As shown by Smith [3] in 2020, the rent is due.",
            "[3] in 2020, the rent",
        ),
        (
            "The rent is due in May [3, 4] for all of the tenants.",
            "due in May [3, 4]",
        ),
        (
            "The rent is due in May.² The deposit is due in June.",
            "due in May.²",
        ),
        (
            "The rent is due ① in May for all of the tenants.",
            "① in May for all",
        ),
    ] {
        assert!(verify(page, quote).is_some(), "{quote}");
    }
}

#[test]
fn numbers_of_references_and_list_items_may_be_left_out() {
    for (page, quote) in [
        (
            "As shown by Smith [3] in 2020, the rent is due in the month of May.",
            "As shown by Smith in 2020, the rent is due in the month of May.",
        ),
        (
            "The rent is due in May [3, 4] for all of the tenants.",
            "The rent is due in May for all of the tenants.",
        ),
        (
            "1. The rent is due in May.\n2. The deposit is due in June.",
            "The rent is due in May. The deposit is due in June.",
        ),
        (
            "Der Mieter zahlt 5.000 Euro im Jahr für die Wohnung.",
            "Der Mieter zahlt 5000 Euro im Jahr für die Wohnung.",
        ),
    ] {
        assert!(verify(page, quote).is_some(), "{quote}");
    }
    for (page, quote) in [
        (
            "The values of the interval [3, 4] are used in the model.",
            "The values of the interval are used in the model.",
        ),
        (
            "As shown by Smith [3] in 2020, the rent is due.",
            "As shown by Smith [4] in 2020, the rent is due.",
        ),
        (
            "The sample weighed 1.250 kg, which is the mass of it.",
            "The sample weighed 1250 kg, which is the mass of it.",
        ),
        (
            "Die Probe wog 1.250 kg und ist im Labor.",
            "Die Probe wog 1250 kg und ist im Labor.",
        ),
        (
            "Paid in the year on\n5. May the rest be paid.",
            "Paid in the year on May the rest be paid.",
        ),
        (
            "The function eˣ is used in the model.",
            "The function ex is used in the model.",
        ),
        (
            "The code x - y is used in the model.",
            "The code x y is used in the model.",
        ),
        (
            "The code x / y is used in the model.",
            "The code x y is used in the model.",
        ),
    ] {
        assert_eq!(verify(page, quote), None, "{quote}");
        assert!(verify(page, page).is_some(), "{page}");
    }
}

#[test]
fn a_number_sign_is_not_a_negation() {
    for (page, quote) in [
        ("See rule № 5 of the house for guests.", "5 of the house"),
        ("See rule № A-12 of the house.", "A-12 of the house"),
        ("See rule No. 5 of the house for guests.", "5 of the house"),
        ("See rule No 5 of the house for guests.", "5 of the house"),
    ] {
        assert!(verify(page, quote).is_some(), "{page}");
    }
    // Here, "no" before a number is a negation.
    for (page, quote) in [
        (
            "There is no 5G coverage in the valley.",
            "5G coverage in the valley",
        ),
        ("There are no 2 people alike in it.", "2 people alike in it"),
        ("It rains. No 2 people are alike.", "2 people are alike"),
        ("There is no house on the hill.", "house on the hill"),
    ] {
        let quote_match = locate(quote, &ComparableText::from_text(page)).unwrap();
        assert!(!quote_match.omitted.is_empty(), "{page}");
    }
    assert!(verify("See rule № 5 of the house.", "rule No. 5 of the house").is_some());
}

#[test]
fn a_brand_matches_in_lowercase_but_an_identifier_does_not() {
    for (page, quote) in [
        ("The iPhone was shown in May.", "the iphone was shown"),
        (
            "All of their eCommerce grew in May.",
            "their ecommerce grew",
        ),
    ] {
        assert!(verify(page, quote).is_some(), "{page}");
    }
    for (page, quote) in [
        (
            "The field userName is read in May.",
            "field username is read",
        ),
        ("The field isOpen is read in May.", "field isopen is read"),
    ] {
        assert_eq!(verify(page, quote), None, "{page}");
    }
}

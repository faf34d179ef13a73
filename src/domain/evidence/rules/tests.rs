//! Tests that each rule detects its kind of mismatch and accepts paraphrases.

use super::*;

#[test]
fn each_rule_detects_its_kind_of_mismatch() {
    for (sentence, quote, expected) in [
        (
            "The pump is covered for 24 months.",
            "The warranty covers the pump for 18 months.",
            "the number 24",
        ),
        (
            "The cable is 5 km long.",
            "The cable is 5 miles long.",
            "5 km",
        ),
        (
            "The landlord is a thief.",
            "The lease ends on 30 June 2027.",
            "too few terms",
        ),
        (
            "The deposit is lost.",
            "The lease ends on 30 June 2027.",
            "too few terms",
        ),
        (
            "The lease ends on 30 June 2027 and the landlord is guilty of fraud.",
            "The lease ends on 30 June 2027.",
            "do not say “and the landlord",
        ),
        (
            "The lease ends on 30 June 2027; the deposit is forfeited.",
            "The lease ends on 30 June 2027.",
            "do not say “the deposit",
        ),
        (
            "The lease ends on 30 June 2027 because the roof is damaged.",
            "The lease ends on 30 June 2027.",
            "do not say “because",
        ),
        (
            "Microsoft says that the lease ends on 30 June 2027.",
            "The lease ends on 30 June 2027.",
            "who says so",
        ),
        (
            "The lease ends before 30 June 2027.",
            "The lease ends on 30 June 2027.",
            "do not compare",
        ),
        (
            "The lease ends on 30 June 2027 or later.",
            "The lease ends on 30 June 2027.",
            "do not compare",
        ),
        (
            "Both leases end on 30 June 2027.",
            "The lease ends on 30 June 2027.",
            "both",
        ),
        (
            "The price is €900 a month.",
            "The price is $900 a month.",
            "900 €",
        ),
        (
            "The lease ends in June.",
            "the lease ends in July",
            "the date june",
        ),
        (
            "The lease ends on Monday 5 May.",
            "the lease ends on Monday 5",
            "the date may",
        ),
        (
            "The firm is based in Paris.",
            "The firm is based there.",
            "the name paris",
        ),
        (
            "Der Vertrag wurde von Frau Müller unterschrieben.",
            "Der Vertrag wurde von Frau Schmidt unterschrieben.",
            "the name müller",
        ),
        (
            "The tenant may sublet.",
            "The tenant may not sublet.",
            "negation",
        ),
        (
            "Haustiere sind erlaubt.",
            "Keinerlei Haustiere sind erlaubt.",
            "negation",
        ),
        (
            "The witness was believed by the court.",
            "The witness was disbelieved by the court.",
            "its opposite",
        ),
        (
            "All suppliers passed the audit.",
            "Some suppliers passed the audit.",
            "“all”",
        ),
        (
            "The drug lowers the risk of stroke.",
            "The drug may lower the risk of stroke.",
            "“may”",
        ),
        (
            "Sales rose in the north.",
            "Sales fell in the north.",
            "opposite direction",
        ),
        (
            "Google sued Oracle in court.",
            "Oracle sued Google in court.",
            "another order",
        ),
        (
            "Google was sued by Oracle in court.",
            "Google sued Oracle in court.",
            "another order",
        ),
        (
            "The buyer pays the shipping costs.",
            "The seller pays the shipping costs.",
            "“seller”",
        ),
        ("It opens at 9 am.", "It opens at 9 p.m.", "“am”"),
        (
            "He took the money in May.",
            "He denied that he took the money in May.",
            "negation",
        ),
        (
            "The board approved the merger.",
            "The board refused to approve the merger.",
            "negation",
        ),
        (
            "The rule applies to boats and to cars.",
            "The rule neither applies to boats nor to cars.",
            "negation",
        ),
        (
            "If it rains, the match is off.",
            "The match is off.",
            "condition",
        ),
        (
            "The minister resigned in May.",
            "The minister reportedly resigned in May.",
            "“perhaps”",
        ),
        (
            "Il contratto è valido.",
            "Il contratto non è valido.",
            "negation",
        ),
        ("价格上涨了三成。", "价格上涨了五成。", "三"),
        (
            "The harbor closed its northern gate.",
            "Rents were paid every other week.",
            "too few",
        ),
    ] {
        let objection_text = objection(sentence, quote);
        assert!(
            objection_text
                .as_ref()
                .is_some_and(|text| text.contains(expected)),
            "{sentence} / {quote}: {objection_text:?}"
        );
    }
}

#[test]
fn no_rule_objects_to_a_paraphrase() {
    for (sentence, quote) in [
        (
            "The lease ends on 30 June 2027 [D1:p4] (A, B).",
            "The lease shall end on 30 June 2027.",
        ),
        ("It costs 1,200 euros.", "the total costs 1200 EUR in all"),
        (
            "The rent is €900 per month.",
            "The rent is 900 euros per month.",
        ),
        (
            "The rent is 900 euros per month.",
            "The rent is EUR 900 per month.",
        ),
        (
            "El contrato termina el 30 de junio.",
            "El contrato de arrendamiento termina el 30 de junio.",
        ),
        (
            "Oracle was sued by Google in court.",
            "Google sued Oracle in court.",
        ),
        (
            "The tenant must pay the rent by the third day.",
            "The tenant shall pay the rent by the third day of each month.",
        ),
        (
            "Die Miete beträgt zwölf Euro.",
            "die monatliche Miete beträgt 12 Euro",
        ),
    ] {
        assert_eq!(objection(sentence, quote), None, "{sentence} / {quote}");
    }
}

#[test]
fn a_claim_in_the_same_terms_is_a_repetition() {
    let full_claim = "The lease ends on 30 June 2027.";
    for (claim, expected) in [
        ("Lease ends on 30 June 2027", true),
        ("Lease: ends on 30 June 2027", true),
        ("ends on 30 June 2027", true),
        ("The lease does not end on 30 June 2027.", false),
        ("The lease may end on 30 June 2027.", false),
        ("The lease ends on 30 June 2028.", false),
        ("The rent is 900 euros.", false),
    ] {
        assert_eq!(is_repetition(claim, full_claim), expected, "{claim}");
    }
    assert!(!is_repetition(
        "The lease ends on 30 June 2027 in Rome.",
        full_claim
    ));
}

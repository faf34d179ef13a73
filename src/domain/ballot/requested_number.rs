//! Converts a number to the unit and scale of the requested field. The field's name and description or, failing those,
//! the question may specify a unit, a currency, cents, a scale (millions), or percent. A number that cannot be
//! converted exactly is not returned.
//!
//! - A number without a unit is usually returned unchanged; in a percent field, for example, it is assumed to be a
//!   percentage.
//! - For a number with a unit, the field or the question must specify that unit or one that it can be converted to.
//! - Money is returned in units of its currency if no unit is specified, and in cents if cents are specified.

use serde_json::Value;

use super::number_words::{NumberWords, split_text};
use crate::domain::answer_value::{AnswerValue, NumberValue, Quantity, Ratio, ValueUnit};

/// The unit and scale that a schema property and the question specify for the property's number.
#[derive(Debug, Default)]
pub struct RequestedNumber {
    field: NumberWords,
    question: NumberWords,
}

impl RequestedNumber {
    /// Determines the requested unit from a property's name ("distanceKm", "price_cents"), its title and
    /// description, and the question, in this order. Each source supplies only the details that are still missing.
    pub fn new(name: &str, schema: &Value, question: &str) -> Self {
        let texts = ["title", "description"].map(|part| schema[part].as_str().unwrap_or_default());
        let described = NumberWords::from_description(&split_text(&texts.join(" ")));
        Self {
            field: NumberWords::from_name(name).merge(described),
            question: NumberWords::from_question(question),
        }
    }

    /// Converts the winning number to the requested unit and scale. Returns `None` if that is ambiguous or
    /// impossible. `values` are the values that the winner's voters stated.
    pub fn number_for(&self, value: &AnswerValue, values: &[AnswerValue]) -> Option<Ratio> {
        let AnswerValue::Number(number) = value else {
            return None;
        };
        let quantity = &number.quantity;
        let scale = self.field.scale.or(self.question.scale);
        if quantity.unit.is_dimensionless() {
            return self.to_unitless(number, values, scale);
        }
        let converted = self.to_requested_unit(number)?;
        match scale {
            // In a field of millions, "$5" is ambiguous: it may mean 5 dollars or 5 million dollars.
            Some(scale) if !quantity.is_scaled && is_below(quantity.amount, scale) => None,
            Some(scale) => converted.checked_div(scale),
            None => Some(converted),
        }
    }

    /// Whether the question asks for a decimal rather than a percentage.
    pub const fn requests_decimal(&self) -> bool {
        self.question.is_decimal
    }

    /// Whether the question requests a unit.
    pub const fn requests_unit(&self) -> bool {
        self.question.is_unit_fixed
    }

    fn to_unitless(
        &self,
        number: &NumberValue,
        values: &[AnswerValue],
        scale: Option<Ratio>,
    ) -> Option<Ratio> {
        let quantity = &number.quantity;
        let mut spelled = values.iter().filter_map(AnswerValue::quantity);
        let percent = spelled.find(|other| other.is_percent);
        let percent = percent.map(|other| other.amount);
        if let Some(parts) = self.requested_parts() {
            return self.to_parts(quantity, percent, parts);
        }
        if self.field.is_share || self.field.is_decimal || self.question.is_decimal {
            return self.to_share(quantity, percent);
        }
        if quantity.is_percent && number.is_unit_asked {
            return quantity.written_amount;
        }
        match scale {
            Some(scale) if quantity.is_scaled => quantity.amount.checked_div(scale),
            // In a field of millions, "5,000,000" is ambiguous: it may mean 5 million or 5 million million.
            Some(scale) if !is_below(quantity.amount, scale) => None,
            _ => Some(quantity.amount),
        }
    }

    // Returns the number of parts that make up a whole, such as 100 for percent. The field takes precedence over the
    // question, whose parts do not count if the field is a share or if a decimal is requested.
    fn requested_parts(&self) -> Option<Ratio> {
        let is_open = !self.field.is_share && !self.field.is_decimal && !self.question.is_decimal;
        let requested_parts = self.question.parts.filter(|_| is_open);
        self.field.parts.or(requested_parts)
    }

    fn to_parts(&self, quantity: &Quantity, percent: Option<Ratio>, parts: Ratio) -> Option<Ratio> {
        if is_part(quantity) {
            return quantity.amount.checked_mul(parts);
        }
        let requests_percent = self.question.parts.is_some();
        match percent {
            // If one voter states 0.5 and another 50%, and the question asks for percent, the two may not
            // mean the same.
            Some(percent) if requests_percent && percent == quantity.amount => None,
            Some(percent) => percent.checked_mul(parts),
            None if requests_percent || !self.question.is_share => Some(quantity.amount),
            // If the question is "What share?", 0.5 is ambiguous: it may mean one half or half a percent.
            None => {
                Some(quantity.amount).filter(|_| !is_below(quantity.amount, Ratio::from_integer(1)))
            }
        }
    }

    fn to_share(&self, quantity: &Quantity, percent: Option<Ratio>) -> Option<Ratio> {
        if is_part(quantity) {
            return Some(quantity.amount);
        }
        let is_below_one = is_below(quantity.amount, Ratio::from_integer(1));
        match percent {
            Some(percent) => Some(percent),
            None if !self.field.is_share => Some(quantity.amount),
            None if self.question.parts.is_some() && !self.question.is_decimal => quantity
                .amount
                .checked_div(Ratio::from_integer(100))
                .filter(|_| !is_below_one),
            None => Some(quantity.amount)
                .filter(|amount| is_below_one || *amount == Ratio::from_integer(1)),
        }
    }

    fn to_requested_unit(&self, number: &NumberValue) -> Option<Ratio> {
        let quantity = &number.quantity;
        let (field, question) = (&self.field, &self.question);
        if self.requested_parts().is_some() || field.is_share {
            return None;
        }
        let is_open = !field.is_unit_fixed && !field.names_money();
        let requested_hundredths = question.hundredths.filter(|_| is_open);
        if let Some(currencies) = field.hundredths.or(requested_hundredths) {
            return self.to_hundredths(quantity, currencies);
        }
        let base = quantity.unit.base_symbol.as_str();
        for stated in [field, question] {
            if let Some(factor) = stated.factors(base).next() {
                let is_one = stated.factors(base).all(|other| other == factor);
                // A question that merely mentions a unit does not request a conversion to it.
                let is_requested = std::ptr::eq(stated, field)
                    || stated.is_unit_fixed
                    || factor == quantity.unit.factor;
                return quantity
                    .amount
                    .checked_div(factor)
                    .filter(|_| is_one && is_requested);
            }
            if stated.is_unit_fixed {
                return self.to_whole_units(quantity);
            }
        }
        if quantity.unit.is_money {
            let names_money = field.names_money() || question.names_money();
            return quantity
                .written_amount
                .filter(|_| !names_money && !question.demands_unknown);
        }
        if let Some(currency) = self.price_base_unit(quantity) {
            let all = field.units.iter().chain(&question.units);
            let is_other = all
                .filter(|unit| unit.is_money)
                .any(|unit| *unit != currency);
            return quantity
                .written_amount
                .filter(|_| !is_other && !question.demands_unknown);
        }
        let is_common = [field, question]
            .iter()
            .any(|stated| stated.kinds.contains(&quantity.unit));
        // The question names a unit that is not in the tables, such as "blue apples".
        let is_named = number.is_unit_asked && !quantity.unit.is_listed();
        let is_common = is_common && !question.demands_unknown;
        quantity.written_amount.filter(|_| is_common || is_named)
    }

    // Returns the currency of an amount such as "$5 per kg" if the price per kilogram is requested.
    fn price_base_unit(&self, quantity: &Quantity) -> Option<ValueUnit> {
        let (above, _) = quantity.unit.base_symbol.split_once('/')?;
        let currency = ValueUnit::currency(above)?;
        let mut each = self
            .field
            .denominator_units
            .iter()
            .chain(&self.question.denominator_units);
        let fits = each.any(|below| currency.divided_by(below).as_ref() == Some(&quantity.unit));
        fits.then_some(currency)
    }

    fn to_hundredths(&self, quantity: &Quantity, currencies: &[&str]) -> Option<Ratio> {
        let base = quantity.unit.base_symbol.as_str();
        if ["cent", "pence"].contains(&base) {
            return quantity.written_amount;
        }
        let is_money = |unit: &&ValueUnit| unit.is_money;
        let all = self.field.units.iter().chain(&self.question.units);
        let mut stated_units = all.filter(is_money).peekable();
        let is_other =
            stated_units.peek().is_some() && !stated_units.any(|unit| unit.base_symbol == base);
        quantity
            .amount
            .checked_mul(Ratio::from_integer(100))
            .filter(|_| currencies.contains(&base) && !is_other)
    }

    // Converts an amount such as "50 cents" to dollars or euros, if only that currency is requested.
    fn to_whole_units(&self, quantity: &Quantity) -> Option<Ratio> {
        let all = self.field.units.iter().chain(&self.question.units);
        let mut money = all.filter(|unit| unit.is_money);
        let only_unit = money
            .next()
            .filter(|only_unit| money.all(|unit| unit == *only_unit))?;
        let fits = quantity.unit.base_symbol == "cent"
            && ["usd", "eur"].contains(&only_unit.base_symbol.as_str());
        quantity
            .amount
            .checked_div(Ratio::from_integer(100))
            .filter(|_| fits)
    }
}

// Whether the number was written in percent or per mille.
fn is_part(quantity: &Quantity) -> bool {
    quantity.is_percent || quantity.label == "‰"
}

fn is_below(number: Ratio, limit: Ratio) -> bool {
    number.to_f64().abs() < limit.to_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::answer_value::AnswerReader;
    use serde_json::json;

    fn requested_number_for(
        question: &str,
        name: &str,
        schema: &Value,
        votes: &[&str],
    ) -> Option<String> {
        let reader = AnswerReader::new(question);
        let values: Vec<AnswerValue> = votes
            .iter()
            .filter_map(|vote| reader.parse_statement(vote))
            .collect();
        let number =
            RequestedNumber::new(name, schema, question).number_for(&values[0], &values)?;
        Some(number.to_string())
    }

    #[test]
    fn a_number_fits_only_a_field_of_its_unit() {
        for (name, vote, expected) in [
            ("metres", "5 kg", None),
            ("km", "5 h", None),
            ("n", "5 km", None),
            ("distance", "5 km", None),
            ("length_cm", "5 m", Some("500")),
            ("lengthKm", "5000 m", Some("5")),
            ("km", "5 miles", Some("8.04672")),
            ("minutes", "1.5 hours", Some("90")),
            ("duration_min", "2 h", Some("120")),
            ("min_distance_km", "5000 m", Some("5")),
            ("years", "18 months", Some("1.5")),
            ("weight_g", "0.5 kg", Some("500")),
            ("weight_kg", "500 g", Some("0.5")),
            ("area_m2", "5 km²", Some("5000000")),
            ("meters_per_second", "36 km/h", Some("10")),
            ("meters_per_second", "36 m", None),
            ("speed_kmh", "10 m/s", Some("36")),
            ("power_kw", "500 W", Some("0.5")),
            ("temperature_c", "32 °F", None),
            ("temperature_c", "32 °C", Some("32")),
            ("temperature_f", "0 °C", None),
            ("celsius", "300 K", None),
            ("temperature_k", "300 K", Some("300")),
            ("size_mb", "5 GB", None),
            ("size_bytes", "5 kB", None),
            ("apples", "5 apples", Some("5")),
            ("pears", "5 apples", None),
            ("count", "5", Some("5")),
            ("metres", "5", Some("5")),
        ] {
            let number = requested_number_for("Q?", name, &json!({}), &[vote, vote]);
            assert_eq!(number.as_deref(), expected, "{name} {vote}");
        }
    }

    #[test]
    fn money_is_converted_to_the_unit_of_the_field() {
        for (name, vote, expected) in [
            ("price", "$1.2k", Some("1200")),
            ("price_usd", "$1,200", Some("1200")),
            ("price_usd", "€1,200", None),
            ("price_eur", "$1,200", None),
            ("price_cents", "$5.00", Some("500")),
            ("priceCents", "€5", Some("500")),
            ("cents", "50 cents", Some("50")),
            ("cents", "¥5", None),
            ("price_eur_cents", "$5", None),
            ("price_cents", "500", Some("500")),
            ("amount_millions", "$5 million", Some("5")),
            ("amount_millions", "$5,000,000", Some("5")),
            ("millions", "5 million", Some("5")),
            ("millions", "5", Some("5")),
            ("millions", "5,000,000", None),
            ("price_per_hour", "$5", Some("5")),
            ("metres", "$5", None),
        ] {
            let number = requested_number_for("Q?", name, &json!({}), &[vote, vote]);
            assert_eq!(number.as_deref(), expected, "{name} {vote}");
        }
    }

    #[test]
    fn percentages_and_fractions_are_distinguished() {
        for votes in [["0.5", "50%"], ["50 %", "½"], ["50%", "1/2"]] {
            for name in ["percent", "share_percent", "pct", "discountPercentage"] {
                let number = requested_number_for("Q?", name, &json!({}), &votes);
                assert_eq!(number.as_deref(), Some("50"), "{name} {votes:?}");
            }
            for name in ["share", "fraction", "probability", "n"] {
                let number = requested_number_for("Q?", name, &json!({}), &votes);
                assert_eq!(number.as_deref(), Some("0.5"), "{name} {votes:?}");
            }
        }
        for (question, name, votes, expected) in [
            ("Q?", "percent", ["25", "25"], "25"),
            ("What percentage?", "percent", ["0.5", "0.5 %"], "0.5"),
            ("What percentage?", "n", ["50%", "50"], "50"),
            ("What percentage?", "share", ["50", "50%"], "0.5"),
            ("Q?", "rate_bps", ["0.5 %", "0.5 %"], "50"),
            ("Q?", "percent", ["5 ‰", "5 ‰"], "0.5"),
            ("By how many percent?", "percent", ["0.5", "0.5"], "0.5"),
            ("The rate in percent?", "percent", ["0.9", "0.9"], "0.9"),
            ("The rate in percent?", "percent", ["1/2", "0.5"], "0.5"),
            ("The rate in percent?", "rate", ["0.5", "0.5"], "0.5"),
            ("The rate in percent?", "rate", ["4.5%", "4.5"], "4.5"),
            ("Q?", "share", ["0.3", "30%"], "0.3"),
            ("Share in percent?", "share", ["50", "50"], "0.5"),
            ("Share as a decimal?", "n", ["50%", "0.5"], "0.5"),
            ("What share?", "percent", ["50", "50"], "50"),
        ] {
            let number = requested_number_for(question, name, &json!({}), &votes);
            assert_eq!(number.as_deref(), Some(expected), "{name} {votes:?}");
        }
        for (question, name, votes) in [
            ("By how many percent?", "percent", ["0.5", "50%"]),
            ("What share?", "percent", ["0.5", "0.5"]),
            ("What is the probability?", "probability", ["30", "30"]),
            ("Share of women in percent?", "share", ["0.5", "0.5"]),
        ] {
            let number = requested_number_for(question, name, &json!({}), &votes);
            assert_eq!(number, None, "{question} {name} {votes:?}");
        }
        let fee = json!({"description": "The fee in percent, e.g. 1.5"});
        for (vote, expected) in [("0.5", "0.5"), ("0.5%", "0.5"), ("2", "2")] {
            let number = requested_number_for("How high is the fee?", "fee", &fee, &[vote, vote]);
            assert_eq!(number.as_deref(), Some(expected), "{vote}");
        }
    }

    #[test]
    fn descriptions_and_questions_state_units_too() {
        for (question, name, description, vote, expected) in [
            ("Q?", "n", "Distance in kilometers.", "5000 m", Some("5")),
            ("Q?", "n", "Distance in kilometers.", "5 kg", None),
            ("Q?", "n", "Driven per day, in km", "5000 m", Some("5")),
            ("Q?", "n", "Length (cm)", "5 m", Some("500")),
            ("Q?", "n", "Seconds, not minutes", "5 h", Some("18000")),
            ("Q?", "n", "Price in cents", "$5", Some("500")),
            (
                "Q?",
                "n",
                "Revenue in millions of euros",
                "€5 million",
                Some("5"),
            ),
            ("Q?", "n", "A percentage", "1/2", Some("0.5")),
            ("How many hours?", "n", "", "90 minutes", Some("1.5")),
            ("How many hours and minutes?", "n", "", "3 hours", None),
            ("How many km?", "hours", "", "5 km", None),
            ("How many apples?", "n", "", "5 apples", Some("5")),
        ] {
            let schema = json!({"description": description});
            let number = requested_number_for(question, name, &schema, &[vote, vote]);
            assert_eq!(
                number.as_deref(),
                expected,
                "{question} {name} {description} {vote}"
            );
        }
    }

    #[test]
    fn numbers_use_the_unit_of_the_question_or_are_omitted() {
        const WALK_QUESTION: &str = "It takes 2 hours to walk 5 km.";
        const CAR_QUESTION: &str = "A car drives 60 km in 1 hour.";
        for (question, name, vote, expected) in [
            ("How far is it in km?", "distance", "5 km", Some("5")),
            ("How far is it in kilometers?", "x", "5000 m", Some("5")),
            ("How far is it in miles?", "n", "1.609344 km", Some("1")),
            ("Length of the rope in meters?", "n", "5 m", Some("5")),
            ("How heavy is it (kg)?", "w", "5 kg", Some("5")),
            ("How heavy is it (kg)?", "w", "500 g", Some("0.5")),
            ("What's Tom's time in minutes?", "n", "2 h", Some("120")),
            ("How old is he?", "age", "35 years", Some("35")),
            ("How old is he?", "n", "35 years old", Some("35")),
            ("How old is he?", "age", "18 months", None),
            ("How warm?", "temperature", "21 °C", Some("21")),
            ("How warm in °F?", "temperature", "21 °C", None),
            ("How wide is the angle?", "n", "90°", Some("90")),
            (WALK_QUESTION, "n", "120 minutes", None),
            ("How many hours a day, and minutes?", "n", "3 h", Some("3")),
            ("How many hours per day?", "n", "3 hours", Some("3")),
            ("Cost in euros?", "cost", "$5", None),
            ("Cost in euros?", "cost", "€5", Some("5")),
            ("Cost in cents?", "cost", "$5", Some("500")),
            ("Cost in cents?", "cost", "50 cents", Some("50")),
            ("Cost in dollars?", "cost", "50 cents", Some("0.5")),
            ("Cost in cents?", "price_usd", "$5", Some("5")),
            ("In millions of dollars?", "n", "$5 million", Some("5")),
            ("In millions of dollars?", "n", "$5", None),
            ("In millions of dollars?", "n", "5", Some("5")),
            ("In millions of dollars?", "n", "€5 million", None),
            ("In millions?", "n", "$5,000,000", Some("5")),
            ("Population in thousands?", "n", "5 million", Some("5000")),
            ("How many million people?", "n", "5 million", Some("5")),
            ("A 5 kg beam: how long in m?", "n", "5 kg", None),
            ("A 5 m beam: how many grams?", "n", "5 kg", Some("5000")),
            ("A 120 minute movie: how long?", "n", "2 hours", None),
            ("The trip takes days. How long?", "n", "48 hours", None),
            ("Speed km/h?", "speed", "10 km/h", Some("10")),
            ("Angle in radians?", "angle", "90°", None),
            ("How many radians has the angle?", "n", "90°", None),
            ("Cost in pesos?", "cost", "$5", None),
            ("How many pesos does it cost?", "cost", "$5", None),
            ("Cost in Paris?", "cost", "$5", Some("5")),
            ("Cost in total?", "cost", "$5", Some("5")),
            ("How many dollars?", "cost", "$5", Some("5")),
            ("Price per kg?", "price", "$5 per kg", Some("5")),
            ("Price per kg?", "price_per_kg", "$5/kg", Some("5")),
            ("Price per kg in euros?", "price", "$5 per kg", None),
            ("Price per kg?", "price", "$5 per g", None),
        ] {
            let number = requested_number_for(question, name, &json!({}), &[vote, vote]);
            assert_eq!(number.as_deref(), expected, "{question} {name} {vote}");
        }
        for (question, vote, expected) in [
            ("How long in minutes?", "120 minutes", "120"),
            ("How many minutes is that?", "2 hours", "120"),
            (
                "How long is that, not in hours but in minutes?",
                "2 h",
                "120",
            ),
        ] {
            let number = requested_number_for(
                &format!("{WALK_QUESTION} {question}"),
                "n",
                &json!({}),
                &[vote],
            );
            assert_eq!(number.as_deref(), Some(expected), "{question}");
        }
        for question in [
            "How many meters does it drive?",
            "How far in one hour, in meters?",
        ] {
            let number = requested_number_for(
                &format!("{CAR_QUESTION} {question}"),
                "n",
                &json!({}),
                &["60 km"],
            );
            assert_eq!(number.as_deref(), Some("60000"), "{question}");
        }
        for description in [
            "Time in minutes (not seconds)",
            "Time (minutes)",
            "Time, not in seconds but in minutes",
            "Time in minutes rather than hours",
        ] {
            let schema = json!({"description": description});
            let number = requested_number_for("How long?", "time", &schema, &["5 min"]);
            assert_eq!(number.as_deref(), Some("5"), "{description}");
        }
    }
}

//! Token prices and the cost of a call.

use serde::{Deserialize, Serialize};

use super::money::MicroDollars;
use super::tokens::Usage;

/// Price of a model in dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Dollars per million input tokens.
    pub input: f64,
    /// Dollars per million output tokens, including reasoning.
    pub output: f64,
    /// Dollars per million input tokens served from the provider's prompt cache; the input price if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
    /// Higher prices that apply to all tokens of a call with very long input; `None` if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long: Option<LongCallPrice>,
}

/// Maximum price in dollars per million tokens; a higher one is assumed to be a misplaced decimal point.
const MAX_PRICE: f64 = 10_000.0;

impl Price {
    /// Whether the price is plausible: within bounds, cached input no more than input, and long-call prices no less
    /// than the normal ones.
    pub fn is_plausible(&self) -> bool {
        let is_valid_price = |dollars: f64| (0.0..=MAX_PRICE).contains(&dollars);
        let is_valid = |input: f64, output: f64, cached: Option<f64>| {
            let is_cheaper = |cached| is_valid_price(cached) && cached <= input;
            is_valid_price(input) && is_valid_price(output) && cached.is_none_or(is_cheaper)
        };
        is_valid(self.input, self.output, self.cached_input)
            && self.long.is_none_or(|long| {
                is_valid(long.input, long.output, long.cached_input)
                    && long.input >= self.input
                    && long.output >= self.output
            })
    }
}

/// The higher prices that some vendors charge for calls with a long input.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongCallPrice {
    /// A call is long if it has more than this many input tokens.
    pub over: u64,
    /// Dollars per million input tokens.
    pub input: f64,
    /// Dollars per million output tokens, including reasoning.
    pub output: f64,
    /// Dollars per million input tokens served from the provider's prompt cache; the input price if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
}

/// Surcharge for writing a token to the prompt cache, as a fraction of the input price. This is the surcharge
/// of Anthropic's five-minute cache, the only one that Quire requests
/// (docs.anthropic.com/en/docs/build-with-claude/prompt-caching). Providers whose caches have no surcharge
/// report no such tokens.
const CACHE_WRITE_SURCHARGE: f64 = 0.25;

impl Price {
    /// Returns the cost of a call. `Usage::input` includes cached tokens, which are charged at their own price.
    pub fn cost(&self, usage: &Usage) -> MicroDollars {
        let cached = usage.cached.min(usage.input);
        let uncached = usage.input - cached;
        let (read, read_again, output_price) =
            match self.long.filter(|long| usage.input > long.over) {
                Some(long) => (long.input, long.cached_input, long.output),
                None => (self.input, self.cached_input, self.output),
            };
        // One dollar per million tokens is one micro-dollar per token.
        let total = uncached as f64 * read
            + usage.stored.min(uncached) as f64 * read * CACHE_WRITE_SURCHARGE
            + cached as f64 * read_again.unwrap_or(read)
            + usage.output as f64 * output_price;
        MicroDollars(total.ceil() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_have_their_own_price() {
        let price = Price {
            input: 2.0,
            output: 8.0,
            cached_input: Some(0.5),
            long: None,
        };
        let usage = Usage {
            input: 1_000,
            cached: 400,
            output: 100,
            ..Usage::default()
        };
        assert_eq!(price.cost(&usage), MicroDollars(600 * 2 + 200 + 800));
        let stored_usage = Usage {
            stored: 200,
            ..usage
        };
        assert_eq!(
            price.cost(&stored_usage),
            MicroDollars(600 * 2 + 100 + 200 + 800)
        );
    }

    #[test]
    fn a_long_call_is_priced_higher_as_a_whole() {
        let price = Price {
            input: 1.0,
            output: 2.0,
            cached_input: None,
            long: Some(LongCallPrice {
                over: 1_000,
                input: 3.0,
                output: 4.0,
                cached_input: Some(1.0),
            }),
        };
        let cost = |input| {
            price.cost(&Usage {
                input,
                cached: 1,
                output: 10,
                ..Usage::default()
            })
        };
        assert_eq!(cost(1_000), MicroDollars(1_000 + 20));
        assert_eq!(cost(1_001), MicroDollars(3_000 + 1 + 40));
    }
}

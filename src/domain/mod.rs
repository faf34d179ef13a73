//! Domain types and rules, without I/O, clock, randomness, or logging. Time and random bits are arguments, so that
//! tests can use literals.

pub mod analysis;
pub mod answer;
pub mod answer_value;
pub mod ballot;
pub mod case_folding;
pub mod catalog;
pub mod chat;
pub mod chunk;
pub mod citation;
pub mod closest;
pub mod context_mode;
pub mod document;
pub mod event;
pub mod evidence;
pub mod experiment;
pub mod export;
pub mod findings;
pub mod id;
pub mod injection;
pub mod json;
pub mod key;
pub mod model;
pub mod money;
pub mod network;
pub mod panel_vs_single;
pub mod parameters;
pub mod password;
pub mod pattern;
pub mod plan;
pub mod price;
pub mod project;
pub mod prompt;
pub mod provider;
pub mod reading_queue;
pub mod recipe;
pub mod request;
pub mod retrieval;
pub mod schema;
pub mod search;
pub mod standing;
pub mod statistics;
pub mod thread;
pub mod time;
pub mod token_bucket;
pub mod tokens;
pub mod tools;
pub mod usage;
pub mod user;

#[cfg(test)]
mod any_text;

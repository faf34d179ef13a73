//! Whole-server tests: the real server on a real socket. One crate, so that it is linked once.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod accounts;
mod analyses;
mod archive;
mod backups;
mod cache;
mod cancel;
mod citations;
mod clients;
mod compatible;
mod documents;
mod embeddings;

mod durability;
mod experiments;
mod fallback;
mod fanout;
mod findings;
mod footprint;
mod full;
mod golden;
mod handover;
mod history;
mod https;
mod keys;
mod limits;
mod mcp;
mod models;
mod money;
mod patterns;
mod planted;
mod provider_keys;
mod providers;
mod reading;
mod recipes;
mod replica;
mod resilience;
mod routes;
mod soak;
mod stream;
mod support;
mod tools;
mod trials;
mod walls;
mod ways;
mod worth;

//! What happens behind each row of the table: read input into a checked type, call one use case, shape
//! the answer.

pub mod accounts;
pub mod admin;
pub mod analyses;
pub mod analysis_shape;
pub mod api_keys;
pub mod archive;
pub mod backups;
pub mod cache;
pub mod compatible;
mod compatible_files;
mod compatible_hold;
pub mod compatible_models;
mod compatible_several;
mod compatible_shape;
mod compatible_stream;
pub mod documents;
pub mod embeddings;
pub mod experiment_shape;
pub mod experiments;
pub mod gemini;
pub mod health;
pub mod history;
pub mod mcp;
pub mod metrics;
pub mod models;
pub mod pages;
pub mod patterns;
pub mod providers;
pub mod recipes;
pub mod search;
pub mod sessions;
pub mod usage;
pub mod worth;

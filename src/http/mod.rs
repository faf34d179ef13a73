//! The HTTP server, its routes, and the handlers, which call the app. No other folder uses hyper.

#[cfg(test)]
mod asset_budget;
mod assets;
pub mod auth;
mod base_path;
pub mod body;
mod compatible_paths;
mod compression;
mod connection;
mod connection_slots;
mod content_encoding;
pub mod context;
mod dispatch;
pub mod error;
mod etag;
pub mod handlers;
mod head;
mod headers;
mod host;
pub mod json;
pub mod manual;
mod minute_stats;
mod percent;
mod preload;
mod range;
mod rate_limit_status;
mod rate_limiter;
mod raw_reply;
pub mod reply;
mod request_log;
mod route_checks;
mod router;
pub mod routes;
mod server;
mod shared;
pub mod sse;
mod stats;
mod tls;

pub use auth::{Admin, LinkToken};
pub use context::RequestContext;
pub use error::ApiError;
pub use hyper::{StatusCode, header};
pub use reply::Reply;
pub use server::{Listener, serve};

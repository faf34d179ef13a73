//! Support for the tests of the whole server: a server, a client, and a way to send malformed HTTP.
#![allow(dead_code, reason = "not every test needs every part")]

pub mod client;
pub mod executable;
pub mod line;
mod postgres;
pub mod provider;
pub mod s3;
pub mod script;
pub mod server;
pub mod tls;

pub use client::{Answer, Client};
pub use server::Server;

//! What the whole-server tests share: a server, a client, a way to speak broken HTTP.
#![allow(dead_code, reason = "not every test needs every part")]

pub mod client;
pub mod executable;
pub mod line;
pub mod provider;
pub mod s3;
pub mod script;
pub mod server;
pub mod tls;

pub use client::{Answer, Client};
pub use server::Server;

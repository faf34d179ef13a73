//! A copy of what is stored, elsewhere, kept up while the server runs. In the format of Litestream (LTX), so
//! that its tools restore it too. Decides nothing about what is stored.

pub mod copies;
pub mod documents;
pub mod folder;
pub mod holder;
pub mod lease;
pub mod ledger;
pub mod ltx;
pub mod names;
pub mod originals;
pub mod restore;
pub mod s3;
pub mod sealed;
pub mod ship;
pub mod spool;
pub mod status;
pub mod target;
pub mod wal;
mod worker;

#[cfg(test)]
mod tests;

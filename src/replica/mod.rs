//! Continuous replica of the stored data in another place, in Litestream's format (LTX), so that its tools can also
//! restore it. Decides nothing about what is stored.

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

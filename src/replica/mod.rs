//! Continuous replica of the stored data in another folder or in a bucket. It has Litestream's format (LTX), so that
//! Litestream's tools can also restore it. This module does not choose the data to store.

pub mod documents;
pub mod encrypted;
pub mod folder;
pub mod lease;
pub mod ledger;
pub mod ltx;
pub mod names;
pub mod originals;
pub mod ownership;
pub mod replicator;
pub mod restore;
pub mod snapshots;
pub mod status;
pub mod wal;
pub mod wal_spool;
mod worker;

#[cfg(test)]
mod tests;

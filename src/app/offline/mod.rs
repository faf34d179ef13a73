//! What the command line does without a server: examine, back up, and restore the data folder, and open single
//! services; and the client of another server.

pub mod backup;
pub mod doctor;
mod providers;
pub mod remote;
mod usage;

pub use providers::OfflineProviders;
pub use usage::OfflineUsage;

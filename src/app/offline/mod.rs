//! Command-line operations that need no running server: examine, back up, restore, and migrate the data folder, and
//! open individual services. Also contains the client for another server.

pub mod backup;
pub mod doctor;
pub mod migrate;
mod providers;
pub mod remote;
mod usage;

pub use providers::OfflineProviders;
pub use usage::OfflineUsage;

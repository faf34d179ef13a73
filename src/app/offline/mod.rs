//! Operations of the command line that need no server: examining, backing up, restoring, and moving the data
//! folder, and opening individual services; also the client of another server.

pub mod backup;
pub mod doctor;
pub mod migrate;
mod providers;
pub mod remote;
mod usage;

pub use providers::OfflineProviders;
pub use usage::OfflineUsage;

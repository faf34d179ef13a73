//! Operations of the command line that need no server: examining, backing up, and restoring the data folder, and
//! opening individual services; also the client of another server.

pub mod backup;
pub mod doctor;
mod providers;
pub mod remote;
mod usage;

pub use providers::OfflineProviders;
pub use usage::OfflineUsage;

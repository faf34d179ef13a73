//! Operations of the command line that need no server: examining, backing up, restoring, and migrating the
//! data folder, and opening individual services. Also the client of another server.

pub mod backup;
pub mod doctor;
pub mod migrate;
mod providers;
pub mod remote;
mod usage;

pub use providers::OfflineProviders;
pub use usage::OfflineUsage;

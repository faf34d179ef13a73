//! Object storage: named files in a bucket or another target, each complete or absent. Shared by the replica and by the
//! store of the documents' original files.

pub mod first_seen;
pub mod s3;
pub mod target;

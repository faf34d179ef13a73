//! A copy of what is stored, elsewhere, kept up while the server runs. In the format of Litestream (LTX), so
//! that its tools restore it too. Decides nothing about what is stored.

pub mod folder;
pub mod target;

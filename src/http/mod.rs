//! Turns requests into app calls. The only folder that names hyper.

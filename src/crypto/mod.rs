//! Passwords, tokens, sealed secrets. The only folder that names ring.

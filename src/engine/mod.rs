//! Drives the domain's state machines. Has no rules of its own.

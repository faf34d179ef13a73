//! Settings: defaults < file < environment < flags, checked once into one struct.

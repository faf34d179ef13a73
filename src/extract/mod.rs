//! File bytes to plain text by page, with limits on size, depth and time. Pure.

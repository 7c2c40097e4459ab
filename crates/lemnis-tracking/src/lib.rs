//! lemnis-tracking

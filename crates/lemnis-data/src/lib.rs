//! lemnis-data

//! lemnis-table

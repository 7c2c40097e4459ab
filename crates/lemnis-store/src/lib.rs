//! lemnis-store

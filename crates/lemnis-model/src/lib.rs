//! lemnis-model

//! lemnis-quality

//! lemnis-serving

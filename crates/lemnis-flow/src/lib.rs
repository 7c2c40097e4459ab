//! lemnis-flow

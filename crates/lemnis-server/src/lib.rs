//! lemnis-server

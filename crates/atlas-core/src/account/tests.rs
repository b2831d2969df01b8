//! Account against a provider by hand: what a one-off spawn promises.

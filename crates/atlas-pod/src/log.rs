//! What a command says, kept within a cap, and read while it is still being said.

pub(crate) mod reader;
pub(crate) mod writer;

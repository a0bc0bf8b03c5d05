//! What is in a model's place and is none: files and directories known by their marks, so that errors can say what they
//! are and what to do.

mod directory;
mod file;

#[cfg(feature = "hub")]
pub(crate) use directory::publishes;
pub(crate) use directory::{adapter_beside, holds};
pub(crate) use file::{check, instead_of_weights};

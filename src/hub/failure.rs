//! Why a model could not be fetched.

use crate::Error;

/// What went wrong, by what can be done about it.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no hub to talk to, and that will not pass by itself.
    Unreachable {
        /// Why, as the end of "... and".
        reason: String,
        /// What would help, as an order.
        remedy: String,
    },
    /// The hub or the way to it failed in a manner that may pass.
    Transient(String),
    /// Nothing that trying again would change.
    Final(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

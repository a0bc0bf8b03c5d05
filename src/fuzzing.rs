//! What the targets under fuzz/ look at besides what is public.

use crate::markup::Syntax;
use crate::markup::token::{Kind, tokens};

/// The files of a model, in an answer of the hub's.
#[cfg(feature = "hub")]
pub fn listed(answer: &str) -> Option<Vec<String>> {
    crate::hub::Listing::parse(answer).map(|listing| listing.files)
}

/// The tags of markup and all else of it that is no text, in order.
pub fn tags(markup: &str, syntax: Syntax) -> Vec<&str> {
    let all = tokens(markup, syntax).into_iter();
    all.filter(|token| token.kind != Kind::Text)
        .map(|token| token.raw)
        .collect()
}

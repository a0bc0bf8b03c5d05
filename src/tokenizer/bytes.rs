//! ByT5's tokens: the bytes of UTF-8 after three special tokens, sentinels after the bytes.

use std::collections::BTreeMap;

use tokenizers::AddedToken;

use super::settings::{Settings, sentinel};
use super::{Side, Vocabulary};
use crate::Result;

/// Ids before the first byte's.
const OFFSET: u32 = 3;
const BYTES: u32 = 256;
const SENTINELS: usize = 125;

/// Bytes and special tokens.
pub(super) struct ByteVocabulary {
    /// By id.
    added: BTreeMap<u32, AddedToken>,
    end: u32,
}

impl ByteVocabulary {
    pub fn new(settings: &Settings) -> Self {
        let mut added = BTreeMap::new();
        for (id, role) in ["pad_token", "eos_token", "unk_token"].iter().enumerate() {
            if let Some(token) = settings.role(role).cloned() {
                // Where no more than its name is given, such a token swallows the spaces around it.
                let token = match settings.is_plain(role) {
                    true => token.lstrip(true).rstrip(true),
                    false => token,
                };
                added.insert(id as u32, token);
            }
        }
        added.extend(settings.added.clone());
        let sentinels = match settings.extra.is_none() && settings.mapped.is_empty() {
            true => settings.sentinels(SENTINELS),
            false => 0,
        };
        let sentinels = (0..sentinels).map(|n| AddedToken::from(sentinel(n), true));
        let mut next = added.keys().last().map_or(0, |last| last + 1);
        next = next.max(OFFSET + BYTES);
        for token in settings.specials().cloned().chain(sentinels) {
            if !added.values().any(|known| known.content == token.content) {
                added.insert(next, token);
                next += 1;
            }
        }
        let end = settings.role("eos_token").map(|token| &token.content);
        let end = added.iter().find(|(_, token)| Some(&token.content) == end);
        ByteVocabulary {
            end: end.map_or(1, |(id, _)| *id),
            added,
        }
    }

    /// Cuts `text` at added tokens: the longest of those that begin first. Stretches between them have no token.
    fn split<'a>(&self, text: &'a str) -> Vec<(Option<u32>, &'a str)> {
        let mut parts = Vec::new();
        let (mut start, mut at) = (0, 0);
        while let Some(first) = text[at..].chars().next() {
            let found = self
                .added
                .iter()
                .filter(|(_, token)| !token.content.is_empty())
                .filter(|(_, token)| text[at..].starts_with(&token.content))
                .max_by_key(|(_, token)| token.content.len());
            let Some((&id, token)) = found else {
                at += first.len_utf8();
                continue;
            };
            if start < at {
                parts.push((None, &text[start..at]));
            }
            start = at + token.content.len();
            parts.push((Some(id), &text[at..start]));
            at = start;
        }
        if start < text.len() {
            parts.push((None, &text[start..]));
        }
        parts
    }
}

/// What Python strips: Unicode's white space and four separators of ASCII.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

impl Vocabulary for ByteVocabulary {
    fn encode(&self, text: &str, most: usize, side: Side) -> Result<(Vec<u32>, usize)> {
        let mut parts = self.split(text);
        for i in 0..parts.len() {
            let Some(token) = parts[i].0.map(|id| &self.added[&id]) else {
                continue;
            };
            if token.rstrip
                && let Some((None, right)) = parts.get_mut(i + 1)
            {
                *right = right.trim_start_matches(is_space);
            }
            if token.lstrip
                && let Some((None, left)) = i.checked_sub(1).map(|left| &mut parts[left])
            {
                *left = left.trim_end_matches(is_space);
            }
        }
        let mut ids = Vec::with_capacity(text.len() + 1);
        for (token, part) in parts {
            match token {
                Some(id) => ids.push(id),
                None => ids.extend(part.bytes().map(|byte| u32::from(byte) + OFFSET)),
            }
        }
        // The end counts where the text is cut, though a text that ends so itself is not ended twice.
        let cut = (ids.len() + 1).saturating_sub(most).min(ids.len());
        match side {
            Side::Left => drop(ids.drain(..cut)),
            Side::Right => ids.truncate(ids.len() - cut),
        }
        if ids.last() != Some(&self.end) {
            ids.push(self.end);
        }
        Ok((ids, cut))
    }

    fn decode(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String> {
        let mut bytes = Vec::with_capacity(ids.len());
        for id in ids {
            match self.added.get(id) {
                Some(token) if skip_special_tokens && token.special => {}
                Some(token) => bytes.extend_from_slice(token.content.as_bytes()),
                None => bytes.extend(id.checked_sub(OFFSET).and_then(|b| u8::try_from(b).ok())),
            }
        }
        // Bytes that are no UTF-8, as a model may make them, are left out.
        Ok(bytes.utf8_chunks().map(|chunk| chunk.valid()).collect())
    }

    fn token(&self, id: u32) -> Option<String> {
        if let Some(token) = self.added.get(&id) {
            return Some(token.content.clone());
        }
        let byte = u8::try_from(id.checked_sub(OFFSET)?).ok()?;
        Some(char::from(byte).into())
    }

    fn is_special(&self, id: u32) -> bool {
        self.added.get(&id).is_some_and(|token| token.special)
    }

    /// transformers lets bytes be, too.
    fn lower_case(&mut self) -> Result<()> {
        Ok(())
    }

    fn size(&self) -> usize {
        let past = self.added.range(OFFSET + BYTES..).count();
        (OFFSET + BYTES) as usize + past
    }
}

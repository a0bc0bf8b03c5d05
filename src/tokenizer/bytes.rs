//! ByT5's tokens: the bytes of UTF-8 after three special tokens, sentinels after the bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use tokenizers::AddedToken;

use super::settings::Settings;
use super::token::Token;
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
    /// Ids that decoding may leave out: of the special tokens that the settings or the class name, and of no others.
    special: BTreeSet<u32>,
    end: u32,
    /// Whether special tokens that stand in a text are bytes as any others.
    splits_special: bool,
}

impl ByteVocabulary {
    pub fn new(settings: &Settings) -> Self {
        let mut added = BTreeMap::new();
        for (id, role) in ["pad_token", "eos_token", "unk_token"].iter().enumerate() {
            if let Some(token) = settings.role(role) {
                let plain = token.is_plain();
                let token: AddedToken = token.clone().into();
                // Where no more than its name is given, such a token swallows the spaces around it.
                let token = match plain {
                    true => token.lstrip(true).rstrip(true),
                    false => token,
                };
                added.insert(id as u32, token);
            }
        }
        let given = settings.added.iter();
        added.extend(given.map(|(&id, token)| (id, token.clone().into())));
        let mut vocabulary = ByteVocabulary {
            added,
            special: BTreeSet::new(),
            end: 1,
            splits_special: settings.split_special_tokens,
        };
        let own = match &settings.additional {
            Some(tokens) => tokens.clone(),
            None => settings.sentinels(SENTINELS).map(Token::named).collect(),
        };
        let mut next = vocabulary.size() as u32;
        for token in settings.specials(own) {
            if token.content.is_empty() {
                continue;
            }
            let known = vocabulary.id(&token.content);
            let id = known.or_else(|| byte_id(&token.content)).unwrap_or(next);
            if known.is_none() {
                next += u32::from(id == next);
                let token = AddedToken::from(token.content, true);
                vocabulary.added.insert(id, token);
            }
            vocabulary.special.insert(id);
        }
        let end = settings.role("eos_token");
        let end = end.and_then(|token| vocabulary.id(&token.content));
        vocabulary.end = end.unwrap_or(vocabulary.end);
        vocabulary
    }

    /// The id of an added token.
    fn id(&self, content: &str) -> Option<u32> {
        let mut added = self.added.iter().rev();
        added
            .find(|(_, token)| token.content == content)
            .map(|(&id, _)| id)
    }

    /// Cuts `text` at added tokens: the longest of those that begin first.
    fn split(&self, text: &str) -> Vec<String> {
        let mut parts = Vec::new();
        let (mut start, mut at) = (0, 0);
        while let Some(first) = text[at..].chars().next() {
            let found = self
                .added
                .values()
                .filter(|token| !token.content.is_empty())
                .filter(|token| text[at..].starts_with(&token.content))
                .max_by_key(|token| token.content.len());
            let Some(token) = found else {
                at += first.len_utf8();
                continue;
            };
            if start < at {
                parts.push(text[start..at].into());
            }
            parts.push(token.content.clone());
            at += token.content.len();
            start = at;
        }
        if start < text.len() {
            parts.push(text[start..].into());
        }
        parts
    }

    /// Gives added tokens among `parts` the spaces around them that they ask for, and the words that they are part of
    /// those that must stand alone.
    fn settle(&self, parts: &mut [String]) {
        for i in 0..parts.len() {
            let Some(token) = self.id(&parts[i]).map(|id| &self.added[&id]) else {
                continue;
            };
            let left = i.checked_sub(1).filter(|&left| !parts[left].is_empty());
            let right =
                Some(i + 1).filter(|&right| parts.get(right).is_some_and(|part| !part.is_empty()));
            let joins_left = left.is_some_and(|left| !parts[left].ends_with(' '));
            let joins_right = right.is_some_and(|right| !parts[right].starts_with(' '));
            if let (Some(right), true) = (right, token.rstrip) {
                parts[right] = parts[right].trim_start_matches(is_space).into();
            }
            if let (Some(left), true) = (left, token.lstrip) {
                parts[left] = parts[left].trim_end_matches(is_space).into();
            }
            if token.single_word {
                match (left.filter(|_| joins_left), right.filter(|_| joins_right)) {
                    (Some(left), _) => {
                        let word = std::mem::take(&mut parts[i]);
                        parts[left] += &word;
                    }
                    (None, Some(right)) => {
                        let word = std::mem::take(&mut parts[i]);
                        parts[right].insert_str(0, &word);
                    }
                    (None, None) => {}
                }
            }
        }
    }
}

/// The id of a byte that stands for itself.
fn byte_id(token: &str) -> Option<u32> {
    let mut chars = token.chars();
    let byte = u8::try_from(chars.next()?).ok()?;
    chars.next().is_none().then_some(u32::from(byte) + OFFSET)
}

/// What Python strips: Unicode's white space and four separators of ASCII.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

impl Vocabulary for ByteVocabulary {
    fn encode(&self, text: &str, most: usize, side: Side) -> Result<(Vec<u32>, usize)> {
        let mut ids = Vec::with_capacity(text.len() + 1);
        let parts = match self.splits_special {
            true => vec![text.to_owned()],
            false => {
                let mut parts = self.split(text);
                self.settle(&mut parts);
                parts
            }
        };
        for part in parts {
            match self.id(&part).filter(|_| !self.splits_special) {
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

    fn offsets(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>> {
        let (ids, _) = self.encode(text, usize::MAX, Side::Right)?;
        // A special token stands for several bytes; there is nothing to tell then but that it is so.
        let are_bytes = ids.len() == text.len() + 1;
        let range = |at: usize| {
            if are_bytes && at < text.len() {
                at..at + 1
            } else {
                0..0
            }
        };
        Ok(ids
            .into_iter()
            .enumerate()
            .map(|(at, id)| (id, range(at)))
            .collect())
    }

    fn decode(&self, ids: &[u32], skip_special_tokens: bool) -> Result<String> {
        let mut bytes = Vec::with_capacity(ids.len());
        for id in ids {
            match self.added.get(id) {
                Some(_) if skip_special_tokens && self.special.contains(id) => {}
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
        self.special.contains(&id)
    }

    /// transformers lets bytes be, too.
    fn lower_case(&mut self) -> Result<()> {
        Ok(())
    }

    fn tokens(&self) -> BTreeMap<u32, String> {
        let bytes = OFFSET..OFFSET + BYTES;
        let ids = bytes.chain(self.added.keys().copied());
        ids.filter_map(|id| Some((id, self.token(id)?))).collect()
    }
}

//! What the tokenizers library takes on trust in a file, and would panic at with the first text: looked at when the file is read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

type Checked = Result<(), String>;

/// Looks at the character maps of a `tokenizer.json`'s normalizer.
pub(super) fn check_normalizer(normalizer: &Value) -> Checked {
    each(
        normalizer,
        "normalizers",
        &|normalizer| match normalizer["precompiled_charsmap"].as_str() {
            Some(charsmap) => {
                let bytes = STANDARD.decode(charsmap);
                check_charsmap(&bytes.map_err(|error| error.to_string())?)
            }
            None => Ok(()),
        },
    )
}

/// Looks at the templates of what goes around a text.
pub(super) fn check_processor(processor: &Value) -> Checked {
    each(processor, "processors", &|processor| {
        let pieces = processor["single"].as_array().into_iter().flatten();
        for piece in pieces {
            let token = piece["SpecialToken"]["id"].as_str();
            if let Some(token) = token.filter(|&token| processor["special_tokens"][token].is_null())
            {
                return Err(format!(
                    "its template for a text has {token}, which it says nothing of"
                ));
            }
            if piece["Sequence"]["id"] == "B" {
                return Err("its template for a text has two".into());
            }
        }
        Ok(())
    })
}

/// A part of a tokenizer, or, where it is a sequence, those in it.
fn each(part: &Value, inner: &str, check: &dyn Fn(&Value) -> Checked) -> Checked {
    match part[inner].as_array() {
        Some(parts) => parts.iter().try_for_each(|part| each(part, inner, check)),
        None => check(part),
    }
}

/// Looks at a character map of SentencePiece's: the size of a trie, that trie as a double array, and the texts that its values
/// point into. Whatever text comes, no step may lead out of the array, and no value out of the texts.
pub(super) fn check_charsmap(bytes: &[u8]) -> Checked {
    let is_whole = |bytes: &[u8]| {
        let (size, rest) = bytes.split_first_chunk()?;
        let size = u32::from_le_bytes(*size) as usize / 4 * 4;
        let (trie, texts) = rest.split_at_checked(size)?;
        let texts = std::str::from_utf8(texts).ok()?;
        let units = trie.as_chunks().0.iter();
        let units: Vec<usize> = units
            .map(|unit| u32::from_le_bytes(*unit) as usize)
            .collect();
        leads_nowhere_else(&units, texts).then_some(())
    };
    is_whole(bytes)
        .ok_or_else(|| "its character map is truncated or corrupt, fetch it again".into())
}

fn leads_nowhere_else(units: &[usize], texts: &str) -> bool {
    let offset = |unit: usize| (unit >> 10) << ((unit & 1 << 9) >> 6);
    let mut is_seen = vec![false; units.len()];
    let mut open: Vec<usize> = units
        .first()
        .map(|&unit| offset(unit))
        .into_iter()
        .collect();
    if open.is_empty() {
        return false;
    }
    while let Some(base) = open.pop() {
        // Any byte may come next.
        if base | 0xff >= units.len() {
            return false;
        }
        for byte in 1..=0xff {
            let at = base ^ byte;
            let unit = units[at];
            if unit & (1 << 31 | 0xff) != byte || std::mem::replace(&mut is_seen[at], true) {
                continue;
            }
            let next = at ^ offset(unit);
            let has_value = unit >> 8 & 1 == 1;
            let value = units.get(next).map(|value| value & !(1 << 31));
            if has_value && !value.is_some_and(|value| texts.is_char_boundary(value)) {
                return false;
            }
            open.push(next);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A map of one trie and the texts "x" and "é".
    fn map(units: &[u32]) -> Vec<u8> {
        let mut bytes = (4 * units.len() as u32).to_le_bytes().to_vec();
        bytes.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
        bytes.extend("x\0é\0".as_bytes());
        bytes
    }

    /// The letter a stands for the text at `value`: from the root, whose children begin at 0, to a leaf at 0x100 ^ 'a'.
    fn letter(value: u32) -> Vec<u32> {
        let mut units = vec![0; 0x200];
        let a = u32::from(b'a');
        units[a as usize] = 0x100 << 10 | 1 << 8 | a;
        units[(0x100 ^ a) as usize] = 1 << 31 | value;
        units
    }

    #[test]
    fn a_map_leads_to_its_texts_and_nowhere_else() {
        for value in [0, 2, 5] {
            check_charsmap(&map(&letter(value))).unwrap();
        }
        let text = tokenizers::normalizers::Precompiled::from(&map(&letter(2))).unwrap();
        assert_eq!(text.transform("a"), Some("é"));
        let whole = map(&letter(0));
        let mut far = letter(0);
        far[usize::from(b'a')] |= 1 << 20;
        for broken in [
            // Within a letter; behind the texts.
            map(&letter(3)),
            map(&letter(6)),
            map(&far),
            map(&letter(0)[..0x100]),
            map(&[]),
            whole[..0x100].to_vec(),
            Vec::new(),
            [0xff; 4].to_vec(),
        ] {
            check_charsmap(&broken).unwrap_err();
        }
    }
}

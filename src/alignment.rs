//! Which parts of a source an output's parts come from, as cross-attention tells.

use crate::tokenizer::Tokenizer;

/// How much each part of a target attends to each part of its source.
#[derive(Clone, Debug, PartialEq)]
pub struct Alignment {
    /// `[targets, sources]`; of tokens, each row sums to 1.
    weights: Vec<f32>,
    sources: usize,
}

impl Alignment {
    /// Weights `[targets, sources]`.
    pub fn new(weights: Vec<f32>, sources: usize) -> Alignment {
        Alignment { weights, sources }
    }

    /// The mean over all heads of the layers given, a layer's `[num_heads, targets, sources]`.
    pub fn mean(layers: &[Vec<f32>], targets: usize, sources: usize) -> Alignment {
        let mut weights = vec![0.0; targets * sources];
        let mut heads = 0;
        for head in layers
            .iter()
            .flat_map(|layer| layer.chunks_exact((targets * sources).max(1)))
        {
            heads += 1;
            for (sum, weight) in weights.iter_mut().zip(head) {
                *sum += weight;
            }
        }
        weights
            .iter_mut()
            .for_each(|sum| *sum /= heads.max(1) as f32);
        Alignment { weights, sources }
    }

    /// Without the first `targets` targets.
    pub fn skip(mut self, targets: usize) -> Alignment {
        self.weights.drain(..targets * self.sources);
        self
    }

    /// A row a target.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.weights.chunks_exact(self.sources.max(1))
    }

    /// Of words, which whitespace separates, in place of tokens. Neither special tokens at the `end` (`</s>`) nor the source's
    /// first `prefix_words` words, which say what is to be done, are part of any.
    pub fn of_words(
        &self,
        tokenizer: &Tokenizer,
        source: &[u32],
        prefix_words: usize,
        target: &[u32],
        end: &[u32],
    ) -> Alignment {
        let sources: Vec<Option<usize>> = words(tokenizer, source, end)
            .into_iter()
            .map(|word| word?.checked_sub(prefix_words))
            .collect();
        self.grouped(&words(tokenizer, target, end), &sources)
    }

    /// Tokens put together: source parts add up, target parts are averaged. Each token's part is given by its number; a
    /// token without one is left out.
    pub fn grouped(&self, targets: &[Option<usize>], sources: &[Option<usize>]) -> Alignment {
        let count =
            |parts: &[Option<usize>]| parts.iter().flatten().max().map_or(0, |last| last + 1);
        let width = count(sources);
        let mut weights = vec![0.0; count(targets) * width];
        for (row, target) in self.rows().zip(targets) {
            let Some(target) = target else { continue };
            let tokens = targets
                .iter()
                .filter(|other| **other == Some(*target))
                .count();
            for (weight, source) in row.iter().zip(sources) {
                if let Some(source) = source {
                    weights[target * width + source] += weight / tokens as f32;
                }
            }
        }
        Alignment {
            weights,
            sources: width,
        }
    }

    /// For each target part the source part it attends to most, the first among equals: pairs of source and target.
    pub fn hard(&self) -> Vec<(usize, usize)> {
        let most = |row: &[f32]| {
            (0..row.len()).reduce(|best, next| if row[next] > row[best] { next } else { best })
        };
        self.rows()
            .enumerate()
            .filter_map(|(target, row)| Some((most(row)?, target)))
            .collect()
    }
}

/// The number of the word that each token is part of; words are what whitespace separates, and special tokens at the
/// end (`</s>`) are part of none.
fn words(tokenizer: &Tokenizer, ids: &[u32], end: &[u32]) -> Vec<Option<usize>> {
    let mut words = 0;
    let mut in_word = false;
    let mut parts: Vec<Option<usize>> = ids
        .iter()
        .zip(tokenizer.tokens(ids))
        .map(|(id, token)| {
            if end.contains(id) {
                return None;
            }
            let mut part = None;
            for character in token.chars() {
                if is_space(character) {
                    in_word = false;
                } else {
                    words += usize::from(!in_word);
                    in_word = true;
                    part = Some(words - 1);
                }
            }
            // A space alone belongs to the word after it.
            part.or(Some(words))
        })
        .collect();
    for part in &mut parts {
        part.take_if(|part| *part >= words);
    }
    parts
}

/// White space, and what stands for it in SentencePiece's and in byte-level tokens. Of bytes as tokens, those past ASCII
/// are parts of characters.
fn is_space(character: char) -> bool {
    character.is_ascii_whitespace() || matches!(character, '▁' | 'Ġ' | 'Ċ' | 'ĉ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_layers_are_averaged() {
        // Two layers of one head, two targets, three sources.
        let layers = [
            vec![1.0, 0.0, 0.0, 0.0, 0.5, 0.5],
            vec![0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        ];
        let alignment = Alignment::mean(&layers, 2, 3);
        let rows: Vec<_> = alignment.rows().collect();
        assert_eq!(rows, [[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]]);
        // The first among equals.
        assert_eq!(alignment.hard(), [(0, 0), (2, 1)]);
        assert_eq!(alignment.skip(1).hard(), [(2, 0)]);
    }

    #[test]
    fn tokens_are_put_together() {
        let layers = [vec![
            0.5, 0.2, 0.2, 0.1, //
            0.1, 0.5, 0.3, 0.1, //
            0.0, 0.3, 0.3, 0.4, //
        ]];
        let alignment = Alignment::mean(&layers, 3, 4);
        assert_eq!(alignment.hard(), [(0, 0), (1, 1), (3, 2)]);
        // Sources 1 and 2 are a word, targets 0 and 1 are one, the last source is left out.
        let grouped = alignment.grouped(
            &[Some(0), Some(0), Some(1)],
            &[Some(0), Some(1), Some(1), None],
        );
        let rows: Vec<Vec<f32>> = grouped.rows().map(<[f32]>::to_vec).collect();
        for (found, expected) in rows.concat().iter().zip([0.3, 0.6, 0.0, 0.6]) {
            assert!((found - expected).abs() < 1e-6, "{rows:?}");
        }
        assert_eq!(grouped.hard(), [(1, 0), (1, 1)]);
    }

    #[test]
    fn words_are_what_space_separates() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let bytes = Tokenizer::from_dir(&root.join("tokenizers/byt5"))
            .unwrap()
            .unwrap();
        // The second byte of "à" is U+00A0, a space, when taken for a character.
        let ids = bytes.encode("à b").unwrap();
        assert_eq!(ids.len(), 5);
        assert_eq!(
            words(&bytes, &ids, &[1]),
            [Some(0), Some(0), Some(1), Some(1), None]
        );

        let pieces = Tokenizer::from_dir(&root.join("t5-small"))
            .unwrap()
            .unwrap();
        let ids = pieces.encode("The house is wonderful . Indeed").unwrap();
        let tokens = pieces.tokens(&ids);
        let expected = [
            "▁The",
            "▁house",
            "▁is",
            "▁wonderful",
            "▁",
            ".",
            "▁Indeed",
            "</s>",
        ];
        assert_eq!(tokens, expected);
        let parts = [
            Some(0),
            Some(1),
            Some(2),
            Some(3),
            Some(4),
            Some(4),
            Some(5),
            None,
        ];
        assert_eq!(words(&pieces, &ids, &[1]), parts);
        // A space with nothing behind it belongs to no word.
        assert_eq!(words(&pieces, &ids[..5], &[1])[4], None);
    }

    #[test]
    fn words_are_aligned_without_the_prefix() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let bytes = Tokenizer::from_dir(&root.join("tokenizers/byt5"))
            .unwrap()
            .unwrap();
        // Tokens are bytes; the source is "c d" behind its prefix.
        let (source, target) = (
            bytes.encode("a: c d").unwrap(),
            bytes.encode("x yz").unwrap(),
        );
        assert_eq!((source.len(), target.len()), (7, 5));
        // Most of all goes to the prefix and to `</s>`, which do not count.
        let alignment = Alignment::new(
            [
                [0.5, 0.0, 0.0, 0.0, 0.1, 0.2, 0.2], // "x" to "d", its space and itself
                [0.5, 0.0, 0.0, 0.1, 0.0, 0.0, 0.4], // " " to "c", of the next word
                [0.0, 0.5, 0.0, 0.0, 0.0, 0.2, 0.3], // "y" to "d"
                [0.0, 0.0, 0.0, 0.2, 0.0, 0.0, 0.8], // "z" to "c"
                [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0], // `</s>` to "d"
            ]
            .concat(),
            source.len(),
        );
        let of_words = alignment.of_words(&bytes, &source, 1, &target, &[1]);
        let rows: Vec<Vec<f32>> = of_words.rows().map(<[f32]>::to_vec).collect();
        for (found, expected) in rows.concat().iter().zip([0.0, 0.3, 0.1, 0.2 / 3.0]) {
            assert!((found - expected).abs() < 1e-6, "{rows:?}");
        }
        assert_eq!(rows.concat().len(), 4);
        assert_eq!(of_words.hard(), [(1, 0), (0, 1)]);
        // With the prefix among the words, the source has three.
        let all = alignment.of_words(&bytes, &source, 0, &target, &[1]);
        assert_eq!(all.hard(), [(0, 0), (0, 1)]);
    }

    #[test]
    fn nothing_to_align_gives_nothing() {
        let alignment = Alignment::mean(&[vec![1.0]], 1, 1);
        assert!(alignment.grouped(&[None], &[Some(0)]).hard().is_empty());
        assert!(alignment.grouped(&[Some(0)], &[None]).hard().is_empty());
    }
}

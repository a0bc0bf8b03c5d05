//! Each processor against its definition, token by token.

use std::collections::HashSet;

use proptest::prelude::*;
use t5_gpu::GenerationConfig;
use t5_gpu::config::LengthLimits;
use t5_gpu::generate::processors::*;

const RULED_OUT: f32 = f32::NEG_INFINITY;

fn apply(mut processor: impl LogitsProcessor, sequence: &[u32], scores: &[f32]) -> Vec<f32> {
    let mut processed = scores.to_vec();
    processor.process(sequence, &mut processed);
    if !processor.is_active(sequence.len()) {
        assert_eq!(processed, scores, "inactive, and yet it changed something");
    }
    processed
}

/// Which tokens a processor rules out; it must leave the others as they are.
fn ruled_out(processor: impl LogitsProcessor, sequence: &[u32], vocab_size: usize) -> Vec<u32> {
    let scores: Vec<f32> = (0..vocab_size)
        .map(|token| token as f32 * 0.37 - 1.0)
        .collect();
    let processed = apply(processor, sequence, &scores);
    let mut out = Vec::new();
    for (token, (after, before)) in (0..).zip(processed.iter().zip(&scores)) {
        if *after == RULED_OUT {
            out.push(token)
        } else {
            assert_eq!(after, before)
        }
    }
    out
}

fn sequences() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0_u32..6, 1..20)
}

fn scores() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(
        prop_oneof![8 => -9.0_f32..9.0, 1 => Just(RULED_OUT), 1 => Just(0.5_f32)],
        2..60,
    )
    .prop_filter("something to choose", |scores| {
        scores.iter().any(|score| score.is_finite())
    })
}

fn probabilities(scores: &[f32]) -> Vec<f64> {
    let sum: f64 = scores.iter().map(|&score| f64::from(score).exp()).sum();
    scores
        .iter()
        .map(|&score| f64::from(score).exp() / sum)
        .collect()
}

fn kept(before: &[f32], after: &[f32]) -> Vec<usize> {
    (0..after.len())
        .filter(|&token| {
            assert!(after[token] == before[token] || after[token] == RULED_OUT);
            after[token] > RULED_OUT
        })
        .collect()
}

proptest! {
    #[test]
    fn no_ngram_twice(sequence in sequences(), size in 1_usize..5) {
        let expected: Vec<u32> = (0..6)
            .filter(|&token| {
                let longer = [sequence.as_slice(), &[token]].concat();
                let ngrams: Vec<&[u32]> = longer.windows(size).collect();
                ngrams.split_last().is_some_and(|(last, earlier)| earlier.contains(last))
            })
            .collect();
        prop_assert_eq!(ruled_out(NoRepeatNgram::new(size), &sequence, 6), expected);
    }

    #[test]
    fn no_ngram_of_the_source(sequence in sequences(), source in sequences(), size in 1_usize..5) {
        let ngrams: HashSet<&[u32]> = source.windows(size).collect();
        let expected: Vec<u32> = (0..6)
            .filter(|&token| {
                let longer = [sequence.as_slice(), &[token]].concat();
                longer.windows(size).last().is_some_and(|last| ngrams.contains(last))
            })
            .collect();
        prop_assert_eq!(ruled_out(EncoderNoRepeatNgram::new(size, &source), &sequence, 6), expected);
    }

    #[test]
    fn no_bad_words(sequence in sequences(), words in prop::collection::vec(prop::collection::vec(0_u32..6, 1..4), 1..6)) {
        prop_assume!(words.iter().any(|word| word != &[1]));
        let expected: Vec<u32> = (0..6)
            .filter(|&token| {
                let longer = [sequence.as_slice(), &[token]].concat();
                words.iter().any(|word| word != &[1] && longer.ends_with(word))
            })
            .collect();
        prop_assert_eq!(ruled_out(NoBadWords::new(&words, &[1], 6).unwrap(), &sequence, 6), expected);
    }

    #[test]
    fn repetition_is_penalized_once(sequence in sequences(), scores in scores(), penalty in 0.3_f64..4.0) {
        let processed = apply(RepetitionPenalty::new(penalty), &sequence, &scores);
        let encoder = apply(EncoderRepetitionPenalty::new(penalty, &sequence), &[0], &scores);
        for token in 0..scores.len() {
            let (score, factor) = (scores[token], penalty as f32);
            if !sequence.contains(&(token as u32)) {
                prop_assert_eq!(processed[token], score);
                prop_assert_eq!(encoder[token], score);
                continue;
            }
            prop_assert_eq!(processed[token], if score < 0.0 { score * factor } else { score / factor });
            let inverse = if score < 0.0 { score / factor } else { score * factor };
            prop_assert!(encoder[token] == inverse || (encoder[token] - inverse).abs() <= 1e-5 * inverse.abs());
        }
    }

    #[test]
    fn top_k_keeps_the_likeliest(scores in scores(), k in 1_usize..70, keep in 1_usize..4) {
        let processed = apply(TopK::new(k, keep), &[0], &scores);
        let mut sorted = scores.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let threshold = sorted[k.max(keep).min(scores.len()) - 1];
        let expected: Vec<usize> =
            (0..scores.len()).filter(|&token| scores[token] >= threshold && scores[token] > RULED_OUT).collect();
        prop_assert_eq!(kept(&scores, &processed), expected);
    }

    #[test]
    fn top_p_keeps_the_fewest_that_suffice(scores in scores(), p in 0.0_f64..1.0) {
        let survivors = kept(&scores, &apply(TopP::new(p, 1), &[0], &scores));
        let probabilities = probabilities(&scores);
        let mass: f64 = survivors.iter().map(|&token| probabilities[token]).sum();
        let least = survivors.iter().map(|&token| probabilities[token]).fold(f64::INFINITY, f64::min);
        prop_assert!(mass >= p - 1e-6);
        prop_assert!(survivors.len() == 1 || mass - least < p + 1e-6);
        for token in (0..scores.len()).filter(|token| !survivors.contains(token)) {
            prop_assert!(probabilities[token] <= least);
        }
    }

    #[test]
    fn min_p_keeps_what_is_near_the_likeliest(scores in scores(), p in 0.0_f64..=1.0, keep in 1_usize..4) {
        let survivors = kept(&scores, &apply(MinP::new(p, keep), &[0], &scores));
        let probabilities = probabilities(&scores);
        let best = probabilities.iter().copied().fold(0.0, f64::max);
        for token in (0..scores.len()).filter(|&token| scores[token] > RULED_OUT) {
            let better = (0..scores.len()).filter(|&other| (scores[other], token) > (scores[token], other)).count();
            let margin = probabilities[token] / best - p;
            if margin.abs() > 1e-5 {
                prop_assert_eq!(survivors.contains(&token), margin > 0.0 || better < keep, "token {}", token);
            }
        }
    }
}

#[test]
fn warpers_keep_as_many_as_they_must() {
    let scores = [0.0, 3.0, 1.0, 2.0];
    assert_eq!(
        kept(&scores, &apply(TopP::new(0.0, 3), &[0], &scores)),
        [1, 2, 3]
    );
    assert_eq!(
        kept(&scores, &apply(TopK::new(1, 2), &[0], &scores)),
        [1, 3]
    );
    assert_eq!(
        kept(&scores, &apply(MinP::new(1.0, 2), &[0], &scores)),
        [1, 3]
    );
}

#[test]
fn of_equals_top_p_keeps_the_higher_ids_and_top_k_all() {
    let scores = [1.0; 8];
    assert_eq!(
        kept(&scores, &apply(TopP::new(0.3, 1), &[0], &scores)),
        [5, 6, 7]
    );
    assert_eq!(
        kept(&scores, &apply(TopK::new(3, 1), &[0], &scores)).len(),
        8
    );
}

#[test]
fn temperature_divides() {
    assert_eq!(
        apply(Temperature::new(0.5), &[0], &[1.0, -3.0, RULED_OUT]),
        [2.0, -6.0, RULED_OUT]
    );
}

#[test]
fn ends_and_beginnings() {
    for length in 1..6 {
        let sequence = vec![3; length];
        let when =
            |condition: bool, tokens: &[u32]| if condition { tokens.to_vec() } else { vec![] };
        assert_eq!(
            ruled_out(MinLength::new(4, &[1, 2, 99]), &sequence, 6),
            when(length < 4, &[1, 2])
        );
        assert_eq!(
            ruled_out(SuppressTokens::new(&[0, 5, 99]), &sequence, 6),
            [0, 5]
        );
        assert_eq!(
            ruled_out(SuppressTokensAtBegin::new(&[4], 2), &sequence, 6),
            when(length == 2, &[4])
        );
        let scores = [-0.5, 2.0, 1.0];
        let forced = [RULED_OUT, RULED_OUT, 0.0];
        let bos = apply(ForcedBosToken::new(2, 3).unwrap(), &sequence, &scores);
        assert_eq!(bos, if length == 1 { forced } else { scores });
        let eos = apply(ForcedEosToken::new(5, &[2], 3).unwrap(), &sequence, &scores);
        assert_eq!(eos, if length == 4 { forced } else { scores });
    }
}

/// A penalty before the warpers and a forced token after what forbids it: the order of transformers.
#[test]
fn the_list_has_transformers_order() {
    let config = GenerationConfig {
        eos_token_id: vec![1],
        repetition_penalty: 2.0,
        bad_words_ids: vec![vec![2]],
        forced_bos_token_id: Some(2),
        do_sample: true,
        temperature: 0.5,
        ..Default::default()
    };
    let limits = LengthLimits {
        max_length: 9,
        min_length: 3,
    };
    let mut list = ProcessorList::new(&config, limits, 1, &[], 4).unwrap();
    let mut scores = [4.0, 3.0, 2.0, 1.0];
    list.process(&[0], &mut scores);
    assert_eq!(scores, [RULED_OUT, RULED_OUT, 0.0, RULED_OUT]);
    let mut scores = [4.0, 3.0, 2.0, 1.0];
    list.process(&[0, 2], &mut scores);
    assert_eq!(scores, [4.0, RULED_OUT, RULED_OUT, 2.0]);
    assert!(
        ProcessorList::new(&GenerationConfig::default(), limits, 1, &[], 4)
            .unwrap()
            .is_empty()
    );
}

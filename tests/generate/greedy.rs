//! Decoders that choose by themselves, several greedy steps at once.

use proptest::prelude::*;
use t5_gpu::GenerationConfig;
use t5_gpu::generate::{Request, generate};

use crate::toy::{self, Toy, noisy};

/// Greedy decoding with all that may hold it up: prompts, least lengths, forced ends.
pub fn greedy_requests() -> impl Strategy<Value = Vec<Request>> {
    let config = (
        1_usize..30,
        0_usize..5,
        prop::collection::vec(2_u32..11, 0..4),
        0..4,
    )
        .prop_map(|(max, min, decoder_input_ids, forced)| GenerationConfig {
            max_new_tokens: Some(max),
            min_new_tokens: (min > 2).then_some(min),
            decoder_input_ids,
            forced_eos_token_id: if forced == 0 { vec![1] } else { vec![] },
            ..toy::config()
        });
    prop::collection::vec(config, 1..9).prop_map(|all| {
        (0..)
            .zip(all)
            .map(|(source, config)| Request::new(source, vec![1], config))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// However many greedy steps are taken at once.
    #[test]
    fn greedy_runs_give_what_single_steps_give(requests in greedy_requests(), steps in 1_usize..9) {
        let expected = generate(&mut noisy(24, 5.0), &requests, &mut ()).unwrap();
        let found = generate(&mut noisy(24, 5.0).greedy(steps), &requests, &mut ()).unwrap();
        prop_assert_eq!(found, expected);
    }
}

/// A decoder that picks by itself is asked to where nothing but the likeliest token is wanted, with equal results.
#[test]
fn plain_greedy_decoding_needs_no_logits() {
    let plain: Vec<_> = (0..6)
        .map(|source| Request::new(source, vec![1], toy::config()))
        .collect();
    let expected = generate(&mut noisy(40, 3.0), &plain, &mut ()).unwrap();
    for steps in [1, 3, 8] {
        let mut decoder = noisy(40, 3.0).greedy(steps);
        assert_eq!(generate(&mut decoder, &plain, &mut ()).unwrap(), expected);
        assert_eq!(decoder.picks, decoder.steps.len());
    }

    // A minimum length is a processor as long as it holds: four steps need logits.
    let config = GenerationConfig {
        min_new_tokens: Some(4),
        max_new_tokens: Some(9),
        ..toy::config()
    };
    let request = [Request::new(0, vec![1], config)];
    let expected = generate(&mut noisy(40, 3.0), &request, &mut ()).unwrap();
    for steps in [1, 3, 8] {
        let mut decoder = noisy(40, 3.0).greedy(steps);
        assert_eq!(generate(&mut decoder, &request, &mut ()).unwrap(), expected);
        assert_eq!(decoder.picks, decoder.steps.len() - 4);
    }
}

/// No step is taken past the longest output, and one run at most past the last end.
#[test]
fn greedy_runs_end_where_nothing_is_left_to_choose() {
    let endless = |max: usize| GenerationConfig {
        eos_token_id: vec![],
        max_new_tokens: Some(max),
        ..toy::config()
    };
    for (steps, max) in [(1, 5_usize), (3, 1), (3, 7), (8, 20), (8, 8)] {
        let requests = [max, max.div_ceil(2)].map(|max| Request::new(0, vec![1], endless(max)));
        let mut decoder = noisy(9, 1.0).greedy(steps);
        let outputs = generate(&mut decoder, &requests, &mut ()).unwrap();
        assert_eq!(outputs[0][0].token_ids.len(), max);
        assert_eq!(decoder.steps.len(), max, "{steps} at once");
    }
    // Source n ends after n tokens.
    for (steps, source) in [(1, 4_u32), (4, 1), (4, 5), (4, 8)] {
        let mut decoder = Toy::new(5, |source, history, logits| {
            logits.fill(0.0);
            logits[if history.len() >= source as usize {
                1
            } else {
                3
            }] = 1.0;
        })
        .greedy(steps);
        let request = [Request::new(source, vec![1], toy::config())];
        let outputs = generate(&mut decoder, &request, &mut ()).unwrap();
        assert_eq!(outputs[0][0].token_ids.len(), source as usize);
        let needed = (source as usize).next_multiple_of(steps);
        let ahead = if steps > 1 { steps } else { 0 };
        assert_eq!(decoder.steps.len(), needed + ahead, "{steps} at once");
    }
}

/// Rows that are done run on until so many are that the others go on without them.
#[test]
fn finished_rows_leave_greedy_runs() {
    let mut decoder = Toy::new(5, |source, history, logits| {
        logits.fill(0.0);
        logits[if history.len() >= source as usize {
            1
        } else {
            3
        }] = 1.0;
    })
    .greedy(2);
    let requests: Vec<_> = [9, 1, 10, 11, 7, 12]
        .map(|source| Request::new(source, vec![1], toy::config()))
        .into();
    let outputs = generate(&mut decoder, &requests, &mut ()).unwrap();
    for (request, outputs) in requests.iter().zip(&outputs) {
        assert_eq!(outputs[0].token_ids.len(), request.source as usize);
    }
    // The second row ends in the first run, which is too few, and the fifth in the fourth, when the fifth run is under way.
    // In that one the first and the third end too.
    let rows: Vec<usize> = decoder.steps.chunks(2).map(|run| run[0]).collect();
    assert_eq!(rows, [6, 6, 6, 6, 6, 2, 2]);
}

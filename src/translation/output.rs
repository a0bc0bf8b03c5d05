//! Outputs of a text out of those of its sentences.

use super::{Done, What};
use crate::pipeline::Output;

/// The outputs of the whole: the best of each sentence together, the second best together, and so on. The last of a sentence
/// that has fewer than another stands in for those that it lacks.
pub fn joined(parts: Vec<Done>) -> Vec<Output> {
    let sentences = parts.iter().filter_map(|part| match &part.what {
        What::Outputs(outputs, _) => Some(outputs.len()),
        What::Kept(_) => None,
    });
    let (count, sentences) = (sentences.clone().max().unwrap_or(1), sentences.count());
    (0..count)
        .map(|index| {
            let mut whole = Output::of_text(String::new());
            for part in &parts {
                match &part.what {
                    What::Kept(text) => push(&mut whole.text, text),
                    What::Outputs(outputs, _) => {
                        let Some(output) = outputs.get(index).or(outputs.last()) else {
                            continue;
                        };
                        add(&mut whole, output);
                    }
                }
            }
            whole.score = whole.score.map(|sum| sum / sentences as f32);
            whole
        })
        .collect()
}

/// Puts an output behind another, its score to the sum of theirs.
fn add(whole: &mut Output, output: &Output) {
    push(&mut whole.text, output.text.as_deref().unwrap_or_default());
    whole.token_ids.extend_from_slice(&output.token_ids);
    if let Some(score) = output.score {
        *whole.score.get_or_insert(0.0) += score;
    }
    if let Some(logprobs) = &output.token_logprobs {
        whole
            .token_logprobs
            .get_or_insert_default()
            .extend_from_slice(logprobs);
    }
}

fn push(whole: &mut Option<String>, text: &str) {
    whole.get_or_insert_default().push_str(text);
}

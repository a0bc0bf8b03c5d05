//! A forward pass as named tensors, layers first, under transformers' names.

use serde_json::{Value, json};
use t5_gpu::T5Config;
use t5_gpu::pipeline::Forward;

/// One kind of state, of all layers.
pub struct State<'a> {
    pub name: &'static str,
    /// `[layers, ...]`
    pub shape: Vec<usize>,
    /// A layer's values, row-major.
    pub layers: &'a [Vec<f32>],
}

impl State<'_> {
    /// Nested lists.
    pub fn json(&self) -> Value {
        self.layers
            .iter()
            .map(|layer| nested(layer, &self.shape[1..]))
            .collect()
    }
}

/// All that was asked for.
pub fn all<'a>(config: &T5Config, source: usize, forward: &'a Forward) -> Vec<State<'a>> {
    let (width, heads) = (config.d_model, config.num_heads);
    let state = |name, layers: &'a [Vec<f32>], rest: &[usize]| State {
        name,
        shape: [&[layers.len()], rest].concat(),
        layers,
    };
    let mut all = vec![
        state("hidden_states", &forward.hidden_states, &[source, width]),
        state("attentions", &forward.attentions, &[heads, source, source]),
    ];
    if let Some(decoder) = &forward.decoder {
        let target = decoder.input_ids.len();
        all.extend([
            state(
                "decoder_hidden_states",
                &decoder.hidden_states,
                &[target, width],
            ),
            state(
                "decoder_attentions",
                &decoder.attentions,
                &[heads, target, target],
            ),
            state(
                "cross_attentions",
                &decoder.cross_attentions,
                &[heads, target, source],
            ),
        ]);
    }
    all.retain(|state| !state.layers.is_empty());
    all
}

fn nested(values: &[f32], shape: &[usize]) -> Value {
    match shape {
        [] | [_] => json!(values),
        [first, rest @ ..] => values
            .chunks_exact((values.len() / first).max(1))
            .map(|part| nested(part, rest))
            .collect(),
    }
}

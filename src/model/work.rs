//! What a decode step has to do, kernel by kernel, from the shape of a model alone.

use super::weights::{Dims, feed_forward_epilogue};
use crate::gpu::Target;
use crate::ops::{Epilogue, LinearShape, Work};
use crate::{T5Config, WeightDType};

/// The shape of a decode step.
#[derive(Clone, Copy, Debug)]
pub struct StepShape {
    /// Sources that are decoded from.
    pub sources: usize,
    /// Hypotheses of each.
    pub beams: usize,
    /// Tokens of a source.
    pub source_length: usize,
    /// Tokens of a hypothesis so far, the one that the step is fed included.
    pub positions: usize,
    /// How the step ends.
    pub end: StepEnd,
}

/// How a step ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// With all logits on their way to the host.
    Logits,
    /// With so many of each row's best tokens.
    Ranking(usize),
    /// With each row's likeliest token being fed to the next step.
    Greedy,
}

/// A part of a step: the dispatches that each of its layers makes, all alike.
#[derive(Clone, Debug)]
pub struct PartWork {
    /// Which part.
    pub part: &'static str,
    /// How many layers have it.
    pub layers: usize,
    /// What one dispatches, in order.
    pub dispatches: Vec<Work>,
}

/// What a step of this model dispatches on an adapter of this kind, weights kept as `dtype`, each matrix in one binding.
pub fn decode_step(
    config: &T5Config,
    target: Target,
    dtype: WeightDType,
    step: &StepShape,
) -> Vec<PartWork> {
    let rows = step.sources * step.beams;
    let dims = Dims::new(config);
    let linear = |part, layers, inputs, outputs, norm, epilogue| {
        let shape = LinearShape {
            inputs,
            outputs,
            norm,
            epilogue,
        };
        PartWork {
            part,
            layers,
            dispatches: shape.work(target, dtype, rows),
        }
    };
    let one = |part, layers, work| PartWork {
        part,
        layers,
        dispatches: vec![work],
    };
    let Dims {
        d_model,
        d_kv,
        d_ff,
        inner,
    } = dims;
    let layers = config.num_decoder_layers;
    let d_ff_weights = if config.gated { 2 * d_ff } else { d_ff };
    let head = LinearShape {
        inputs: d_model,
        outputs: config.vocab_size,
        norm: true,
        epilogue: match step.end {
            StepEnd::Greedy => Epilogue::Best,
            StepEnd::Logits | StepEnd::Ranking(_) => Epilogue::Store,
        },
    };
    // A key and a value of a position, f32.
    let position = 2 * inner * 4;
    let attention = |kernel, positions: usize, cached: usize, read: usize| Work {
        cached: cached as u64,
        activations: (rows * (read + inner) * 4) as u64,
        multiplications: (rows * config.num_heads * positions * 2 * d_kv) as u64,
        ..Work::of(kernel)
    };
    let own = attention(
        "attention_self",
        step.positions,
        // Each row's, and what it adds to them.
        rows * step.positions * position,
        3 * inner,
    );
    let cross = attention(
        "attention_cross",
        step.source_length,
        // Neighbours that share a source read it at the same time.
        step.sources * step.source_length * position,
        inner,
    );
    let embedding = Work {
        weights: (rows * (d_model * dtype.size() + if dtype == WeightDType::Int8 { 4 } else { 0 }))
            as u64,
        activations: (rows * d_model * 4) as u64,
        ..Work::of("embed")
    };
    let mut parts = vec![
        one("embedding", 1, embedding),
        linear(
            "self-attention q, k, v",
            layers,
            d_model,
            3 * inner,
            true,
            Epilogue::Store,
        ),
        one("self-attention", layers, own),
        linear(
            "self-attention o",
            layers,
            inner,
            d_model,
            false,
            Epilogue::Add,
        ),
        linear(
            "cross-attention q",
            layers,
            d_model,
            inner,
            true,
            Epilogue::Store,
        ),
        one("cross-attention", layers, cross),
        linear(
            "cross-attention o",
            layers,
            inner,
            d_model,
            false,
            Epilogue::Add,
        ),
        linear(
            "feed-forward wi",
            layers,
            d_model,
            d_ff_weights,
            true,
            feed_forward_epilogue(config),
        ),
        linear(
            "feed-forward wo",
            layers,
            d_ff,
            d_model,
            false,
            Epilogue::Add,
        ),
        PartWork {
            part: "lm_head",
            layers: 1,
            dispatches: head.work(target, dtype, rows),
        },
    ];
    match step.end {
        StepEnd::Logits => {}
        StepEnd::Ranking(count) => parts.push(one(
            "the best tokens",
            1,
            Work {
                activations: (rows * (config.vocab_size + 2 + 2 * count) * 4) as u64,
                ..Work::of("top_k")
            },
        )),
        StepEnd::Greedy => parts.push(one(
            "the likeliest token",
            1,
            Work {
                activations: (rows * (8 * head.shares(target, dtype, rows) + 16)) as u64,
                ..Work::of("argmax")
            },
        )),
    }
    parts
}

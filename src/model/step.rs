//! A decoder step: its buffers, and its ops in order.

use super::Model;
use super::alignment::Alignments;
use super::greedy::Greedy;
use super::kv_cache::KvCache;
use super::weights::DecoderWeights;
use crate::Result;
use crate::generate::Ranking;
use crate::gpu::{Buffer, Plan, Texels};
use crate::ops::{
    AlignmentArgs, Argmax, AttentionAlignment, CachedAttention, CachedAttentionArgs, CachedKind,
    Embed, Epilogue, Linear, Staged, TopK,
};

/// The shape of a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    pub rows: usize,
    pub end: End,
    /// Whether it tells what rows attend to in their sources.
    pub attends: bool,
}

/// How a step ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With logits.
    Logits,
    /// With so many of each row's best tokens.
    Ranking(usize),
    /// With the likeliest tokens being fed to the next step.
    Argmax,
}

/// The buffers of a step, a row a hypothesis.
pub(super) struct Activations {
    /// `{token, position, slot, source}`
    pub rows: Buffer,
    /// The residual stream, `[rows, d_model]`
    x: Texels,
    /// `[rows, 3 * inner]`
    qkv: Texels,
    /// Cross-attention's queries, `[rows, inner]`
    q: Texels,
    /// `[rows, inner]`
    attended: Texels,
    /// `[rows, d_ff]`
    inner_layer: Texels,
    /// `[rows, vocab_size]`
    pub logits: Buffer,
    /// `[rows, best_width]`, the best of every few logits
    best: Buffer,
    /// `[rows, 2 + 2 * candidates]` u32
    pub ranking: Buffer,
    /// Staged inputs, where layers take such
    scratch: Option<Staged>,
}

/// A step's ops, in order.
pub(super) struct Ops {
    embed: Embed,
    blocks: Vec<BlockOps>,
    head: Linear,
    top_k: TopK,
    greedy_head: Linear,
    argmax: Argmax,
}

struct BlockOps {
    qkv: Linear,
    self_attention: CachedAttention,
    self_output: Linear,
    q: Linear,
    cross_attention: CachedAttention,
    alignment: Option<AttentionAlignment>,
    cross_output: Linear,
    wi: Linear,
    wo: Linear,
}

impl Activations {
    pub fn new(model: &Model, rows: usize, candidates: usize) -> Result<Activations> {
        let gpu = &model.gpu;
        let buffer = |label, width: usize| gpu.buffer(label, (rows * width * 4) as u64);
        let texels = |label, width: usize| gpu.texels(label, (rows * width * 4) as u64);
        Ok(Activations {
            rows: buffer("decoder rows", 4)?,
            x: texels("decoder states", model.dims.d_model)?,
            qkv: texels("decoder queries, keys and values", 3 * model.dims.inner)?,
            q: texels("decoder cross-attention queries", model.dims.inner)?,
            attended: texels("decoder attention", model.dims.inner)?,
            inner_layer: texels("decoder feed-forward", model.dims.d_ff)?,
            logits: buffer("logits", model.config.vocab_size)?,
            best: buffer("best logits", model.best_width(model.decoder_weights()?))?,
            ranking: buffer("candidates", Ranking::width(candidates))?,
            scratch: model.scratch(rows)?,
        })
    }
}

impl Ops {
    pub fn new(
        model: &Model,
        decoder: &DecoderWeights,
        cache: &KvCache,
        activations: &Activations,
        greedy: &Greedy,
        alignments: Option<&Alignments>,
    ) -> Ops {
        let gpu = &model.gpu;
        let Activations {
            rows,
            x,
            qkv,
            q,
            attended,
            inner_layer,
            logits,
            best,
            ranking,
            scratch,
        } = activations;
        let scratch = scratch.as_ref();
        let projection = |norm, weights, out, epilogue| {
            model.projection(x, norm, weights, out, epilogue, scratch)
        };
        let addition = |input, weights| model.addition(input, weights, x, scratch);
        let stack = &decoder.stack;
        let heads = model.config.num_heads;
        let head_width = model.dims.d_kv;
        let attention = |q, kind| {
            CachedAttention::new(
                gpu,
                &CachedAttentionArgs {
                    rows,
                    q,
                    kind,
                    heads,
                    head_width,
                    out: attended,
                },
            )
        };
        let alignment = |layer: usize| {
            alignments.map(|alignments| {
                AttentionAlignment::new(
                    gpu,
                    &AlignmentArgs {
                        rows,
                        q,
                        pool: &cache.layers[layer],
                        sources: &cache.sources,
                        stride: cache.source_stride,
                        heads,
                        head_width,
                        log: &alignments.log,
                        lines: alignments.lines,
                        adds: layer > 0,
                    },
                )
            })
        };
        let blocks = stack.blocks.iter().enumerate().map(|(index, block)| {
            let own = &block.self_attention;
            let source = block.cross_attention();
            let feed_forward = &block.feed_forward;
            let pool = &cache.layers[index];
            let own_kind = CachedKind::Own {
                pool,
                history: &cache.history,
                stride: cache.tables.stride(),
                bias: stack.bias(index),
                max_distance: model.config.relative_attention_max_distance,
            };
            let source_kind = CachedKind::Source {
                pool,
                sources: &cache.sources,
                stride: cache.source_stride,
            };
            BlockOps {
                qkv: projection(&own.norm, &own.qkv, qkv, Epilogue::Store),
                self_attention: attention(qkv, own_kind),
                self_output: addition(attended, &own.o),
                q: projection(&source.norm, &source.q, q, Epilogue::Store),
                cross_attention: attention(q, source_kind),
                alignment: alignment(index),
                cross_output: addition(attended, &source.o),
                wi: projection(
                    &feed_forward.norm,
                    &feed_forward.wi,
                    inner_layer,
                    feed_forward.epilogue,
                ),
                wo: addition(inner_layer, &feed_forward.wo),
            }
        });
        Ops {
            embed: Embed::new(gpu, rows, 4, &stack.embed_tokens, x),
            blocks: blocks.collect(),
            head: model.head(decoder, x, false, logits, scratch),
            greedy_head: model.greedy_head(decoder, x, best, scratch),
            top_k: TopK::new(gpu, logits, model.config.vocab_size, ranking),
            argmax: Argmax::new(
                gpu,
                best,
                model.best_width(decoder),
                rows,
                &greedy.log,
                greedy.log_steps(),
            ),
        }
    }

    pub fn record(&self, model: &Model, planned: Planned, plan: &mut Plan) {
        let (gpu, rows) = (&model.gpu, planned.rows);
        self.embed.record(gpu, rows, plan);
        for block in &self.blocks {
            block.qkv.record(gpu, rows, plan);
            block.self_attention.record(gpu, rows, plan);
            block.self_output.record(gpu, rows, plan);
            block.q.record(gpu, rows, plan);
            block.cross_attention.record(gpu, rows, plan);
            if let Some(alignment) = block.alignment.as_ref().filter(|_| planned.attends) {
                alignment.record(gpu, rows, plan);
            }
            block.cross_output.record(gpu, rows, plan);
            block.wi.record(gpu, rows, plan);
            block.wo.record(gpu, rows, plan);
        }
        match planned.end {
            End::Logits => self.head.record(gpu, rows, plan),
            End::Ranking(count) => {
                self.head.record(gpu, rows, plan);
                self.top_k.record(gpu, rows, count, plan);
            }
            End::Argmax => {
                self.greedy_head.record(gpu, rows, plan);
                let pairs = self.greedy_head.shares(gpu, rows);
                self.argmax.record(gpu, rows, pairs, plan);
            }
        }
    }
}

//! A stack over whole padded batches: the encoder, and the decoder when it is fed whole targets.

use super::Model;
use super::weights::{CrossAttention, FeedForward, Stack};
use crate::gpu::{Buffer, Plan};
use crate::ops::{
    Attention, AttentionArgs, Embed, Epilogue, Linear, LinearArgs, Matrix, Norm, RmsNorm,
};
use crate::{Error, Result};

/// Sequences side by side, padded to the longest.
pub(super) struct Batch {
    pub lengths: Vec<usize>,
    /// Positions a sequence.
    pub width: usize,
    /// `[batch, width]` u32, 0 where a key is hidden.
    pub mask: Buffer,
}

impl Batch {
    /// Rows of every activation, padding included.
    pub fn rows(&self) -> usize {
        self.lengths.len() * self.width
    }
}

/// What a stack computes besides its last hidden state, read back: by layer, then by sequence, padding cut off.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The embeddings, then every block's output, the last one after the final norm: each `[tokens, d_model]`.
    pub hidden_states: Vec<Vec<Vec<f32>>>,
    /// `[num_heads, tokens, tokens]` each.
    pub attentions: Vec<Vec<Vec<f32>>>,
    /// `[num_heads, tokens, source tokens]` each; empty for the encoder.
    pub cross_attentions: Vec<Vec<Vec<f32>>>,
}

/// Which parts of a [`Trace`] are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceOptions {
    pub hidden_states: bool,
    pub attentions: bool,
}

/// What a run of a stack depends on besides its input.
pub(super) struct StackOptions<'a> {
    pub causal: bool,
    /// `[layers, num_heads]`
    pub head_mask: Option<&'a [f32]>,
    pub cross: Option<CrossInput<'a>>,
    pub trace: TraceOptions,
}

/// What cross-attention reads.
pub(super) struct CrossInput<'a> {
    /// A layer's keys and values of the sources, `[sources, width, 2 * inner]`; target i attends to source i.
    pub keys_values: &'a [Buffer],
    pub source: &'a Batch,
    /// `[layers, num_heads]`
    pub head_mask: Option<&'a [f32]>,
}

/// A stack being recorded: its input, the buffers between its layers, and where it records.
struct StackRun<'a> {
    model: &'a Model,
    batch: &'a Batch,
    options: &'a StackOptions<'a>,
    /// The residual stream, `[rows, d_model]`
    x: &'a Buffer,
    /// `[rows, 3 * inner]`
    qkv: Buffer,
    /// `[rows, inner]`
    attended: Buffer,
    /// `[rows, d_ff]`
    inner_layer: Buffer,
    plan: &'a mut Plan,
    trace: TraceBuffers,
}

/// A [`Trace`] before it is read back.
#[derive(Default)]
pub(super) struct TraceBuffers {
    hidden_states: Vec<Buffer>,
    attentions: Vec<Buffer>,
    cross_attentions: Vec<Buffer>,
}

impl Model {
    /// Puts sequences side by side and their embeddings (those given, or else those of the ids) into the residual stream.
    pub(super) fn batch(
        &self,
        ids: &[Vec<u32>],
        embeds: Option<&[Vec<f32>]>,
        mask: Option<&[Vec<bool>]>,
        plan: &mut Plan,
    ) -> Result<(Batch, Buffer)> {
        let (gpu, d_model, padded) = (&self.gpu, self.config.d_model, self.dims.d_model);
        let lengths: Vec<usize> = match embeds {
            Some(embeds) => embeds.iter().map(|states| states.len() / d_model).collect(),
            None => ids.iter().map(Vec::len).collect(),
        };
        if lengths.contains(&0) {
            return Err(Error::Invalid(
                "an input has no tokens: give at least one token id".into(),
            ));
        }
        let width = lengths.iter().copied().max().unwrap_or(1);
        let mut keys = vec![0u32; lengths.len() * width];
        for (row, length) in lengths.iter().enumerate() {
            let keys = &mut keys[row * width..][..*length];
            match mask {
                None => keys.fill(1),
                Some(mask) if mask.len() == lengths.len() && mask[row].len() == *length => {
                    keys.iter_mut()
                        .zip(&mask[row])
                        .for_each(|(key, visible)| *key = u32::from(*visible));
                }
                Some(_) => {
                    return Err(Error::Invalid(
                        "an attention mask must be as long as its input".into(),
                    ));
                }
            }
        }
        let batch = Batch {
            lengths,
            width,
            mask: gpu.buffer_from("the attention mask", &keys)?,
        };
        let bytes = (batch.rows() * padded * 4) as u64;
        let x = match embeds {
            None => {
                self.check_tokens(ids.iter().flatten().copied())?;
                let mut flat = vec![0u32; batch.rows()];
                for (row, ids) in ids.iter().enumerate() {
                    flat[row * width..][..ids.len()].copy_from_slice(ids);
                }
                let flat = gpu.buffer_from("token ids", &flat)?;
                let x = gpu.buffer("hidden states", bytes)?;
                Embed::new(gpu, &flat, 1, &self.weights.shared, &x).record(gpu, batch.rows(), plan);
                x
            }
            Some(embeds) => gpu.buffer_filled("hidden states", bytes, |write| {
                for (row, states) in embeds.iter().enumerate() {
                    for (position, state) in states.chunks_exact(d_model).enumerate() {
                        let offset = (row * width + position) * padded * 4;
                        write(offset as u64, bytemuck::cast_slice(state));
                    }
                }
            })?,
        };
        Ok((batch, x))
    }

    /// Records the stack over `x`, the residual stream; returns its output after the final norm, and the trace.
    pub(super) fn record_stack(
        &self,
        stack: &Stack,
        batch: &Batch,
        x: &Buffer,
        options: &StackOptions<'_>,
        plan: &mut Plan,
    ) -> Result<(Buffer, TraceBuffers)> {
        let gpu = &self.gpu;
        let rows = batch.rows();
        let buffer = |label, width: usize| gpu.buffer(label, (rows * width * 4) as u64);
        let mut run = StackRun {
            model: self,
            batch,
            options,
            x,
            qkv: buffer("queries, keys and values", 3 * self.dims.inner)?,
            attended: buffer("attention output", self.dims.inner)?,
            inner_layer: buffer("the feed-forward's inner layer", self.dims.d_ff)?,
            plan,
            trace: TraceBuffers::default(),
        };
        for (index, block) in stack.blocks.iter().enumerate() {
            run.trace_hidden()?;
            run.self_attention(stack, index)?;
            if let Some(cross) = &options.cross {
                run.cross_attention(block.cross_attention(), cross, index)?;
            }
            run.feed_forward(&block.feed_forward);
        }
        let trace = run.trace;
        let hidden = buffer("the last hidden state", self.dims.d_model)?;
        RmsNorm::new(gpu, x, &self.norm(&stack.final_norm), &hidden).record(gpu, rows, plan);
        Ok((hidden, trace))
    }

    /// Layer `index` of a head mask, on the GPU.
    fn head_mask(&self, mask: Option<&[f32]>, index: usize) -> Result<Option<Buffer>> {
        let heads = self.config.num_heads;
        let Some(mask) = mask else { return Ok(None) };
        let Some(layer) = mask.get(index * heads..(index + 1) * heads) else {
            return Err(Error::Invalid(format!(
                "a head mask of {} factors is too short: layer {index} of {heads} heads has none",
                mask.len()
            )));
        };
        self.gpu.buffer_from("a head mask", layer).map(Some)
    }

    /// Reads a trace back and cuts off its padding. `last` is the stack's output, `keys` the batch that cross-attention
    /// attended to.
    pub(super) fn read_trace(
        &self,
        buffers: TraceBuffers,
        batch: &Batch,
        last: &Buffer,
        source: Option<&Batch>,
    ) -> Result<Trace> {
        let mut trace = Trace::default();
        if !buffers.hidden_states.is_empty() {
            for buffer in buffers.hidden_states.iter().chain([last]) {
                trace.hidden_states.push(self.read_states(buffer, batch)?);
            }
        }
        for buffer in &buffers.attentions {
            trace
                .attentions
                .push(self.read_attention(buffer, batch, batch)?);
        }
        for buffer in &buffers.cross_attentions {
            trace.cross_attentions.push(self.read_attention(
                buffer,
                batch,
                source.unwrap_or(batch),
            )?);
        }
        Ok(trace)
    }

    /// `[batch, width, d_model]` without its padding, by sequence.
    pub(super) fn read_states(&self, buffer: &Buffer, batch: &Batch) -> Result<Vec<Vec<f32>>> {
        let padded = self.dims.d_model;
        let all = self.gpu.read(buffer, batch.rows() * padded)?;
        let sequences = all.chunks_exact(batch.width * padded).zip(&batch.lengths);
        Ok(sequences
            .map(|(states, length)| {
                let states = states.chunks_exact(padded).take(*length);
                states
                    .flat_map(|state| &state[..self.config.d_model])
                    .copied()
                    .collect()
            })
            .collect())
    }

    /// `[batch, heads, queries, keys]` without its padding, by sequence.
    fn read_attention(
        &self,
        buffer: &Buffer,
        queries: &Batch,
        keys: &Batch,
    ) -> Result<Vec<Vec<f32>>> {
        let heads = self.config.num_heads;
        let all = self.gpu.read(buffer, queries.rows() * heads * keys.width)?;
        let sequences = all.chunks_exact(heads * queries.width * keys.width);
        Ok(sequences
            .zip(queries.lengths.iter().zip(&keys.lengths))
            .map(|(weights, (queries_length, keys_length))| {
                let heads = weights.chunks_exact(queries.width * keys.width);
                heads
                    .flat_map(|head| head.chunks_exact(keys.width).take(*queries_length))
                    .flat_map(|row| &row[..*keys_length])
                    .copied()
                    .collect()
            })
            .collect())
    }

    /// A layer norm of this model by its gain.
    pub(super) fn norm<'a>(&self, gain: &'a Buffer) -> Norm<'a> {
        Norm {
            gain,
            width: self.config.d_model,
            eps: self.config.layer_norm_epsilon,
        }
    }

    /// A linear layer of this model from `x` to `out`, whose rows are as wide as the layer's output.
    pub(super) fn linear(
        &self,
        x: &Buffer,
        norm: Option<&Buffer>,
        weights: &Matrix,
        out: &Buffer,
        epilogue: Epilogue,
    ) -> Linear {
        let out_width = if matches!(epilogue, Epilogue::Gate(_)) {
            weights.rows() / 2
        } else {
            weights.rows()
        };
        let norm = norm.map(|gain| self.norm(gain));
        Linear::new(
            &self.gpu,
            &LinearArgs {
                x,
                norm,
                weights,
                out,
                out_width,
                epilogue,
                scale: 1.0,
            },
        )
    }

    /// The head over decoder states: `x` before the final norm, or after it where `normed`.
    pub(super) fn head(&self, x: &Buffer, normed: bool, logits: &Buffer) -> Linear {
        let d_model = self.config.d_model as f32;
        Linear::new(
            &self.gpu,
            &LinearArgs {
                x,
                norm: (!normed).then(|| self.norm(&self.weights.decoder.final_norm)),
                weights: self
                    .weights
                    .lm_head
                    .as_ref()
                    .unwrap_or(&self.weights.shared),
                out: logits,
                out_width: self.config.vocab_size,
                epilogue: Epilogue::Store,
                scale: if self.config.scale_decoder_outputs {
                    d_model.powf(-0.5)
                } else {
                    1.0
                },
            },
        )
    }

    /// Rejects ids beyond the embedding, which a kernel would read out of bounds.
    pub(super) fn check_tokens(&self, ids: impl IntoIterator<Item = u32>) -> Result<()> {
        let vocab_size = self.config.vocab_size;
        match ids.into_iter().find(|id| *id as usize >= vocab_size) {
            Some(id) => Err(Error::TokenOutOfRange { id, vocab_size }),
            None => Ok(()),
        }
    }
}

impl StackRun<'_> {
    fn linear(&mut self, linear: &Linear) {
        linear.record(&self.model.gpu, self.batch.rows(), self.plan);
    }

    /// Copies the residual stream aside where hidden states are wanted.
    fn trace_hidden(&mut self) -> Result<()> {
        if self.options.trace.hidden_states {
            let copy = self.model.gpu.buffer("a hidden state", self.x.size())?;
            self.plan.push_copy(self.x, &copy);
            self.trace.hidden_states.push(copy);
        }
        Ok(())
    }

    fn self_attention(&mut self, stack: &Stack, index: usize) -> Result<()> {
        let (model, inner) = (self.model, self.model.dims.inner);
        let attention = &stack.blocks[index].self_attention;
        let masked = model.head_mask(self.options.head_mask, index)?;
        let weights = self.trace_attention(self.batch.width)?;
        self.linear(&model.linear(
            self.x,
            Some(&attention.norm),
            &attention.qkv,
            &self.qkv,
            Epilogue::Store,
        ));
        let args = AttentionArgs {
            q: &self.qkv,
            q_width: 3 * inner,
            kv: &self.qkv,
            kv_width: 3 * inner,
            k_offset: inner,
            v_offset: 2 * inner,
            bias: Some(stack.bias(index)),
            max_distance: model.config.relative_attention_max_distance,
            mask: &self.batch.mask,
            causal: self.options.causal,
            heads: model.config.num_heads,
            head_width: model.dims.d_kv,
            head_scale: masked.as_ref().unwrap_or(&model.weights.ones),
            out: &self.attended,
            weights: weights.as_ref(),
        };
        let batch = self.batch;
        Attention::new(&model.gpu, &args).record(
            &model.gpu,
            batch.lengths.len(),
            batch.width,
            batch.width,
            self.plan,
        );
        self.trace.attentions.extend(weights);
        self.linear(&model.linear(&self.attended, None, &attention.o, self.x, Epilogue::Add));
        Ok(())
    }

    fn cross_attention(
        &mut self,
        attention: &CrossAttention,
        cross: &CrossInput<'_>,
        index: usize,
    ) -> Result<()> {
        let (model, inner) = (self.model, self.model.dims.inner);
        let masked = model.head_mask(cross.head_mask, index)?;
        let weights = self.trace_attention(cross.source.width)?;
        // The front of the qkv buffer serves for the queries alone.
        self.linear(&model.linear(
            self.x,
            Some(&attention.norm),
            &attention.q,
            &self.qkv,
            Epilogue::Store,
        ));
        let args = AttentionArgs {
            q: &self.qkv,
            q_width: inner,
            kv: &cross.keys_values[index],
            kv_width: 2 * inner,
            k_offset: 0,
            v_offset: inner,
            bias: None,
            max_distance: 0,
            mask: &cross.source.mask,
            causal: false,
            heads: model.config.num_heads,
            head_width: model.dims.d_kv,
            head_scale: masked.as_ref().unwrap_or(&model.weights.ones),
            out: &self.attended,
            weights: weights.as_ref(),
        };
        let batch = self.batch;
        Attention::new(&model.gpu, &args).record(
            &model.gpu,
            batch.lengths.len(),
            batch.width,
            cross.source.width,
            self.plan,
        );
        self.trace.cross_attentions.extend(weights);
        self.linear(&model.linear(&self.attended, None, &attention.o, self.x, Epilogue::Add));
        Ok(())
    }

    fn feed_forward(&mut self, layer: &FeedForward) {
        let model = self.model;
        self.linear(&model.linear(
            self.x,
            Some(&layer.norm),
            &layer.wi,
            &self.inner_layer,
            layer.epilogue,
        ));
        self.linear(&model.linear(&self.inner_layer, None, &layer.wo, self.x, Epilogue::Add));
    }

    /// Room for a layer's attention weights, where they are wanted.
    fn trace_attention(&self, keys: usize) -> Result<Option<Buffer>> {
        if !self.options.trace.attentions {
            return Ok(None);
        }
        let elements = self.batch.rows() * self.model.config.num_heads * keys;
        self.model
            .gpu
            .buffer("attention weights", elements as u64 * 4)
            .map(Some)
    }
}

//! A stack over whole padded batches: the encoder, and the decoder when it is fed whole targets.

use super::Model;
use super::batch::Batch;
use super::trace::{TraceBuffers, TraceOptions};
use super::weights::{CrossAttention, FeedForward, Stack};
use crate::gpu::{Buffer, Plan, Texels};
use crate::ops::{Attention, AttentionArgs, Epilogue, Linear, Matrix, RmsNorm, Staged};
use crate::{Error, Result};

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
    pub keys_values: &'a [Texels],
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
    x: &'a Texels,
    /// `[rows, 3 * inner]`
    qkv: Texels,
    /// `[rows, inner]`
    attended: Texels,
    /// `[rows, d_ff]`
    inner_layer: Texels,
    scratch: Option<Staged>,
    plan: &'a mut Plan,
    trace: TraceBuffers,
}

impl Model {
    /// Records the stack over `x`, the residual stream; returns its output after the final norm, and the trace.
    pub(super) fn record_stack(
        &self,
        stack: &Stack,
        batch: &Batch,
        x: &Texels,
        options: &StackOptions<'_>,
        plan: &mut Plan,
    ) -> Result<(Texels, TraceBuffers)> {
        let gpu = &self.gpu;
        let rows = batch.rows();
        let texels = |label, width: usize| gpu.texels(label, (rows * width * 4) as u64);
        let mut run = StackRun {
            model: self,
            batch,
            options,
            x,
            qkv: texels("queries, keys and values", 3 * self.dims.inner)?,
            attended: texels("attention output", self.dims.inner)?,
            inner_layer: texels("the feed-forward's inner layer", self.dims.d_ff)?,
            scratch: self.scratch(rows)?,
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
        let hidden = texels("the last hidden state", self.dims.d_model)?;
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
}

/// What an attention layer attends to.
struct Keys<'a> {
    batch: &'a Batch,
    /// Where keys and values lie, if not in the projection of the queries' own input.
    kv: Option<&'a Texels>,
    /// Floats from one key to the next.
    kv_width: usize,
    /// Where a row's keys begin; its values follow them.
    k_offset: usize,
    bias: Option<&'a Buffer>,
    causal: bool,
    head_mask: Option<Buffer>,
}

impl StackRun<'_> {
    fn record(&mut self, linear: &Linear) {
        linear.record(&self.model.gpu, self.batch.rows(), self.plan);
    }

    /// Copies the residual stream aside where hidden states are wanted.
    fn trace_hidden(&mut self) -> Result<()> {
        if self.options.trace.hidden_states {
            let copy = self.model.gpu.texels("a hidden state", self.x.size())?;
            self.plan.push_copy(self.x, &copy);
            self.trace.hidden_states.push(copy);
        }
        Ok(())
    }

    fn self_attention(&mut self, stack: &Stack, index: usize) -> Result<()> {
        let layer = &stack.blocks[index].self_attention;
        let inner = self.model.dims.inner;
        let keys = Keys {
            batch: self.batch,
            kv: None,
            kv_width: 3 * inner,
            k_offset: inner,
            bias: Some(stack.bias(index)),
            causal: self.options.causal,
            head_mask: self.model.head_mask(self.options.head_mask, index)?,
        };
        let weights = self.attention(&layer.norm, &layer.qkv, &keys, &layer.o)?;
        self.trace.attentions.extend(weights);
        Ok(())
    }

    fn cross_attention(
        &mut self,
        layer: &CrossAttention,
        cross: &CrossInput<'_>,
        index: usize,
    ) -> Result<()> {
        let keys = Keys {
            batch: cross.source,
            kv: Some(&cross.keys_values[index]),
            kv_width: 2 * self.model.dims.inner,
            k_offset: 0,
            bias: None,
            causal: false,
            head_mask: self.model.head_mask(cross.head_mask, index)?,
        };
        let weights = self.attention(&layer.norm, &layer.q, &keys, &layer.o)?;
        self.trace.cross_attentions.extend(weights);
        Ok(())
    }

    /// Norm, projection (of queries alone, or of queries, keys and values), attention, output added to the residual
    /// stream. Returns the attention weights where they are wanted.
    fn attention(
        &mut self,
        norm: &Texels,
        projection: &Matrix,
        keys: &Keys<'_>,
        output: &Matrix,
    ) -> Result<Option<Buffer>> {
        let (model, inner, batch) = (self.model, self.model.dims.inner, self.batch);
        let weights = self.trace_attention(keys.batch.width)?;
        let scratch = self.scratch.as_ref();
        let projected = model.projection(
            self.x,
            norm,
            projection,
            &self.qkv,
            Epilogue::Store,
            scratch,
        );
        let args = AttentionArgs {
            q: &self.qkv,
            q_width: projection.rows(),
            kv: keys.kv.unwrap_or(&self.qkv),
            kv_width: keys.kv_width,
            k_offset: keys.k_offset,
            v_offset: keys.k_offset + inner,
            bias: keys.bias,
            max_distance: model.config.relative_attention_max_distance,
            mask: &keys.batch.mask,
            causal: keys.causal,
            heads: model.config.num_heads,
            head_width: model.dims.d_kv,
            head_scale: keys.head_mask.as_ref().unwrap_or(&model.weights.ones),
            out: &self.attended,
            weights: weights.as_ref(),
        };
        let attention = Attention::new(&model.gpu, &args);
        let added = model.addition(&self.attended, output, self.x, scratch);
        self.record(&projected);
        attention.record(
            &model.gpu,
            batch.lengths.len(),
            batch.width,
            keys.batch.width,
            self.plan,
        );
        self.record(&added);
        Ok(weights)
    }

    fn feed_forward(&mut self, layer: &FeedForward) {
        let model = self.model;
        let scratch = self.scratch.as_ref();
        let wi = model.projection(
            self.x,
            &layer.norm,
            &layer.wi,
            &self.inner_layer,
            layer.epilogue,
            scratch,
        );
        let wo = model.addition(&self.inner_layer, &layer.wo, self.x, scratch);
        self.record(&wi);
        self.record(&wo);
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

//! The decoder: one token a row and step, as one compute pass over prepared ops.

use super::greedy::Greedy;
use super::kv_cache::KvCache;
use super::sources::Sources;
use super::weights::DecoderWeights;
use super::{DeviceSelection, Encoded, Model};
use crate::generate::softmax::is_finite;
use crate::generate::{Ranking, StepDecoder, StepRow};
use crate::gpu::{Buffer, Plan, Readback, Texels};
use crate::ops::{
    Argmax, CachedAttention, CachedAttentionArgs, CachedKind, Embed, Epilogue, Linear, Staged, TopK,
};
use crate::{Error, Result};

/// Decodes from encoded sources. Cross-attention keys and values are computed when it is made; each step then runs a
/// plan that is recorded when the number of rows changes and kept otherwise.
pub struct Decoder<'a> {
    model: &'a Model,
    sources: Sources,
    cache: KvCache,
    activations: Activations,
    ops: Ops,
    plan: Plan,
    /// What `plan` is for.
    planned: Option<Planned>,
    greedy: Greedy,
    /// Candidates a row at most.
    candidates: usize,
    /// The way back of logits or candidates.
    readback: Readback,
    row_data: Vec<[u32; 4]>,
}

/// The shape of a step.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Planned {
    rows: usize,
    end: End,
}

/// How a step ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// With logits.
    Logits,
    /// With so many of each row's best tokens.
    Ranking(usize),
    /// With the likeliest tokens being fed to the next step.
    Argmax,
}

/// The buffers of a step, a row a hypothesis.
struct Activations {
    /// `{token, position, slot, source}`
    rows: Buffer,
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
    logits: Buffer,
    /// `[rows, best_width]`, the best of every few logits
    best: Buffer,
    /// `[rows, 2 + 2 * candidates]` u32
    ranking: Buffer,
    /// Staged inputs, where layers take such
    scratch: Option<Staged>,
}

/// A step's ops, in order.
struct Ops {
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
    cross_output: Linear,
    wi: Linear,
    wo: Linear,
}

impl Model {
    /// A decoder over all of `encoded`, with room for `slots` hypotheses.
    ///
    /// # Errors
    /// [`Error::NoDecoder`], [`Error::TooLarge`], [`Error::Gpu`].
    pub fn decoder<'a>(&'a self, encoded: &'a Encoded<'a>, slots: usize) -> Result<Decoder<'a>> {
        self.decoder_with(encoded, slots, self.device_selection())
    }

    /// [`Model::decoder`] that leaves so much of choosing tokens to the device, in place of what suits it.
    ///
    /// # Errors
    /// As [`Model::decoder`].
    pub fn decoder_with<'a>(
        &'a self,
        encoded: &'a Encoded<'a>,
        slots: usize,
        selection: DeviceSelection,
    ) -> Result<Decoder<'a>> {
        let sources = Sources::of(self, encoded)?;
        self.decoder_of(sources, slots, selection)
    }

    /// A decoder with empty places for sources of up to `width` tokens, which enter by [`StepDecoder::enter`].
    ///
    /// # Errors
    /// As [`Model::decoder`].
    pub fn empty_decoder(
        &self,
        places: usize,
        width: usize,
        slots: usize,
        selection: DeviceSelection,
    ) -> Result<Decoder<'_>> {
        let sources = Sources::empty(self, places, width)?;
        self.decoder_of(sources, slots, selection)
    }

    fn decoder_of(
        &self,
        sources: Sources,
        slots: usize,
        selection: DeviceSelection,
    ) -> Result<Decoder<'_>> {
        let slots = slots.max(1);
        let gpu = &self.gpu;
        let decoder = self.decoder_weights()?;
        let cache = KvCache::new(gpu, self.config.num_decoder_layers, slots, self.dims.inner)?;
        let candidates = selection.candidates.min(self.config.vocab_size);
        let buffer = |label, width: usize| gpu.buffer(label, (slots * width * 4) as u64);
        let texels = |label, width: usize| gpu.texels(label, (slots * width * 4) as u64);
        let activations = Activations {
            rows: buffer("decoder rows", 4)?,
            x: texels("decoder states", self.dims.d_model)?,
            qkv: texels("decoder queries, keys and values", 3 * self.dims.inner)?,
            q: texels("decoder cross-attention queries", self.dims.inner)?,
            attended: texels("decoder attention", self.dims.inner)?,
            inner_layer: texels("decoder feed-forward", self.dims.d_ff)?,
            logits: buffer("logits", self.config.vocab_size)?,
            best: buffer("best logits", self.best_width(decoder))?,
            ranking: buffer("candidates", Ranking::width(candidates))?,
            scratch: self.scratch(slots)?,
        };
        let greedy = Greedy::new(gpu, slots, selection.greedy_steps)?;
        let ops = Ops::new(self, decoder, &sources, &cache, &activations, &greedy);
        Ok(Decoder {
            model: self,
            sources,
            cache,
            activations,
            ops,
            plan: Plan::default(),
            planned: None,
            greedy,
            candidates,
            readback: gpu
                .readback(slots * self.config.vocab_size.max(Ranking::width(candidates)))?,
            row_data: Vec::with_capacity(slots),
        })
    }
}

impl Ops {
    fn new(
        model: &Model,
        decoder: &DecoderWeights,
        sources: &Sources,
        cache: &KvCache,
        activations: &Activations,
        greedy: &Greedy,
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
        let blocks = stack.blocks.iter().enumerate().map(|(index, block)| {
            let own = &block.self_attention;
            let source = block.cross_attention();
            let feed_forward = &block.feed_forward;
            let own_kind = CachedKind::Own {
                cache: &cache.layers[index],
                history: &cache.history,
                slots: cache.slots,
                capacity: cache.capacity,
                bias: stack.bias(index),
                max_distance: model.config.relative_attention_max_distance,
            };
            let source_kind = CachedKind::Source {
                kv: &sources.keys_values[index],
                mask: &sources.mask,
                sources: sources.places,
                keys: sources.width,
            };
            BlockOps {
                qkv: projection(&own.norm, &own.qkv, qkv, Epilogue::Store),
                self_attention: attention(qkv, own_kind),
                self_output: addition(attended, &own.o),
                q: projection(&source.norm, &source.q, q, Epilogue::Store),
                cross_attention: attention(q, source_kind),
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

    fn record(&self, model: &Model, planned: Planned, plan: &mut Plan) {
        let (gpu, rows) = (&model.gpu, planned.rows);
        self.embed.record(gpu, rows, plan);
        for block in &self.blocks {
            block.qkv.record(gpu, rows, plan);
            block.self_attention.record(gpu, rows, plan);
            block.self_output.record(gpu, rows, plan);
            block.q.record(gpu, rows, plan);
            block.cross_attention.record(gpu, rows, plan);
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

impl Decoder<'_> {
    /// Kernels read where rows point, so that must lie inside the buffers.
    fn check(&self, rows: &[StepRow]) -> Result<()> {
        let slots = self.cache.slots;
        if rows.len() > slots {
            return Err(Error::Invalid(format!(
                "{} rows in a step, room for {slots}",
                rows.len()
            )));
        }
        self.model.check_tokens(rows.iter().map(|row| row.token))?;
        for row in rows {
            if row.slot as usize >= slots || row.parent as usize >= slots && row.position > 0 {
                return Err(Error::Invalid(format!(
                    "slot {} of {slots}",
                    row.slot.max(row.parent)
                )));
            }
            if row.source as usize >= self.sources.places {
                return Err(Error::Invalid(format!(
                    "source {} of {}",
                    row.source, self.sources.places
                )));
            }
        }
        Ok(())
    }

    /// Makes room in the cache for so many positions.
    fn reserve(&mut self, positions: usize) -> Result<()> {
        if self.cache.reserve(&self.model.gpu, positions)? {
            self.ops = Ops::new(
                self.model,
                self.model.decoder_weights()?,
                &self.sources,
                &self.cache,
                &self.activations,
                &self.greedy,
            );
            self.planned = None;
        }
        Ok(())
    }

    /// Puts rows on the GPU that will go `steps` steps, in place of those that were there.
    fn prepare(&mut self, rows: &[StepRow], steps: usize) -> Result<()> {
        self.check(rows)?;
        self.greedy.clear();
        let positions = rows.iter().map(|row| row.position as usize + steps).max();
        self.reserve(positions.unwrap_or(0))?;
        let gpu = &self.model.gpu;
        self.cache.advance(gpu, rows);
        self.row_data.clear();
        self.row_data.extend(
            rows.iter()
                .map(|row| [row.token, row.position, row.slot, row.source]),
        );
        gpu.write(&self.activations.rows, 0, &self.row_data);
        Ok(())
    }

    /// Makes `plan` one for such a step.
    fn plan_for(&mut self, planned: Planned) {
        if self.planned != Some(planned) {
            self.plan.clear();
            self.ops.record(self.model, planned, &mut self.plan);
            self.planned = Some(planned);
        }
    }

    /// One step and what it ends with, logits or a ranking, back to the host.
    fn run(&mut self, rows: &[StepRow], end: End) -> Result<()> {
        self.prepare(rows, 1)?;
        let planned = Planned {
            rows: rows.len(),
            end,
        };
        self.plan_for(planned);
        let (result, width) = match end {
            End::Ranking(count) => (&self.activations.ranking, Ranking::width(count)),
            _ => (&self.activations.logits, self.model.config.vocab_size),
        };
        let back = (result, rows.len() * width, &mut self.readback);
        self.model.gpu.run(&self.plan, Some(back))
    }

    fn submit_greedy(&mut self, steps: usize) -> Result<()> {
        let rows = self.greedy.rows();
        self.plan_for(Planned {
            rows,
            end: End::Argmax,
        });
        self.greedy.submit(&self.model.gpu, &self.plan, steps)
    }
}

impl StepDecoder for Decoder<'_> {
    fn vocab_size(&self) -> usize {
        self.model.config.vocab_size
    }

    fn step(&mut self, rows: &[StepRow]) -> Result<&[f32]> {
        self.run(rows, End::Logits)?;
        let logits = self.readback.floats();
        match is_finite(logits) {
            true => Ok(logits),
            false => Err(Error::NotFinite { what: "the logits" }),
        }
    }

    fn ranks(&self) -> usize {
        self.candidates
    }

    fn step_ranked(&mut self, rows: &[StepRow], count: usize) -> Result<Ranking<'_>> {
        if !(1..=self.candidates).contains(&count) {
            return Err(Error::Invalid(format!(
                "{count} candidates a row, room for {}",
                self.candidates
            )));
        }
        self.run(rows, End::Ranking(count))?;
        Ok(Ranking::new(self.readback.words(), count))
    }

    fn enter(&mut self, places: &[u32], sources: &[&[u32]]) -> Result<()> {
        let sources: Vec<Vec<u32>> = sources.iter().map(|source| source.to_vec()).collect();
        let encoded = self.model.encode(&sources)?;
        self.sources.replace(self.model, places, &encoded)
    }

    fn greedy_steps(&self) -> usize {
        self.greedy.steps
    }

    fn start_greedy(&mut self, rows: &[StepRow], steps: usize) -> Result<()> {
        self.prepare(rows, steps)?;
        self.greedy.begin(rows);
        self.submit_greedy(steps)
    }

    fn continue_greedy(&mut self, steps: usize) -> Result<()> {
        self.reserve(self.greedy.furthest() + steps)?;
        self.submit_greedy(steps)
    }

    fn finish_greedy(&mut self, tokens: &mut Vec<u32>) -> Result<()> {
        self.greedy.finish(&self.model.gpu, tokens)
    }
}

//! The decoder one token at a time, with a key/value history a slot.

use std::collections::HashMap;

use super::Reference;
use super::layers::View;
use super::model::DecoderWeights;
use crate::generate::{StepDecoder, StepRow};
use crate::{Error, Result};

/// [`Reference`]'s decoder as a [`StepDecoder`].
pub struct ReferenceDecoder<'a> {
    model: &'a Reference,
    decoder: &'a DecoderWeights,
    /// Cross-attention keys and values by source and layer.
    sources: Vec<Vec<KeysValues>>,
    /// Self-attention keys and values by slot.
    slots: HashMap<u32, History>,
    logits: Vec<f32>,
}

#[derive(Clone, Default)]
struct KeysValues {
    k: Vec<f32>,
    v: Vec<f32>,
}

#[derive(Clone)]
struct History {
    source: u32,
    layers: Vec<KeysValues>,
}

impl<'a> ReferenceDecoder<'a> {
    pub(super) fn new(
        model: &'a Reference,
        decoder: &'a DecoderWeights,
        sources: &[Vec<f32>],
    ) -> Self {
        let keys_values = |hidden: &Vec<f32>| {
            let blocks = decoder.stack.blocks.iter();
            blocks
                .map(|block| {
                    let cross = block
                        .cross_attention
                        .as_ref()
                        .expect("decoder blocks have one");
                    let (k, v) = cross.keys_values(hidden);
                    KeysValues { k, v }
                })
                .collect()
        };
        ReferenceDecoder {
            model,
            decoder,
            sources: sources.iter().map(keys_values).collect(),
            slots: HashMap::new(),
            logits: Vec::new(),
        }
    }

    /// The history that the row continues: a copy of its parent's first `position` entries.
    fn history(&self, row: &StepRow) -> Result<History> {
        let invalid = |what: &str| Err(Error::Invalid(format!("decoder step {row:?}: {what}")));
        if row.source as usize >= self.sources.len() {
            return invalid("no such source");
        }
        if row.position == 0 {
            return Ok(History {
                source: row.source,
                layers: vec![KeysValues::default(); self.decoder.stack.blocks.len()],
            });
        }
        let Some(parent) = self.slots.get(&row.parent) else {
            return invalid("the parent slot is empty");
        };
        if parent.source != row.source {
            return invalid("the parent slot belongs to another source");
        }
        let length = row.position as usize * self.model.config.inner_dim();
        if parent.layers[0].k.len() < length {
            return invalid("the parent slot's history is shorter than the position");
        }
        let mut history = parent.clone();
        for layer in &mut history.layers {
            layer.k.truncate(length);
            layer.v.truncate(length);
        }
        Ok(history)
    }

    /// Feeds the row's token after `history`, which grows by it; returns the logits.
    fn extend(&self, row: &StepRow, history: &mut History) -> Result<Vec<f32>> {
        let (model, DecoderWeights { stack, lm_head }) = (self.model, self.decoder);
        let mut x = model.embeddings(stack, &[row.token], None)?;
        let sources = &self.sources[row.source as usize];
        for ((block, own), source) in stack.blocks.iter().zip(&mut history.layers).zip(sources) {
            let normed = block.self_attention.norm(&x);
            let (k, v) = block.self_attention.keys_values(&normed);
            own.k.extend(k);
            own.v.extend(v);
            let view = View {
                causal: true,
                query_offset: row.position as usize,
                ..View::default()
            };
            block
                .self_attention
                .attend(&mut x, &normed, &own.k, &own.v, view);

            let cross = block
                .cross_attention
                .as_ref()
                .expect("decoder blocks have one");
            let normed = cross.norm(&x);
            cross.attend(&mut x, &normed, &source.k, &source.v, View::default());
            block.feed_forward.apply(&mut x);
        }
        Ok(model.logits(lm_head, &stack.final_layer_norm.apply(&x)))
    }
}

impl StepDecoder for ReferenceDecoder<'_> {
    fn vocab_size(&self) -> usize {
        self.model.config.vocab_size
    }

    fn step(&mut self, rows: &[StepRow]) -> Result<&[f32]> {
        // All parents are read before any slot changes.
        let histories = rows.iter().map(|row| self.history(row));
        let mut histories = histories.collect::<Result<Vec<_>>>()?;
        let mut logits = Vec::with_capacity(rows.len() * self.vocab_size());
        for (row, history) in rows.iter().zip(&mut histories) {
            logits.extend(self.extend(row, history)?);
        }
        self.slots
            .extend(rows.iter().map(|row| row.slot).zip(histories));
        self.logits = logits;
        Ok(&self.logits)
    }
}

//! What cross-attention reads: the keys and values of encoded sources.

use std::sync::Arc;

use super::{Encoded, Model};
use crate::gpu::{Buffer, Plan, TEXEL_BYTES, Texels};
use crate::ops::Epilogue;
use crate::{Error, Result};

/// Sources, each in a place of its own, that are decoded together.
pub(super) struct Sources {
    /// `[places, width, 2 * inner]` a decoder layer
    pub keys_values: Vec<Texels>,
    /// `[places, width]` u32, 0 where a key is hidden
    pub mask: Arc<Buffer>,
    pub places: usize,
    /// Positions a place.
    pub width: usize,
}

impl Sources {
    /// All of `encoded`, in its order.
    pub fn of(model: &Model, encoded: &Encoded<'_>) -> Result<Sources> {
        Ok(Sources {
            keys_values: model.cross_keys_values(encoded)?,
            mask: encoded.batch.mask.clone(),
            places: encoded.len(),
            width: encoded.batch.width,
        })
    }

    /// Empty places for sources of up to `width` tokens.
    pub fn empty(model: &Model, places: usize, width: usize) -> Result<Sources> {
        let rows = places * width;
        let keys_values = (0..model.config.num_decoder_layers)
            .map(|_| model.room_for_keys_values(rows))
            .collect::<Result<_>>()?;
        let mask = model.gpu.buffer("the attention mask", rows as u64 * 4)?;
        Ok(Sources {
            keys_values,
            mask: Arc::new(mask),
            places,
            width,
        })
    }

    /// Puts what is encoded into these places, in order, instead of what was there.
    pub fn replace(&self, model: &Model, places: &[u32], encoded: &Encoded<'_>) -> Result<()> {
        let batch = &encoded.batch;
        let fits = places.len() == encoded.len()
            && batch.width <= self.width
            && places.iter().all(|&place| (place as usize) < self.places);
        if !fits {
            return Err(Error::Invalid(format!(
                "{} sources of up to {} tokens for the places {places:?} of {}, {} tokens wide",
                encoded.len(),
                batch.width,
                self.places,
                self.width
            )));
        }
        for (&place, &length) in places.iter().zip(&batch.lengths) {
            let mut keys = vec![0u32; self.width];
            keys[..length].fill(1);
            let offset = place as usize * self.width * 4;
            model.gpu.write(&self.mask, offset as u64, &keys);
        }
        let new = model.cross_keys_values(encoded)?;
        let position = 2 * model.dims.inner as u64 * 4 / TEXEL_BYTES;
        let parts = new.iter().zip(&self.keys_values).flat_map(|(from, to)| {
            (0u64..).zip(places).map(move |(row, &place)| {
                let texels = batch.width as u64 * position;
                let to_first = u64::from(place) * self.width as u64 * position;
                (from, row * texels, to, to_first, texels)
            })
        });
        model.gpu.copy_texels(parts)
    }
}

impl Model {
    fn room_for_keys_values(&self, rows: usize) -> Result<Texels> {
        let bytes = rows * 2 * self.dims.inner * 4;
        self.gpu
            .texels("cross-attention keys and values", bytes as u64)
    }

    /// Every decoder layer's keys and values of the sources.
    pub(super) fn cross_keys_values(&self, encoded: &Encoded<'_>) -> Result<Vec<Texels>> {
        let rows = encoded.batch.rows();
        let scratch = self.scratch(rows)?;
        let mut plan = Plan::default();
        let mut keys_values = Vec::new();
        for block in &self.decoder_weights()?.stack.blocks {
            let out = self.room_for_keys_values(rows)?;
            self.linear(
                &encoded.hidden,
                None,
                &block.cross_attention().kv,
                (&out).into(),
                Epilogue::Store,
                scratch.as_ref(),
            )
            .record(&self.gpu, rows, &mut plan);
            keys_values.push(out);
        }
        self.gpu.run(&plan, None)?;
        Ok(keys_values)
    }
}

//! Sequences side by side, as stacks over whole batches take them.

use super::Model;
use super::weights::Stack;
use crate::gpu::{Buffer, Plan, Texels};
use crate::ops::Embed;
use crate::{Error, Result};

/// Sequences side by side, padded to the longest.
pub(super) struct Batch {
    pub lengths: Vec<usize>,
    /// Positions a sequence.
    pub width: usize,
    /// `[batch, width]`, 0 where a key is hidden.
    pub keys: Vec<u32>,
    /// The same, on the GPU.
    pub mask: Buffer,
}

impl Batch {
    /// Rows of every activation, padding included.
    pub fn rows(&self) -> usize {
        self.lengths.len() * self.width
    }
}

impl Model {
    /// Puts sequences side by side and their embeddings (those given, or else the stack's of the ids) into the residual
    /// stream.
    pub(super) fn batch(
        &self,
        stack: &Stack,
        ids: &[Vec<u32>],
        embeds: Option<&[Vec<f32>]>,
        mask: Option<&[Vec<bool>]>,
        plan: &mut Plan,
    ) -> Result<(Batch, Texels)> {
        let (gpu, d_model, padded) = (&self.gpu, self.config.d_model, self.dims.d_model);
        let lengths: Vec<usize> = match embeds {
            Some(embeds)
                if embeds
                    .iter()
                    .any(|states| !states.len().is_multiple_of(d_model)) =>
            {
                return Err(Error::Invalid(format!(
                    "embeddings must be rows of d_model = {d_model}"
                )));
            }
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
            keys,
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
                let x = gpu.texels("hidden states", bytes)?;
                Embed::new(gpu, &flat, 1, &stack.embed_tokens, &x).record(gpu, batch.rows(), plan);
                x
            }
            Some(embeds) => gpu.texels_filled("hidden states", bytes, |write| {
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
}

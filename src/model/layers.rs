//! The model's linear layers and norms as ops, and the check of what goes into them.

use super::Model;
use super::weights::DecoderWeights;
use crate::gpu::{Buffer, Resource, Texels};
use crate::ops::{Epilogue, Linear, LinearArgs, Matrix, Norm, Staged};
use crate::{Error, Result};

impl Model {
    /// A layer norm of this model by its gain.
    pub(super) fn norm<'a>(&self, gain: &'a Texels) -> Norm<'a> {
        Norm {
            gain,
            width: self.config.d_model,
            eps: self.config.layer_norm_epsilon,
        }
    }

    /// Room for `rows` staged inputs of any layer, where layers take such.
    pub(super) fn scratch(&self, rows: usize) -> Result<Option<Staged>> {
        let width = self.dims.d_model.max(self.dims.inner).max(self.dims.d_ff);
        Staged::needed(self.gpu.target(), self.dtype)
            .then(|| Staged::new(&self.gpu, rows, width, self.dtype))
            .transpose()
    }

    /// A linear layer of this model from `x` to `out`, whose rows are as wide as the layer's output.
    pub(super) fn linear(
        &self,
        x: &Texels,
        norm: Option<&Texels>,
        weights: &Matrix,
        out: Resource<'_>,
        epilogue: Epilogue,
        scratch: Option<&Staged>,
    ) -> Linear {
        let gated = matches!(epilogue, Epilogue::Gate(_));
        let args = LinearArgs {
            x,
            norm: norm.map(|gain| self.norm(gain)),
            weights,
            out,
            out_width: if gated {
                weights.rows() / 2
            } else {
                weights.rows()
            },
            epilogue,
            scale: 1.0,
            scratch,
        };
        Linear::new(&self.gpu, &args)
    }

    /// The layer that makes `out` of the residual stream `x`, normalised.
    pub(super) fn projection(
        &self,
        x: &Texels,
        norm: &Texels,
        weights: &Matrix,
        out: &Texels,
        epilogue: Epilogue,
        scratch: Option<&Staged>,
    ) -> Linear {
        self.linear(x, Some(norm), weights, out.into(), epilogue, scratch)
    }

    /// The layer that adds what it makes of `input` to the residual stream `x`.
    pub(super) fn addition(
        &self,
        input: &Texels,
        weights: &Matrix,
        x: &Texels,
        scratch: Option<&Staged>,
    ) -> Linear {
        self.linear(input, None, weights, x.into(), Epilogue::Add, scratch)
    }

    /// The head over decoder states: `x` before the final norm, or after it where `normed`.
    pub(super) fn head(
        &self,
        decoder: &DecoderWeights,
        x: &Texels,
        normed: bool,
        logits: &Buffer,
        scratch: Option<&Staged>,
    ) -> Linear {
        self.head_with(decoder, x, normed, logits, Epilogue::Store, scratch)
    }

    /// The head over decoder states before the final norm, of whose logits only the best of every few are kept: `best` is
    /// `[rows, best_width]`.
    pub(super) fn greedy_head(
        &self,
        decoder: &DecoderWeights,
        x: &Texels,
        best: &Buffer,
        scratch: Option<&Staged>,
    ) -> Linear {
        self.head_with(decoder, x, false, best, Epilogue::Best, scratch)
    }

    /// Floats a row of what [`Model::greedy_head`] gives.
    pub(super) fn best_width(&self, decoder: &DecoderWeights) -> usize {
        Linear::best_width(&self.gpu, &decoder.lm_head)
    }

    fn head_with(
        &self,
        decoder: &DecoderWeights,
        x: &Texels,
        normed: bool,
        out: &Buffer,
        epilogue: Epilogue,
        scratch: Option<&Staged>,
    ) -> Linear {
        let d_model = self.config.d_model as f32;
        let args = LinearArgs {
            x,
            norm: (!normed).then(|| self.norm(&decoder.stack.final_norm)),
            weights: &decoder.lm_head,
            out: out.into(),
            out_width: match epilogue {
                Epilogue::Best => self.best_width(decoder),
                _ => self.config.vocab_size,
            },
            epilogue,
            scale: if self.config.scale_decoder_outputs {
                d_model.powf(-0.5)
            } else {
                1.0
            },
            scratch,
        };
        Linear::new(&self.gpu, &args)
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

//! The whole model over one sequence.

use std::sync::Arc;

use super::ReferenceDecoder;
use super::layers::{Stack, View, weight};
use super::linear::Weight;
use crate::checkpoint::Tensor;
use crate::parameters::{Parameters, StackParameters};
use crate::{Error, Result, T5Config};

/// A T5 model with all its parameters in f32, or in int8 as a device has them.
pub struct Reference {
    pub(super) config: T5Config,
    encoder: Stack,
    decoder: Option<DecoderWeights>,
}

/// The decoder's part.
pub(super) struct DecoderWeights {
    pub stack: Stack,
    pub lm_head: Arc<Weight>,
}

/// What the encoder may be told besides its token ids.
#[derive(Clone, Copy, Default)]
pub struct EncodeOptions<'a> {
    /// Embeddings to use in place of the ids', `[tokens, d_model]`.
    pub inputs_embeds: Option<&'a [f32]>,
    /// Whether each token counts as a key.
    pub attention_mask: Option<&'a [bool]>,
    /// A factor on each head's attention weights, `[num_layers, num_heads]`.
    pub head_mask: Option<&'a [f32]>,
}

/// What the decoder may be told besides the encoder's output and its token ids.
#[derive(Clone, Copy, Default)]
pub struct DecodeOptions<'a> {
    /// Embeddings to use in place of the ids', `[tokens, d_model]`.
    pub inputs_embeds: Option<&'a [f32]>,
    /// Whether each source token counts as a key.
    pub encoder_attention_mask: Option<&'a [bool]>,
    /// Whether each target token counts as a key.
    pub attention_mask: Option<&'a [bool]>,
    /// A factor on each self-attention head's weights, `[num_decoder_layers, num_heads]`.
    pub head_mask: Option<&'a [f32]>,
    /// A factor on each cross-attention head's weights, `[num_decoder_layers, num_heads]`.
    pub cross_attn_head_mask: Option<&'a [f32]>,
}

/// Everything the encoder computes.
pub struct Encoded {
    /// The embeddings, then every block's output, the last one after the final norm: `num_layers + 1` times
    /// `[tokens, d_model]`.
    pub hidden_states: Vec<Vec<f32>>,
    /// A layer's `[num_heads, tokens, tokens]`.
    pub attentions: Vec<Vec<f32>>,
}

/// Everything the decoder computes.
pub struct Decoded {
    /// `[tokens, vocab_size]`
    pub logits: Vec<f32>,
    /// As in [`Encoded`].
    pub hidden_states: Vec<Vec<f32>>,
    /// A layer's `[num_heads, tokens, tokens]`.
    pub attentions: Vec<Vec<f32>>,
    /// A layer's `[num_heads, tokens, source tokens]`.
    pub cross_attentions: Vec<Vec<f32>>,
}

impl Reference {
    /// Copies the parameters to f32.
    pub fn new(config: &T5Config, parameters: &Parameters) -> Self {
        Self::with_weights(config, parameters, false)
    }

    /// Quantises the matrices, and in each product its inputs: the integer twin of what int8 kernels compute.
    pub fn int8(config: &T5Config, parameters: &Parameters) -> Self {
        Self::with_weights(config, parameters, true)
    }

    fn with_weights(config: &T5Config, parameters: &Parameters, int8: bool) -> Self {
        let shared = Arc::new(weight(&parameters.shared, int8));
        let table = |own: &Option<Tensor>| match own {
            Some(own) => Arc::new(weight(own, int8)),
            None => shared.clone(),
        };
        let stack = |parameters: &StackParameters, bidirectional| {
            let embed_tokens = table(&parameters.embed_tokens);
            Stack::new(config, parameters, embed_tokens, int8, bidirectional)
        };
        Reference {
            encoder: stack(&parameters.encoder, true),
            decoder: parameters.decoder.as_ref().map(|decoder| DecoderWeights {
                stack: stack(&decoder.stack, false),
                lm_head: table(&decoder.lm_head),
            }),
            config: config.clone(),
        }
    }

    /// The encoder's last hidden state, after the final norm: `[ids.len(), d_model]`.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`].
    pub fn encode(&self, ids: &[u32]) -> Result<Vec<f32>> {
        let mut encoded = self.encode_with(ids, EncodeOptions::default())?;
        Ok(encoded
            .hidden_states
            .pop()
            .expect("a stack has hidden states"))
    }

    /// All of the encoder's hidden states, as transformers' `output_hidden_states` gives them.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`].
    pub fn encode_layers(&self, ids: &[u32]) -> Result<Vec<Vec<f32>>> {
        Ok(self
            .encode_with(ids, EncodeOptions::default())?
            .hidden_states)
    }

    /// The encoder with options, and all that it computes.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`].
    pub fn encode_with(&self, ids: &[u32], options: EncodeOptions) -> Result<Encoded> {
        let mut x = self.embeddings(&self.encoder, ids, options.inputs_embeds)?;
        let mut hidden_states = Vec::new();
        let mut attentions = Vec::new();
        for (layer, block) in self.encoder.blocks.iter().enumerate() {
            hidden_states.push(x.clone());
            let normed = block.self_attention.norm(&x);
            let (k, v) = block.self_attention.keys_values(&normed);
            let view = View {
                key_mask: options.attention_mask,
                head_mask: self.heads(options.head_mask, layer),
                ..View::default()
            };
            attentions.push(block.self_attention.attend(&mut x, &normed, &k, &v, view));
            block.feed_forward.apply(&mut x);
        }
        hidden_states.push(self.encoder.final_layer_norm.apply(&x));
        Ok(Encoded {
            hidden_states,
            attentions,
        })
    }

    /// Teacher forcing: the logits after each of `decoder_ids` (which start with the start token), `[tokens, vocab_size]`.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`].
    pub fn decode(&self, encoder_hidden: &[f32], decoder_ids: &[u32]) -> Result<Vec<f32>> {
        Ok(self
            .decode_with(encoder_hidden, decoder_ids, DecodeOptions::default())?
            .logits)
    }

    /// Teacher forcing with options, and all that the decoder computes.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`].
    pub fn decode_with(
        &self,
        encoder_hidden: &[f32],
        decoder_ids: &[u32],
        options: DecodeOptions,
    ) -> Result<Decoded> {
        let DecoderWeights { stack, lm_head } = self.decoder_weights()?;
        let mut x = self.embeddings(stack, decoder_ids, options.inputs_embeds)?;
        let mut hidden_states = Vec::new();
        let mut attentions = Vec::new();
        let mut cross_attentions = Vec::new();
        for (layer, block) in stack.blocks.iter().enumerate() {
            hidden_states.push(x.clone());
            let normed = block.self_attention.norm(&x);
            let (k, v) = block.self_attention.keys_values(&normed);
            let view = View {
                key_mask: options.attention_mask,
                causal: true,
                head_mask: self.heads(options.head_mask, layer),
                ..View::default()
            };
            attentions.push(block.self_attention.attend(&mut x, &normed, &k, &v, view));

            let cross = block
                .cross_attention
                .as_ref()
                .expect("decoder blocks have one");
            let normed = cross.norm(&x);
            let (k, v) = cross.keys_values(encoder_hidden);
            let view = View {
                key_mask: options.encoder_attention_mask,
                head_mask: self.heads(options.cross_attn_head_mask, layer),
                ..View::default()
            };
            cross_attentions.push(cross.attend(&mut x, &normed, &k, &v, view));
            block.feed_forward.apply(&mut x);
        }
        hidden_states.push(stack.final_layer_norm.apply(&x));
        Ok(Decoded {
            logits: self.logits(lm_head, &hidden_states[hidden_states.len() - 1]),
            hidden_states,
            attentions,
            cross_attentions,
        })
    }

    /// A step-by-step decoder over encoded sources, each `[tokens, d_model]`.
    ///
    /// # Errors
    /// [`Error::NoDecoder`].
    pub fn decoder(&self, sources: &[Vec<f32>]) -> Result<ReferenceDecoder<'_>> {
        Ok(ReferenceDecoder::new(
            self,
            self.decoder_weights()?,
            sources,
        ))
    }

    fn decoder_weights(&self) -> Result<&DecoderWeights> {
        let decoder = self.decoder.as_ref();
        decoder.ok_or_else(|| self.config.no_decoder())
    }

    /// Rows of embedding and head.
    pub fn vocab_size(&self) -> usize {
        self.config.vocab_size
    }

    /// The encoder's embeddings of tokens, `[ids.len(), d_model]`.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`].
    pub fn embed_source(&self, ids: &[u32]) -> Result<Vec<f32>> {
        self.embeddings(&self.encoder, ids, None)
    }

    /// The decoder's embeddings of tokens, `[ids.len(), d_model]`.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`].
    pub fn embed_target(&self, ids: &[u32]) -> Result<Vec<f32>> {
        self.embeddings(&self.decoder_weights()?.stack, ids, None)
    }

    /// The head over the decoder's normed output.
    pub(super) fn logits(&self, head: &Weight, hidden: &[f32]) -> Vec<f32> {
        let d_model = self.config.d_model;
        if self.config.scale_decoder_outputs {
            let scale = (d_model as f32).powf(-0.5);
            let scaled: Vec<f32> = hidden.iter().map(|x| x * scale).collect();
            head.linear(&scaled, d_model)
        } else {
            head.linear(hidden, d_model)
        }
    }

    /// The embeddings given, or else the stack's of the ids.
    pub(super) fn embeddings(
        &self,
        stack: &Stack,
        ids: &[u32],
        given: Option<&[f32]>,
    ) -> Result<Vec<f32>> {
        if let Some(embeds) = given {
            assert!(embeds.len().is_multiple_of(self.config.d_model));
            return Ok(embeds.to_vec());
        }
        let vocab_size = self.config.vocab_size;
        match ids.iter().find(|&&id| id as usize >= vocab_size) {
            Some(&id) => Err(Error::TokenOutOfRange { id, vocab_size }),
            None => Ok(stack.embed_tokens.rows(ids, self.config.d_model)),
        }
    }

    fn heads<'a>(&self, mask: Option<&'a [f32]>, layer: usize) -> Option<&'a [f32]> {
        let heads = self.config.num_heads;
        mask.map(|mask| &mask[layer * heads..][..heads])
    }
}

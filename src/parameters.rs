//! The parameter tree of T5: which tensor of a checkpoint is which part of the model, shapes checked.
//! The GPU model uploads from it, the CPU reference copies from it, `inspect` prints it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::checkpoint::{DType, RandomTensor, RandomWeights, Tensor, TensorSource};
use crate::tensor_names::{BASE_PREFIX, check_plain, instead_of};
use crate::{Error, ModelType, Result, T5Config};

/// Every parameter of a model. Shapes are Hugging Face's: linear weights `[out, in]`.
pub struct Parameters<'a> {
    /// Token embedding, `[vocab_size, d_model]`, of every part that has none of its own: encoder, decoder, head.
    pub shared: Tensor<'a>,
    /// The encoder.
    pub encoder: StackParameters<'a>,
    /// The decoder, unless the checkpoint is an encoder alone.
    pub decoder: Option<DecoderParameters<'a>>,
}

/// The decoder and what turns its states into logits.
pub struct DecoderParameters<'a> {
    /// Its blocks.
    pub stack: StackParameters<'a>,
    /// `[vocab_size, d_model]` where the checkpoint has a head that differs from the shared embedding.
    pub lm_head: Option<Tensor<'a>>,
}

/// Encoder or decoder.
pub struct StackParameters<'a> {
    /// `[vocab_size, d_model]` where the checkpoint has a token embedding of this stack that differs from the shared one.
    pub embed_tokens: Option<Tensor<'a>>,
    /// First to last.
    pub blocks: Vec<BlockParameters<'a>>,
    /// `[d_model]`
    pub final_layer_norm: Tensor<'a>,
}

/// One block: self-attention, in the decoder cross-attention, feed-forward.
pub struct BlockParameters<'a> {
    /// Attention within the sequence.
    pub self_attention: AttentionParameters<'a>,
    /// Attention to the source: the decoder's alone.
    pub cross_attention: Option<AttentionParameters<'a>>,
    /// The feed-forward layer.
    pub feed_forward: FeedForwardParameters<'a>,
}

/// An attention layer with the norm in front of it.
pub struct AttentionParameters<'a> {
    /// `[d_model]`
    pub layer_norm: Tensor<'a>,
    /// `[num_heads * d_kv, d_model]`
    pub q: Tensor<'a>,
    /// `[num_heads * d_kv, d_model]`
    pub k: Tensor<'a>,
    /// `[num_heads * d_kv, d_model]`
    pub v: Tensor<'a>,
    /// `[d_model, num_heads * d_kv]`
    pub o: Tensor<'a>,
    /// `[relative_attention_num_buckets, num_heads]`, where this layer owns a table: layer 0 of a stack, and every
    /// layer in UMT5. Layers without one use the table of their stack's layer 0.
    pub relative_attention_bias: Option<Tensor<'a>>,
}

/// A feed-forward layer with the norm in front of it.
pub struct FeedForwardParameters<'a> {
    /// `[d_model]`
    pub layer_norm: Tensor<'a>,
    /// `wi`, or `wi_0` of a gated feed-forward (the one the activation is applied to): `[d_ff, d_model]`
    pub wi: Tensor<'a>,
    /// `wi_1` of a gated feed-forward: `[d_ff, d_model]`
    pub wi_1: Option<Tensor<'a>>,
    /// `[d_model, d_ff]`
    pub wo: Tensor<'a>,
}

impl<'a> Parameters<'a> {
    /// Finds every parameter that `config` asks for and checks its shape. Tensors that the model does not use are ignored.
    /// Names may begin with `transformer.`, as those of a model that is part of another one do.
    ///
    /// Where a checkpoint has no tensor at all of the decoder, it is an encoder alone, whatever the config says: tools
    /// that cut models down often leave that as it was.
    ///
    /// # Errors
    /// [`crate::Error::MissingTensor`] and [`crate::Error::TensorShape`] name the tensor and the shapes;
    /// [`crate::Error::Unsupported`] for weights that were quantised.
    pub fn load(source: &'a dyn TensorSource, config: &T5Config) -> Result<Self> {
        check_plain(&source.names())?;
        let embedding = [config.vocab_size, config.d_model];
        let shared = EMBEDDING_NAMES
            .iter()
            .find_map(|name| find(source, name, &embedding).transpose())
            .unwrap_or_else(|| Err(missing(source, config, EMBEDDING_NAMES[0], &embedding)))?;
        // Files of tied models may hold the embedding again under the names of those that share it.
        let own = |name: &str| -> Result<Option<Tensor<'a>>> {
            Ok(find(source, name, &embedding)?.filter(|table| {
                table.name != shared.name
                    && (table.dtype != shared.dtype || table.data != shared.data)
            }))
        };
        let mut fetch = |name: &str, shape: &[usize]| {
            find(source, name, shape)?.ok_or_else(|| missing(source, config, name, shape))
        };
        let encoder = StackParameters {
            embed_tokens: own(ENCODER_EMBEDDING)?,
            ..stack(config, Side::Encoder, &mut fetch)?
        };
        let decoder = match config.is_encoder_decoder && has_decoder(source) {
            true => Some(DecoderParameters {
                stack: StackParameters {
                    embed_tokens: own(DECODER_EMBEDDING)?,
                    ..stack(config, Side::Decoder, &mut fetch)?
                },
                lm_head: own(LM_HEAD)?,
            }),
            false => None,
        };
        Ok(Parameters {
            encoder,
            decoder,
            shared,
        })
    }

    /// # Errors
    /// [`Error::NoDecoder`] where there is none.
    pub fn require_decoder(&self, config: &T5Config) -> Result<()> {
        match self.decoder {
            Some(_) => Ok(()),
            None => Err(config.no_decoder()),
        }
    }

    /// How many matrices embeddings and head come to: the shared one is none where nobody shares it.
    pub fn embedding_count(&self) -> usize {
        let mut tables = vec![&self.encoder.embed_tokens];
        if let Some(decoder) = &self.decoder {
            tables.extend([&decoder.stack.embed_tokens, &decoder.lm_head]);
        }
        let own = tables.iter().filter(|table| table.is_some()).count();
        own + usize::from(own < tables.len())
    }

    /// Every tensor once, in tree order: the shared embedding, the encoder, the decoder, the head.
    pub fn tensors(&self) -> Vec<&Tensor<'a>> {
        let mut all = vec![&self.shared];
        let decoder = self.decoder.as_ref();
        let stacks = [Some(&self.encoder), decoder.map(|decoder| &decoder.stack)];
        for stack in stacks.into_iter().flatten() {
            all.extend(&stack.embed_tokens);
            for block in &stack.blocks {
                for attention in [Some(&block.self_attention), block.cross_attention.as_ref()]
                    .into_iter()
                    .flatten()
                {
                    all.extend([&attention.q, &attention.k, &attention.v, &attention.o]);
                    all.extend(&attention.relative_attention_bias);
                    all.push(&attention.layer_norm);
                }
                let feed_forward = &block.feed_forward;
                all.push(&feed_forward.wi);
                all.extend(&feed_forward.wi_1);
                all.extend([&feed_forward.wo, &feed_forward.layer_norm]);
            }
            all.push(&stack.final_layer_norm);
        }
        all.extend(decoder.and_then(|decoder| decoder.lm_head.as_ref()));
        all
    }

    /// Number of parameters, a shared embedding counted once.
    pub fn parameter_count(&self) -> u64 {
        self.tensors()
            .iter()
            .map(|tensor| tensor.len() as u64)
            .sum()
    }

    /// Bytes of all tensors as the checkpoint stores them.
    pub fn byte_size(&self) -> u64 {
        self.tensors()
            .iter()
            .map(|tensor| tensor.data.len() as u64)
            .sum()
    }
}

/// Names and shapes of every tensor that a checkpoint of this architecture holds, in tree order; a head of its own where
/// the config does not tie it.
pub fn layout(config: &T5Config) -> Vec<(String, Vec<usize>)> {
    let embedding = vec![config.vocab_size, config.d_model];
    let mut all = vec![(EMBEDDING_NAMES[0].to_owned(), embedding.clone())];
    let mut record = |name: &str, shape: &[usize]| {
        all.push((name.to_owned(), shape.to_vec()));
        Ok(Tensor {
            name: name.to_owned(),
            dtype: DType::F32,
            shape: shape.to_vec(),
            data: Cow::Borrowed(&[]),
        })
    };
    let sides = match config.is_encoder_decoder {
        true => &[Side::Encoder, Side::Decoder][..],
        false => &[Side::Encoder],
    };
    for &side in sides {
        stack(config, side, &mut record).expect("recording a name cannot fail");
    }
    if config.is_encoder_decoder && !config.tie_word_embeddings {
        all.push((LM_HEAD.to_owned(), embedding));
    }
    all
}

/// Random weights of this architecture: T5's initialisation, but for norms that differ from one and gains that make what
/// is computed from them worth comparing: tokens that depend on the source and on all tokens before.
///
/// The same seed gives the same weights.
pub fn random(config: &T5Config, seed: u64, dtype: DType) -> RandomWeights {
    let spread = |name: &str| {
        let mut parts = name.rsplit('.').skip(1);
        let (part, module) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        // Layers outweigh the embedding, or a tied head gives back the token that was fed. Attention looks sharply at
        // some positions and outweighs the rest, or the decoder hardly depends on its tokens. (Found by trying.)
        let (gain, inverse_variance) = match (part, module) {
            ("layer_norm" | "final_layer_norm", _) => return (1.0, 0.1),
            ("shared", _) => (1.0, 1),
            ("relative_attention_bias", _) => (4.0, 1),
            // Queries carry the 1/sqrt(d_kv) that attention does not divide by.
            ("q", _) => (1.0, config.d_model * config.d_kv),
            ("o", "SelfAttention") => (8.0, config.inner_dim()),
            ("o", _) => (2.0, config.inner_dim()),
            ("wo", _) => (2.0, config.d_ff),
            _ => (1.0, config.d_model),
        };
        (0.0, gain * (inverse_variance as f32).powf(-0.5))
    };
    let specs = layout(config).into_iter().map(|(name, shape)| {
        let (mean, deviation) = spread(&name);
        RandomTensor {
            name,
            shape,
            mean,
            deviation,
        }
    });
    RandomWeights::new(specs, seed, dtype)
}

/// Names of the token embedding. The first that a file has is shared by the parts of which it has none.
const EMBEDDING_NAMES: [&str; 4] = [
    "shared.weight",
    ENCODER_EMBEDDING,
    DECODER_EMBEDDING,
    LM_HEAD,
];
const ENCODER_EMBEDDING: &str = "encoder.embed_tokens.weight";
const DECODER_EMBEDDING: &str = "decoder.embed_tokens.weight";
const LM_HEAD: &str = "lm_head.weight";

/// Whether there is any tensor of a decoder besides an embedding, which an encoder alone may have, too.
fn has_decoder(source: &dyn TensorSource) -> bool {
    source.names().into_iter().any(|name| {
        let name = name.strip_prefix(BASE_PREFIX).unwrap_or(name);
        name.starts_with("decoder.") && name != DECODER_EMBEDDING
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Encoder,
    Decoder,
}

/// Hands out the tensor of that name, its shape checked.
type Fetch<'f, 'a> = &'f mut dyn FnMut(&str, &[usize]) -> Result<Tensor<'a>>;

fn stack<'a>(config: &T5Config, side: Side, fetch: Fetch<'_, 'a>) -> Result<StackParameters<'a>> {
    let (prefix, layers) = match side {
        Side::Encoder => ("encoder", config.num_layers),
        Side::Decoder => ("decoder", config.num_decoder_layers),
    };
    let blocks = (0..layers)
        .map(|i| {
            let block = format!("{prefix}.block.{i}.layer");
            let owns_bias = i == 0 || config.model_type == ModelType::Umt5;
            let self_attention = attention(
                config,
                &format!("{block}.0"),
                "SelfAttention",
                owns_bias,
                fetch,
            )?;
            let (cross_attention, last) = match side {
                Side::Encoder => (None, 1),
                Side::Decoder => {
                    let layer = format!("{block}.1");
                    let cross = attention(config, &layer, "EncDecAttention", false, fetch)?;
                    (Some(cross), 2)
                }
            };
            Ok(BlockParameters {
                self_attention,
                cross_attention,
                feed_forward: feed_forward(config, &format!("{block}.{last}"), fetch)?,
            })
        })
        .collect::<Result<_>>()?;
    Ok(StackParameters {
        embed_tokens: None,
        blocks,
        final_layer_norm: fetch(
            &format!("{prefix}.final_layer_norm.weight"),
            &[config.d_model],
        )?,
    })
}

fn attention<'a>(
    config: &T5Config,
    layer: &str,
    module: &str,
    owns_bias: bool,
    fetch: Fetch<'_, 'a>,
) -> Result<AttentionParameters<'a>> {
    let inner = [config.inner_dim(), config.d_model];
    let outer = [config.d_model, config.inner_dim()];
    let biases = [config.relative_attention_num_buckets, config.num_heads];
    let mut part =
        |part: &str, shape: &[usize]| fetch(&format!("{layer}.{module}.{part}.weight"), shape);
    Ok(AttentionParameters {
        q: part("q", &inner)?,
        k: part("k", &inner)?,
        v: part("v", &inner)?,
        o: part("o", &outer)?,
        relative_attention_bias: owns_bias
            .then(|| part("relative_attention_bias", &biases))
            .transpose()?,
        layer_norm: fetch(&format!("{layer}.layer_norm.weight"), &[config.d_model])?,
    })
}

fn feed_forward<'a>(
    config: &T5Config,
    layer: &str,
    fetch: Fetch<'_, 'a>,
) -> Result<FeedForwardParameters<'a>> {
    let inner = [config.d_ff, config.d_model];
    let mut part = |part: &str, shape: &[usize]| {
        fetch(&format!("{layer}.DenseReluDense.{part}.weight"), shape)
    };
    let (wi, wi_1) = if config.gated {
        (part("wi_0", &inner)?, Some(part("wi_1", &inner)?))
    } else {
        (part("wi", &inner)?, None)
    };
    Ok(FeedForwardParameters {
        wi,
        wi_1,
        wo: part("wo", &[config.d_model, config.d_ff])?,
        layer_norm: fetch(&format!("{layer}.layer_norm.weight"), &[config.d_model])?,
    })
}

fn find<'a>(
    source: &'a dyn TensorSource,
    name: &str,
    shape: &[usize],
) -> Result<Option<Tensor<'a>>> {
    let tensor = match source.tensor(name)? {
        None => source.tensor(&format!("{BASE_PREFIX}{name}"))?,
        found => found,
    };
    match tensor {
        Some(tensor) if tensor.shape != shape => Err(Error::TensorShape {
            name: tensor.name,
            expected: shape.to_vec(),
            found: tensor.shape,
        }),
        found => Ok(found),
    }
}

/// The error for a tensor that a file lacks, with what it has that the model does not ask for.
fn missing(source: &dyn TensorSource, config: &T5Config, name: &str, shape: &[usize]) -> Error {
    let asked: BTreeSet<String> = layout(config).into_iter().map(|(name, _)| name).collect();
    let mut others = source.names();
    others.retain(|name| !asked.contains(*name));
    Error::MissingTensor {
        name: name.to_owned(),
        expected: shape.to_vec(),
        instead: instead_of(name, &others),
    }
}

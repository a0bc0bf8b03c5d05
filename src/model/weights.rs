//! From the checkpoint's parameters to matrices on the GPU: products that read the same input are joined, widths are
//! padded with zeros, which every kernel carries through as zeros.

use std::sync::Arc;

use super::finite;
use crate::checkpoint::Tensor;
use crate::gpu::{Buffer, Gpu, Texels};
use crate::ops::{ALIGN, Epilogue, Matrix, WeightDType};
use crate::parameters::{
    AttentionParameters, BlockParameters, FeedForwardParameters, Parameters, StackParameters,
};
use crate::relative_position::bias_table;
use crate::{Error, Result, T5Config};

/// The model's widths, padded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dims {
    pub d_model: usize,
    pub d_kv: usize,
    pub d_ff: usize,
    /// `num_heads * d_kv`, of padded heads
    pub inner: usize,
}

impl Dims {
    pub fn new(config: &T5Config) -> Dims {
        let d_kv = config.d_kv.next_multiple_of(ALIGN);
        Dims {
            d_model: config.d_model.next_multiple_of(ALIGN),
            d_kv,
            d_ff: config.d_ff.next_multiple_of(ALIGN),
            inner: config.num_heads * d_kv,
        }
    }
}

/// What becomes of wi's product.
pub(super) fn feed_forward_epilogue(config: &T5Config) -> Epilogue {
    match config.gated {
        true => Epilogue::Gate(config.activation),
        false => Epilogue::Activate(config.activation),
    }
}

/// Everything the model multiplies with.
pub(super) struct Weights {
    pub encoder: Stack,
    /// Unless the model is an encoder alone.
    pub decoder: Option<DecoderWeights>,
    /// `[num_heads]` ones: no head masked.
    pub ones: Buffer,
}

/// The decoder's part.
pub(super) struct DecoderWeights {
    pub stack: Stack,
    /// `[vocab_size, d_model]`
    pub lm_head: Arc<Matrix>,
}

pub(super) struct Stack {
    /// `[vocab_size, d_model]`: often one matrix for both stacks and the head.
    pub embed_tokens: Arc<Matrix>,
    pub blocks: Vec<Block>,
    /// `[d_model]`
    pub final_norm: Texels,
    /// Bias tables `[heads, 2 * max_distance + 1]`: one for all blocks, or one a block.
    bias: Vec<Buffer>,
}

impl Stack {
    /// The bias table that block `index` uses.
    pub fn bias(&self, index: usize) -> &Buffer {
        &self.bias[index.min(self.bias.len() - 1)]
    }
}

pub(super) struct Block {
    pub self_attention: SelfAttention,
    cross_attention: Option<CrossAttention>,
    pub feed_forward: FeedForward,
}

impl Block {
    /// The cross-attention of a decoder block.
    pub fn cross_attention(&self) -> &CrossAttention {
        self.cross_attention
            .as_ref()
            .expect("decoder blocks have cross-attention")
    }
}

pub(super) struct SelfAttention {
    pub norm: Texels,
    /// `[3 * inner, d_model]`: q, k, v
    pub qkv: Matrix,
    /// `[d_model, inner]`
    pub o: Matrix,
}

pub(super) struct CrossAttention {
    pub norm: Texels,
    /// `[inner, d_model]`
    pub q: Matrix,
    /// `[2 * inner, d_model]`: k, v, of the encoder's output
    pub kv: Matrix,
    /// `[d_model, inner]`
    pub o: Matrix,
}

pub(super) struct FeedForward {
    pub norm: Texels,
    /// `[d_ff, d_model]`, or wi_0 and wi_1 interleaved, `[2 * d_ff, d_model]`
    pub wi: Matrix,
    pub epilogue: Epilogue,
    /// `[d_model, d_ff]`
    pub wo: Matrix,
}

impl Weights {
    pub fn upload(
        gpu: &Gpu,
        config: &T5Config,
        dims: &Dims,
        parameters: &Parameters<'_>,
        dtype: WeightDType,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Weights> {
        let total = total_bytes(config, dims, parameters, dtype);
        gpu.check_room("the model", total)?;
        let mut uploader = Uploader {
            gpu,
            config,
            dims,
            dtype,
            shared: Shared {
                table: &parameters.shared,
                matrix: None,
            },
            done: 0,
            total,
            progress,
        };
        Ok(Weights {
            encoder: uploader.stack(&parameters.encoder, true)?,
            decoder: match &parameters.decoder {
                Some(decoder) => Some(DecoderWeights {
                    stack: uploader.stack(&decoder.stack, false)?,
                    lm_head: uploader.embedding("the head", decoder.lm_head.as_ref())?,
                }),
                None => None,
            },
            ones: gpu.buffer_from("no head mask", &vec![1f32; config.num_heads])?,
        })
    }
}

/// Bytes of all matrices, padded.
fn total_bytes(
    config: &T5Config,
    dims: &Dims,
    parameters: &Parameters<'_>,
    dtype: WeightDType,
) -> u64 {
    let attention = 4 * dims.inner * dims.d_model;
    let feed_forward = if config.gated { 3 } else { 2 } * dims.d_ff * dims.d_model;
    let embeddings = parameters.embedding_count() * config.vocab_size * dims.d_model;
    let decoder_layers = match parameters.decoder {
        Some(_) => config.num_decoder_layers,
        None => 0,
    };
    let blocks = config.num_layers * (attention + feed_forward)
        + decoder_layers * (2 * attention + feed_forward);
    ((embeddings + blocks) * dtype.size()) as u64
}

struct Uploader<'a> {
    gpu: &'a Gpu,
    config: &'a T5Config,
    dims: &'a Dims,
    dtype: WeightDType,
    shared: Shared<'a>,
    done: u64,
    total: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

/// The shared embedding, uploaded when the first asks for it.
struct Shared<'a> {
    table: &'a Tensor<'a>,
    matrix: Option<Arc<Matrix>>,
}

impl Uploader<'_> {
    /// A matrix whose rows `fill` makes of `tensors`.
    fn matrix(
        &mut self,
        label: &str,
        [rows, width]: [usize; 2],
        tensors: &[&Tensor<'_>],
        mut fill: impl FnMut(usize, &mut [f32]),
    ) -> Result<Matrix> {
        let largest = self.dtype.largest();
        let mut are_kept = true;
        let fill = |row: usize, out: &mut [f32]| {
            fill(row, out);
            are_kept &= finite::are_within(largest, out);
        };
        let matrix = Matrix::upload(self.gpu, label, self.dtype, rows, width, fill)?;
        if !are_kept {
            return Err(finite::error(tensors, self.dtype));
        }
        self.done += (rows * width * self.dtype.size()) as u64;
        (self.progress)(self.done, self.total);
        Ok(matrix)
    }

    /// A f32 vector padded to `width`.
    fn vector(&self, tensor: &Tensor<'_>, width: usize) -> Result<Texels> {
        let mut values = floats(tensor)?;
        values.resize(width, 0.0);
        self.gpu.texels_from(&tensor.name, &values)
    }

    /// An embedding or a head: its own table, or else the shared one.
    fn embedding(&mut self, label: &str, own: Option<&Tensor<'_>>) -> Result<Arc<Matrix>> {
        if let (None, Some(matrix)) = (own, &self.shared.matrix) {
            return Ok(matrix.clone());
        }
        let table = own.unwrap_or(self.shared.table);
        let shape = [self.config.vocab_size, self.dims.d_model];
        let matrix = self.matrix(label, shape, &[table], |row, out| read_row(table, row, out))?;
        let matrix = Arc::new(matrix);
        if own.is_none() {
            self.shared.matrix = Some(matrix.clone());
        }
        Ok(matrix)
    }

    fn stack(&mut self, parameters: &StackParameters<'_>, bidirectional: bool) -> Result<Stack> {
        let embed_tokens = self.embedding("the embedding", parameters.embed_tokens.as_ref())?;
        let mut bias = Vec::new();
        for block in &parameters.blocks {
            if let Some(table) = &block.self_attention.relative_attention_bias {
                let table = bias_table(
                    &floats(table)?,
                    self.config.num_heads,
                    bidirectional,
                    self.config.relative_attention_num_buckets,
                    self.config.relative_attention_max_distance,
                );
                bias.push(self.gpu.buffer_from("the relative position bias", &table)?);
            }
        }
        if bias.is_empty() {
            return Err(Error::Invalid(
                "the model has no relative_attention_bias in its first block".into(),
            ));
        }
        Ok(Stack {
            embed_tokens,
            blocks: parameters
                .blocks
                .iter()
                .map(|block| self.block(block))
                .collect::<Result<_>>()?,
            final_norm: self.vector(&parameters.final_layer_norm, self.dims.d_model)?,
            bias,
        })
    }

    fn block(&mut self, block: &BlockParameters<'_>) -> Result<Block> {
        Ok(Block {
            self_attention: self.self_attention(&block.self_attention)?,
            cross_attention: match &block.cross_attention {
                Some(attention) => Some(self.cross_attention(attention)?),
                None => None,
            },
            feed_forward: self.feed_forward(&block.feed_forward)?,
        })
    }

    fn self_attention(&mut self, attention: &AttentionParameters<'_>) -> Result<SelfAttention> {
        Ok(SelfAttention {
            norm: self.vector(&attention.layer_norm, self.dims.d_model)?,
            qkv: self.projection("q, k, v", &[&attention.q, &attention.k, &attention.v])?,
            o: self.output(&attention.o)?,
        })
    }

    fn cross_attention(&mut self, attention: &AttentionParameters<'_>) -> Result<CrossAttention> {
        Ok(CrossAttention {
            norm: self.vector(&attention.layer_norm, self.dims.d_model)?,
            q: self.projection("cross-attention q", &[&attention.q])?,
            kv: self.projection("cross-attention k, v", &[&attention.k, &attention.v])?,
            o: self.output(&attention.o)?,
        })
    }

    /// Projections of one input, one below the other, heads padded.
    fn projection(&mut self, label: &str, tensors: &[&Tensor<'_>]) -> Result<Matrix> {
        let Dims {
            d_kv,
            inner,
            d_model,
            ..
        } = *self.dims;
        let true_d_kv = self.config.d_kv;
        let shape = [tensors.len() * inner, d_model];
        self.matrix(label, shape, tensors, |row, out| {
            let (head, column) = (row % inner / d_kv, row % d_kv);
            if column < true_d_kv {
                read_row(tensors[row / inner], head * true_d_kv + column, out);
            }
        })
    }

    /// The projection back to the residual stream; its input's heads are padded.
    fn output(&mut self, tensor: &Tensor<'_>) -> Result<Matrix> {
        let Dims {
            d_kv,
            inner,
            d_model,
            ..
        } = *self.dims;
        let (true_rows, true_d_kv) = (self.config.d_model, self.config.d_kv);
        let true_inner = self.config.inner_dim();
        let shape = [d_model, inner];
        self.matrix("attention output", shape, &[tensor], |row, out| {
            if row < true_rows {
                for (head, part) in out.chunks_exact_mut(d_kv).enumerate() {
                    let start = row * true_inner + head * true_d_kv;
                    tensor.read_f32(start..start + true_d_kv, &mut part[..true_d_kv]);
                }
            }
        })
    }

    fn feed_forward(&mut self, parameters: &FeedForwardParameters<'_>) -> Result<FeedForward> {
        let Dims { d_model, d_ff, .. } = *self.dims;
        let (true_d_model, true_d_ff) = (self.config.d_model, self.config.d_ff);
        let epilogue = feed_forward_epilogue(self.config);
        // The rows of a gated one's two lie in turn.
        let tensors: Vec<&Tensor<'_>> = [&parameters.wi]
            .into_iter()
            .chain(&parameters.wi_1)
            .collect();
        let count = tensors.len();
        let wi = self.matrix("wi", [count * d_ff, d_model], &tensors, |row, out| {
            if row / count < true_d_ff {
                read_row(tensors[row % count], row / count, out);
            }
        })?;
        Ok(FeedForward {
            norm: self.vector(&parameters.layer_norm, d_model)?,
            wi,
            epilogue,
            wo: self.matrix("wo", [d_model, d_ff], &[&parameters.wo], |row, out| {
                if row < true_d_model {
                    read_row(&parameters.wo, row, out);
                }
            })?,
        })
    }
}

/// The values of a tensor that is kept as f32.
fn floats(tensor: &Tensor<'_>) -> Result<Vec<f32>> {
    let values = tensor.to_f32();
    match finite::are_within(f32::MAX, &values) {
        true => Ok(values),
        false => Err(finite::error(&[tensor], WeightDType::F32)),
    }
}

/// Row `row` of a 2-d tensor into the front of `out`.
fn read_row(tensor: &Tensor<'_>, row: usize, out: &mut [f32]) {
    let width = tensor.shape[1];
    tensor.read_f32(row * width..(row + 1) * width, &mut out[..width]);
}

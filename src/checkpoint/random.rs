//! Weights out of nothing, for runs that measure or compare but need no trained model.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{DType, Tensor, TensorSource};
use crate::Result;

/// What one random tensor looks like.
#[derive(Clone, Debug)]
pub struct RandomTensor {
    /// Its name in a checkpoint.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// What its values scatter around.
    pub mean: f32,
    /// Standard deviation; values are uniform.
    pub deviation: f32,
}

/// Random tensors, the same for the same seed.
///
/// All tensors of one distribution are windows into one pool of random numbers, each at an offset of its own: they are
/// made in the time and memory of the largest tensor, not of the whole model.
pub struct RandomWeights {
    dtype: DType,
    seed: u64,
    pools: Vec<Pool>,
    /// Shape and pool by name.
    tensors: BTreeMap<String, (Vec<usize>, usize)>,
}

struct Pool {
    mean: f32,
    deviation: f32,
    elements: usize,
    bytes: Vec<u8>,
}

impl RandomWeights {
    /// Elements by which a pool exceeds its largest tensor: room for different offsets.
    const SLACK: usize = 1 << 16;

    /// Makes the pools for these tensors.
    ///
    /// # Panics
    /// For types other than F32, F16 and BF16.
    pub fn new(specs: impl IntoIterator<Item = RandomTensor>, seed: u64, dtype: DType) -> Self {
        let mut pools: Vec<Pool> = Vec::new();
        let mut tensors = BTreeMap::new();
        for spec in specs {
            let elements = spec.shape.iter().product::<usize>() + Self::SLACK;
            let pool = match pools
                .iter()
                .position(|pool| (pool.mean, pool.deviation) == (spec.mean, spec.deviation))
            {
                Some(index) => {
                    pools[index].elements = pools[index].elements.max(elements);
                    index
                }
                None => {
                    pools.push(Pool {
                        mean: spec.mean,
                        deviation: spec.deviation,
                        elements,
                        bytes: Vec::new(),
                    });
                    pools.len() - 1
                }
            };
            tensors.insert(spec.name, (spec.shape, pool));
        }
        for (index, pool) in pools.iter_mut().enumerate() {
            pool.fill(mix(seed ^ mix(index as u64)), dtype);
        }
        RandomWeights {
            dtype,
            seed,
            pools,
            tensors,
        }
    }
}

impl Pool {
    fn fill(&mut self, seed: u64, dtype: DType) {
        // A uniform distribution over [-sqrt(3), sqrt(3)) has unit variance; 24 bits of a draw make it.
        let scale = self.deviation * 3f32.sqrt() / (1 << 23) as f32;
        let values = (0..self.elements as u64).map(|i| {
            let draw = (mix(seed.wrapping_add(i)) >> 40) as i32 - (1 << 23);
            self.mean + draw as f32 * scale
        });
        self.bytes = match dtype {
            DType::F32 => values.flat_map(f32::to_le_bytes).collect(),
            DType::F16 => values
                .flat_map(|x| half::f16::from_f32(x).to_le_bytes())
                .collect(),
            DType::BF16 => values
                .flat_map(|x| half::bf16::from_f32(x).to_le_bytes())
                .collect(),
            other => panic!("no random weights of type {}", other.name()),
        };
    }
}

impl TensorSource for RandomWeights {
    fn names(&self) -> Vec<&str> {
        self.tensors.keys().map(String::as_str).collect()
    }

    fn tensor(&self, name: &str) -> Result<Option<Tensor<'_>>> {
        Ok(self.tensors.get(name).map(|(shape, pool)| {
            let pool = &self.pools[*pool];
            let size = self.dtype.size();
            let elements = shape.iter().product::<usize>();
            let hash = name
                .bytes()
                .fold(self.seed, |hash, byte| mix(hash ^ u64::from(byte)));
            let offset = hash as usize % (pool.elements - elements);
            Tensor {
                name: name.to_owned(),
                dtype: self.dtype,
                shape: shape.clone(),
                data: Cow::Borrowed(&pool.bytes[offset * size..(offset + elements) * size]),
            }
        }))
    }
}

/// SplitMix64's output function over a counter: every bit of the input reaches every bit of the output.
fn mix(counter: u64) -> u64 {
    let mut z = counter.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

//! A safetensors file that results are collected in.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use safetensors::{Dtype, SafeTensorError, View};
use t5_gpu::{Error, Result};

/// Tensors in memory until [`TensorFile::write`].
pub struct TensorFile {
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
}

struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl TensorFile {
    /// Makes the file, empty for now: where it cannot be made, that is told before the work and not after it.
    pub fn create(path: PathBuf) -> Result<TensorFile> {
        File::create(&path).map_err(|source| Error::write(&path, source))?;
        Ok(TensorFile {
            path,
            tensors: BTreeMap::new(),
        })
    }

    /// Begins the result of that id with the tokens that it is of.
    pub fn begin(&mut self, id: &str, input_ids: &[u32]) -> Result<()> {
        let name = format!("{id}.input_ids");
        if self.tensors.contains_key(&name) {
            return Err(Error::Invalid(format!(
                "a second result of id {id} for one file: give every line an id of its own"
            )));
        }
        self.add_ids(name, input_ids);
        Ok(())
    }

    /// Token ids, as I64, which is what other tools take for ids.
    pub fn add_ids(&mut self, name: String, ids: &[u32]) {
        let bytes = ids
            .iter()
            .flat_map(|&id| i64::from(id).to_le_bytes())
            .collect();
        self.add(name, Dtype::I64, vec![ids.len()], bytes);
    }

    /// Parts one behind the other, as one F32 tensor of this shape.
    pub fn add_floats<'f>(
        &mut self,
        name: String,
        shape: Vec<usize>,
        parts: impl IntoIterator<Item = &'f Vec<f32>>,
    ) {
        let bytes = parts
            .into_iter()
            .flatten()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        self.add(name, Dtype::F32, shape, bytes);
    }

    fn add(&mut self, name: String, dtype: Dtype, shape: Vec<usize>, bytes: Vec<u8>) {
        let tensor = Tensor {
            dtype,
            shape,
            bytes,
        };
        self.tensors.insert(name, tensor);
    }

    pub fn write(&self) -> Result<()> {
        safetensors::serialize_to_file(&self.tensors, None, &self.path).map_err(|error| match error
        {
            SafeTensorError::IoError(source) => Error::write(&self.path, source),
            error => Error::File {
                path: self.path.clone(),
                message: format!("cannot be written: {error}"),
            },
        })
    }
}

impl View for &Tensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

//! Writing safetensors, one tensor in memory at a time.

use std::cmp::Reverse;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::{Map, json};

use super::TensorSource;
use crate::{Error, Result};

/// Writes every tensor of `source` to a safetensors file. `progress` is told the bytes of tensors written and in all.
///
/// # Errors
/// [`Error::File`] names the file that cannot be written; errors of the source are passed on.
pub fn write_safetensors(
    source: &dyn TensorSource,
    path: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<()> {
    let mut entries = Vec::new();
    for name in source.names() {
        if let Some(tensor) = source.tensor(name)? {
            entries.push((
                Reverse(tensor.dtype.size()),
                name,
                tensor.dtype,
                tensor.shape,
            ));
        }
    }
    // Wider elements first, so that every tensor is aligned to its own.
    entries.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));

    let mut header = Map::new();
    header.insert("__metadata__".into(), json!({"format": "pt"}));
    let mut end = 0;
    for (_, name, dtype, shape) in &entries {
        let start = end;
        end += shape.iter().product::<usize>() * dtype.size();
        let entry = json!({"dtype": dtype.name(), "shape": shape, "data_offsets": [start, end]});
        header.insert((*name).to_owned(), entry);
    }
    let mut header = serde_json::to_vec(&header).expect("a map of strings and numbers is JSON");
    header.resize(header.len().next_multiple_of(8), b' ');

    let io = |source| Error::write(path, source);
    let mut file = BufWriter::new(File::create(path).map_err(io)?);
    file.write_all(&(header.len() as u64).to_le_bytes())
        .map_err(io)?;
    file.write_all(&header).map_err(io)?;
    let mut written = 0;
    for (_, name, ..) in &entries {
        if let Some(tensor) = source.tensor(name)? {
            file.write_all(&tensor.data).map_err(io)?;
            written += tensor.data.len();
            progress(written as u64, end as u64);
        }
    }
    file.flush().map_err(io)
}

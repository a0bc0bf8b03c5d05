//! Token ids to vectors.

/// Rows `ids` of `table`, `[vocab_size, d_model]`: shape `[ids.len(), d_model]`.
///
/// # Panics
/// If an id is past the table.
pub fn embed(table: &[f32], d_model: usize, ids: &[u32]) -> Vec<f32> {
    ids.iter()
        .flat_map(|&id| {
            let start = id as usize * d_model;
            &table[start..start + d_model]
        })
        .copied()
        .collect()
}

// Weights row after row.

// The texel that holds load k of a row of `loads` loads.
fn texel_of(row: u32, k: u32, loads: u32) -> u32 {
    return row * loads + k;
}

// Weights for adapters whose threads are lanes of a CPU's vector: blocks of BLOCK rows, in which the loads of the same k
// lie side by side, so that LANES threads that take a row each read one run of memory. The rows of texels j * LANES + lane
// for even j and j + 1 are neighbours: a gate's two rows meet in one thread. BLOCK and LANES are the host's.
// Twin: src/ops/matrix.rs

// The row, counted within its block, of the texel `position` among those of the same k.
fn row_at(position: u32) -> u32 {
    let turn = position / LANES;
    return turn / 2u * (2u * LANES) + 2u * (position % LANES) + turn % 2u;
}

// The texel that holds load k of a row of `loads` loads.
fn texel_of(row: u32, k: u32, loads: u32) -> u32 {
    let within = row % BLOCK;
    let turn = within / (2u * LANES) * 2u + within % 2u;
    let lane = within % (2u * LANES) / 2u;
    return (row / BLOCK * loads + k) * BLOCK + turn * LANES + lane;
}

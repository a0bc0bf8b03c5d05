// Weights for adapters whose threads are lanes of a CPU's vector: blocks of BLOCK rows, in which the loads of the same k
// lie side by side, so that LANES threads that take a row each read one stretch of memory. The rows of texels
// j * LANES + lane for j.. that make a run are neighbours: their products meet in one thread, which writes them together,
// and so do a gate's two. BLOCK, LANES and RUN are the host's.
// Twin: src/ops/matrix.rs

// The row, counted within its block, of the texel `position` among those of the same k.
fn row_at(position: u32) -> u32 {
    let turn = position / LANES;
    return turn / RUN * (RUN * LANES) + RUN * (position % LANES) + turn % RUN;
}

// The texel that holds load k of a row of `loads` loads.
fn texel_of(row: u32, k: u32, loads: u32) -> u32 {
    let within = row % BLOCK;
    let turn = within / (RUN * LANES) * RUN + within % RUN;
    let lane = within % (RUN * LANES) / RUN;
    return (row / BLOCK * loads + k) * BLOCK + turn * LANES + lane;
}

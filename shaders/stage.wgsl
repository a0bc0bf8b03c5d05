// Inputs of linear layers, made ready row by row as row_scale.wgsl says: as f32, four a texel, or if const INT8 is set as
// int8, sixteen a texel. What a row is still to be multiplied by goes to `scales`: sums of f32 so are those of input that is
// not staged. A workgroup a row; the host declares `gain` and `staged`, bindings 1 and 2.

struct Params {
    rows: u32,
    texels: u32,   // a row
    width: f32,    // the true width
    eps: f32,
    first: u32,    // row of x to begin with
}

var<immediate> params: Params;
@group(0) @binding(3) var<storage, read_write> scales: array<f32>;

const VECTORS: u32 = select(1u, 4u, INT8);  // vec4s a texel

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let index = workgroup.y * grid.x + workgroup.x;
    if (index >= params.rows) {
        return;
    }
    let row = params.first + index;
    let texels = params.texels;
    let start = row * texels * VECTORS;
    let scale = row_scale(start, texels * VECTORS, params.width, params.eps, local);
    if (local == 0u) {
        scales[row] = scale.factor;
    }
    for (var t = local; t < texels; t += THREADS) {
        write_staged(row * texels + t, ready_texel(start, t, scale.inverse));
    }
}

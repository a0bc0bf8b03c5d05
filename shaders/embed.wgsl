// Rows of the embedding table by token id. A table split over several bindings is read one binding at a time: rows whose
// id lies elsewhere are left to the other dispatches. Twin: src/reference/embed.rs

struct Params {
    rows: u32,        // ids to look up
    id_stride: u32,   // u32s from one id to the next
    first: u32,       // id of this binding's row 0
    count: u32,       // table rows in this binding
    width4: u32,      // vec4s a row, of the table and of out
}

var<immediate> params: Params;
@group(0) @binding(0) var<storage, read> ids: array<u32>;
// Bindings 1 and 3 are the weights and `out`, declared by the host.
@group(0) @binding(2) var<storage, read> scales: array<f32>;  // a row of weights, where const SCALED is set

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let row = workgroup.y * grid.x + workgroup.x;
    if (row >= params.rows) {
        return;
    }
    let id = ids[row * params.id_stride];
    if (id < params.first || id >= params.first + params.count) {
        return;
    }
    var scale = 1.0;
    if (SCALED) {
        scale = scales[id - params.first];
    }
    let loads = params.width4 / VECTORS;
    for (var k = local; k < loads; k += 64u) {
        let packed = read_weights(texel_of(id - params.first, k, loads));
        for (var part = 0u; part < VECTORS; part++) {
            let texel = bitcast<vec4<u32>>(unpack(packed, part) * scale);
            write_out(row * params.width4 + k * VECTORS + part, texel);
        }
    }
}

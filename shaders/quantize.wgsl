// Rows of x as int8, symmetric: out = round(y * 127 / max|y|), scale = max|y| / 127, where y is T5LayerNorm of x if const
// NORM is set, else x. A workgroup a row. Twin: src/reference/quantize.rs

const THREADS: u32 = 64u;

struct Params {
    rows: u32,
    width4: u32,   // vec4s a row, zero padding included
    width: f32,    // the true width
    eps: f32,
    first: u32,    // row of x to begin with
}

var<immediate> params: Params;
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> gain: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;
@group(0) @binding(3) var<storage, read_write> scales: array<f32>;

var<workgroup> squares: array<f32, THREADS>;
var<workgroup> largest: array<f32, THREADS>;

fn value(at: u32, k: u32) -> vec4<f32> {
    if (NORM) {
        return x[at] * gain[k];
    }
    return x[at];
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let index = workgroup.y * grid.x + workgroup.x;
    if (index >= params.rows) {
        return;
    }
    let row = params.first + index;
    let start = row * params.width4;
    var square = 0.0;
    var most = vec4<f32>();
    for (var k = local; k < params.width4; k += THREADS) {
        let raw = x[start + k];
        square += dot(raw, raw);
        most = max(most, abs(value(start + k, k)));
    }
    squares[local] = square;
    largest[local] = max(max(most.x, most.y), max(most.z, most.w));
    workgroupBarrier();
    var sum = 0.0;
    var limit = 0.0;
    for (var l = 0u; l < THREADS; l++) {
        sum += squares[l];
        limit = max(limit, largest[l]);
    }
    let inverse = select(127.0 / limit, 0.0, limit == 0.0);
    for (var k = local; k < params.width4; k += THREADS) {
        out[start + k] = pack4xI8(vec4<i32>(round(value(start + k, k) * inverse)));
    }
    if (local == 0u) {
        // The norm's factor is the same for the whole row: only the scale feels it.
        let norm = select(1.0, inverseSqrt(sum / params.width + params.eps), NORM);
        scales[row] = norm * limit / 127.0;
    }
}

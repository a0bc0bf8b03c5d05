// Inputs of linear layers, made ready row by row: T5LayerNorm of x if const NORM is set, else x; as f32, four a texel, or if
// const INT8 is set as symmetric int8, sixteen a texel: round(y * 127 / max|y|). What a row is still to be multiplied by,
// the norm's factor and int8's max|y| / 127, goes to `scales`: sums of f32 so are those of input that is not staged.
// A workgroup a row; the host declares `gain` and `staged`, bindings 1 and 2. Twins: src/reference/quantize.rs and layers.rs

struct Params {
    rows: u32,
    texels: u32,   // a row
    width: f32,    // the true width
    eps: f32,
    first: u32,    // row of x to begin with
}

var<immediate> params: Params;
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> scales: array<f32>;

const VECTORS: u32 = select(1u, 4u, INT8);  // vec4s a texel

var<workgroup> squares: array<f32, THREADS>;
var<workgroup> largest: array<f32, THREADS>;

// Vector k of a row, of which `raw` is x's, before the norm's factor.
fn value_of(raw: vec4<f32>, k: u32) -> vec4<f32> {
    if (NORM) {
        return raw * bitcast<vec4<f32>>(read_gain(k));
    }
    return raw;
}

// Vector k of the row that begins at `start`.
fn value(start: u32, k: u32) -> vec4<f32> {
    return value_of(x[start + k], k);
}

// Vector k of the row that begins at `start`, as four int8.
fn packed_part(start: u32, k: u32, inverse: f32) -> u32 {
    return pack4xI8(vec4<i32>(round(value(start, k) * inverse)));
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let index = workgroup.y * grid.x + workgroup.x;
    if (index >= params.rows) {
        return;
    }
    let row = params.first + index;
    let start = row * params.texels * VECTORS;
    var scale = 1.0;
    var inverse = 0.0;
    if (NORM || INT8) {
        var square = 0.0;
        var most = vec4<f32>();
        for (var k = local; k < params.texels * VECTORS; k += THREADS) {
            let raw = x[start + k];
            square += dot(raw, raw);
            most = max(most, abs(value_of(raw, k)));
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
        if (NORM) {
            scale = inverseSqrt(sum / params.width + params.eps);
        }
        if (INT8) {
            inverse = select(127.0 / limit, 0.0, limit == 0.0);
            scale = scale * limit / 127.0;
        }
    }
    if (local == 0u) {
        scales[row] = scale;
    }
    for (var t = local; t < params.texels; t += THREADS) {
        if (INT8) {
            let packed = vec4(packed_part(start, t * 4u, inverse), packed_part(start, t * 4u + 1u, inverse),
                              packed_part(start, t * 4u + 2u, inverse), packed_part(start, t * 4u + 3u, inverse));
            write_staged(row * params.texels + t, packed);
        } else {
            write_staged(row * params.texels + t, bitcast<vec4<u32>>(value(start, t)));
        }
    }
}

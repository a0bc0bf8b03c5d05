// T5LayerNorm: out = x * rsqrt(mean(x^2) + eps) * gain, a workgroup a row. The host declares x, the
// gain and out, bindings 0 to 2. Twin: src/reference/rms_norm.rs

const THREADS: u32 = 64u;

struct Params {
    rows: u32,
    width4: u32,   // vec4s a row, zero padding included
    width: f32,    // the true width
    eps: f32,
}

var<immediate> params: Params;

var<workgroup> partial: array<f32, THREADS>;

fn vector_of_x(index: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(read_x(index));
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let row = workgroup.y * grid.x + workgroup.x;
    if (row >= params.rows) {
        return;
    }
    let start = row * params.width4;
    var square = 0.0;
    for (var k = local; k < params.width4; k += THREADS) {
        let value = vector_of_x(start + k);
        square += dot(value, value);
    }
    partial[local] = square;
    workgroupBarrier();
    var sum = 0.0;
    for (var l = 0u; l < THREADS; l++) {
        sum += partial[l];
    }
    let scale = inverseSqrt(sum / params.width + params.eps);
    for (var k = local; k < params.width4; k += THREADS) {
        let value = vector_of_x(start + k) * scale * bitcast<vec4<f32>>(read_gain(k));
        write_out(start + k, bitcast<vec4<u32>>(value));
    }
}

// The likeliest token of each row: the lowest index among the largest logits. A workgroup a row.
// Twin: generate::softmax::argmax

const THREADS: u32 = 256u;

struct Params {
    rows: u32,
    width: u32,
}

var<immediate> params: Params;
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> tokens: array<u32>;

var<workgroup> best_value: array<f32, THREADS>;
var<workgroup> best_index: array<u32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let row = workgroup.y * grid.x + workgroup.x;
    if (row >= params.rows) {
        return;
    }
    let start = row * params.width;
    // A thread without an element of its own repeats the first one, which cannot win over itself.
    var index = select(0u, local, local < params.width);
    var value = logits[start + index];
    for (var i = local + THREADS; i < params.width; i += THREADS) {
        let candidate = logits[start + i];
        if (candidate > value) {
            value = candidate;
            index = i;
        }
    }
    best_value[local] = value;
    best_index[local] = index;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if (local < half) {
            let other = best_value[local + half];
            let other_index = best_index[local + half];
            if (other > best_value[local] || (other == best_value[local] && other_index < best_index[local])) {
                best_value[local] = other;
                best_index[local] = other_index;
            }
        }
        workgroupBarrier();
    }
    if (local == 0u) {
        tokens[row] = best_index[0];
    }
}

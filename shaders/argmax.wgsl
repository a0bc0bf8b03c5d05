// The end of a greedy step: each row's likeliest token, the lowest index among the largest logits, becomes what the row is
// fed at its next position, and is written down in a log that wraps around. A workgroup of THREADS, a power of two, a row.
// Twin: generate::softmax::argmax

struct Params {
    rows: u32,
    width: u32,
    log_steps: u32,   // positions that the log has room for
}

struct Row {
    token: u32,
    position: u32,
    slot: u32,
    source: u32,
}

var<immediate> params: Params;
@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> rows: array<Row>;
@group(0) @binding(2) var<storage, read_write> token_log: array<u32>;  // [log_steps, rows]

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
        let token = best_index[0];
        let position = rows[row].position;
        token_log[(position % params.log_steps) * params.rows + row] = token;
        rows[row].token = token;
        rows[row].position = position + 1u;
    }
}

// The end of a greedy step: each row's likeliest token, the lowest index among the largest logits, becomes what the row is
// fed at its next position, and is written down in a log that wraps around. The head has left the best of every few logits
// (epilogue_best.wgsl). Where some are not finite, the log says NOT_FINITE, and the row goes on from token 0 until the host
// sees it. A workgroup of THREADS, a power of two, a row.
// Twin: generate::softmax::argmax

struct Params {
    rows: u32,
    width: u32,       // pairs of a row
    stride: u32,      // pairs from a row to the next
    log_steps: u32,   // positions that the log has room for
}

struct Row {
    token: u32,
    position: u32,
    slot: u32,
    source: u32,
}

var<immediate> params: Params;
@group(0) @binding(0) var<storage, read> pairs: array<vec2<f32>>;    // logit, token; below 0 where some are not finite
@group(0) @binding(1) var<storage, read_write> rows: array<Row>;
@group(0) @binding(2) var<storage, read_write> token_log: array<u32>;  // [log_steps, rows]

const NOT_FINITE: u32 = 0xffffffffu;

var<workgroup> shared_best: array<vec2<f32>, THREADS>;

fn better(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    return select(b, a, a.x > b.x || (a.x == b.x && a.y < b.y));
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let row = workgroup.y * grid.x + workgroup.x;
    if (row >= params.rows) {
        return;
    }
    let start = row * params.stride;
    // A thread without a pair of its own repeats the first one, which cannot win over itself.
    var best = pairs[start + select(0u, local, local < params.width)];
    for (var i = local + THREADS; i < params.width; i += THREADS) {
        best = better(pairs[start + i], best);
    }
    shared_best[local] = best;
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if (local < half) {
            shared_best[local] = better(shared_best[local + half], shared_best[local]);
        }
        workgroupBarrier();
    }
    if (local == 0u) {
        let is_finite = shared_best[0].y >= 0.0;
        let token = select(0u, u32(shared_best[0].y), is_finite);
        let position = rows[row].position;
        token_log[(position % params.log_steps) * params.rows + row] = select(NOT_FINITE, token, is_finite);
        rows[row].token = token;
        rows[row].position = position + 1u;
    }
}

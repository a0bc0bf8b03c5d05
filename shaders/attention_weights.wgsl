// The attention weights themselves, for looking inside: a workgroup writes one query's softmax over all keys.
// attention_dense.wgsl stands in front (TQ is 1). Twin: reference::Attention::weights

const THREADS: u32 = 64u;

@group(0) @binding(6) var<storage, read_write> weights: array<f32>;  // [batch, heads, queries, keys]

var<workgroup> partial: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let here = locate(workgroup, local);
    let row = ((here.batch * grid.y + here.head) * params.queries + here.first_query) * params.keys;
    var best = MASKED;
    for (var t = local; t < params.keys; t += THREADS) {
        var score = MASKED;
        if (is_visible(here, 0u, t)) {
            let at = key_at(here, t);
            score = bias_of(here, 0u, t);
            for (var c = 0u; c < D4; c++) {
                score += dot(load_query(here, 0u, c), load_key(here, at, t, c));
            }
        }
        weights[row + t] = score;
        best = max(best, score);
    }
    partial[local] = best;
    workgroupBarrier();
    for (var l = 0u; l < THREADS; l++) {
        best = max(best, partial[l]);
    }
    workgroupBarrier();

    var sum = 0.0;
    for (var t = local; t < params.keys; t += THREADS) {
        let score = weights[row + t];
        let weight = select(exp(score - best), 0.0, score <= MASKED);
        weights[row + t] = weight;
        sum += weight;
    }
    partial[local] = sum;
    workgroupBarrier();
    var total = 0.0;
    for (var l = 0u; l < THREADS; l++) {
        total += partial[l];
    }
    let scale = head_scale[here.head] / select(total, 1.0, total == 0.0);
    for (var t = local; t < params.keys; t += THREADS) {
        weights[row + t] *= scale;
    }
}

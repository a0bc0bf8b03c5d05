// How much each row of a decode step attends to each key of its source: the softmax weights of cross-attention, summed over
// heads, and where const ADDS is set on top of what an earlier layer left. Written down in a log that wraps around, as
// argmax.wgsl's; behind its lines is one for the scores of the head at hand. attention_cached.wgsl stands in front (CROSS is true); a workgroup of THREADS a row.
// Twin: reference::Attention::weights

@group(0) @binding(5) var<storage, read_write> alignment: array<f32>;  // [lines + 1, rows, width]

var<workgroup> shared_best: array<f32, THREADS>;
var<workgroup> shared_total: array<f32, THREADS>;

fn write_out(index: u32, texel: vec4<u32>) {}

fn score(here: Place, t: u32) -> f32 {
    let at = key_at(here, t);
    var sum = 0.0;
    for (var c = 0u; c < D4; c++) {
        sum += dot(load_query(here, 0u, c), load_key(here, at, t, c));
    }
    return sum;
}

fn note(at: u32, weight: f32, is_first: bool) {
    if (is_first) {
        alignment[at] = weight;
    } else {
        alignment[at] += weight;
    }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let index = workgroup.y * grid.x + workgroup.x;
    if (index >= params.rows) {
        return;
    }
    let row = rows[index];
    let first = row.source * params.stride;
    let keys = table[first];
    let line = ((row.position % params.lines) * params.rows + index) * params.width;
    let scores = (params.lines * params.rows + index) * params.width;
    for (var head = 0u; head < params.heads; head++) {
        let here = Place(index, head, row.position, first + 1u, keys, true);
        let is_first = head == 0u && !ADDS;
        var best = MASKED;
        var total = 0.0;
        for (var t = local; t < keys; t += THREADS) {
            let value = score(here, t);
            alignment[scores + t] = value;
            let next = max(best, value);
            total = total * exp(best - next) + exp(value - next);
            best = next;
        }
        shared_best[local] = best;
        shared_total[local] = total;
        workgroupBarrier();
        for (var l = 0u; l < THREADS; l++) {
            best = max(best, shared_best[l]);
        }
        total = 0.0;
        for (var l = 0u; l < THREADS; l++) {
            total += shared_total[l] * exp(shared_best[l] - best);
        }
        workgroupBarrier();
        for (var t = local; t < keys; t += THREADS) {
            note(line + t, exp(alignment[scores + t] - best) / total, is_first);
        }
        // Where keys are hidden, the last places have none.
        for (var t = keys + local; t < params.width; t += THREADS) {
            note(line + t, 0.0, is_first);
        }
    }
}

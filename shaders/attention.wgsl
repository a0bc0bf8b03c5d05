// Attention with softmax, fused: scores live in workgroup memory, never in a buffer. A workgroup computes TQ queries of one
// head of one batch row; keys are walked 64 at a time with a running maximum and sum (Milakov and Gimelshein 2018).
// T5 does not divide by sqrt(d_kv). D4 is the head's width in vec4s. Where keys and values lie, which are masked and what
// bias a score gets is the business of the part in front: attention_dense.wgsl or attention_cached.wgsl.
// Twin: src/reference/attention.rs

const THREADS: u32 = 64u;
const PER_QUERY: u32 = THREADS / TQ;  // threads that share the softmax of a query, TQ keys each
const SPANS: u32 = THREADS / D4;      // threads that share a column of the weighted sum

var<workgroup> query: array<vec4<f32>, TQ * D4>;
var<workgroup> weight: array<f32, TQ * THREADS>;
var<workgroup> partial: array<f32, THREADS>;
var<workgroup> running_max: array<f32, TQ>;
var<workgroup> running_sum: array<f32, TQ>;
var<workgroup> rescale: array<f32, TQ>;
var<workgroup> spans: array<vec4<f32>, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let here = locate(workgroup, local);
    prepare(here, local, THREADS);
    for (var i = local; i < TQ * D4; i += THREADS) {
        query[i] = load_query(here, i / D4, i % D4);
    }
    if (local < TQ) {
        running_max[local] = MASKED;
        running_sum[local] = 0.0;
    }
    workgroupBarrier();

    let column = local % D4;
    let span = local / D4;
    let q = local / PER_QUERY;
    let first = q * THREADS + (local % PER_QUERY) * TQ;
    var acc: array<vec4<f32>, TQ>;
    for (var start = 0u; start < here.keys; start += THREADS) {
        let t = start + local;
        var score: array<f32, TQ>;
        if (t < here.keys) {
            let at = key_at(here, t);
            // A bound that drivers do not know: written out, the loop would read all of the key at once.
            for (var c = 0u; c < params.head4; c++) {
                let key = load_key(here, at, t, c);
                for (var i = 0u; i < TQ; i++) { // unrolled
                    score[i] += dot(query[i * D4 + c], key);
                }
            }
        }
        for (var i = 0u; i < TQ; i++) { // unrolled
            var s = MASKED;
            if (t < here.keys && is_visible(here, i, t)) {
                s = score[i] + bias_of(here, i, t);
            }
            weight[i * THREADS + local] = s;
        }
        workgroupBarrier();

        var best = MASKED;
        for (var i = 0u; i < TQ; i++) {
            best = max(best, weight[first + i]);
        }
        partial[local] = best;
        workgroupBarrier();
        best = running_max[q];
        for (var i = 0u; i < PER_QUERY; i++) {
            best = max(best, partial[q * PER_QUERY + i]);
        }
        var total = 0.0;
        for (var i = 0u; i < TQ; i++) {
            let s = weight[first + i];
            let w = select(exp(s - best), 0.0, s <= MASKED);
            weight[first + i] = w;
            total += w;
        }
        workgroupBarrier();
        partial[local] = total;
        workgroupBarrier();
        if (local % PER_QUERY == 0u) {
            let shrink = exp(running_max[q] - best);
            var sum = running_sum[q] * shrink;
            for (var i = 0u; i < PER_QUERY; i++) {
                sum += partial[local + i];
            }
            running_sum[q] = sum;
            running_max[q] = best;
            rescale[q] = shrink;
        }
        workgroupBarrier();

        for (var i = 0u; i < TQ; i++) { // unrolled
            acc[i] *= rescale[i];
        }
        if (span < SPANS) {
            let end = min(THREADS, here.keys - start);
            for (var j = span; j < end; j += SPANS) {
                // Keys that weigh nothing may hold anything, NaN of an earlier source too.
                if (TQ == 1u && weight[j] == 0.0) {
                    continue;
                }
                let t = start + j;
                let value = load_value(here, key_at(here, t), t, column);
                for (var i = 0u; i < TQ; i++) { // unrolled
                    acc[i] += weight[i * THREADS + j] * value;
                }
            }
        }
        workgroupBarrier();
    }

    for (var i = 0u; i < TQ; i++) { // unrolled
        spans[local] = acc[i];
        workgroupBarrier();
        for (var c = local; c < D4; c += THREADS) {
            var sum = vec4<f32>();
            for (var s = 0u; s < SPANS; s++) {
                sum += spans[s * D4 + c];
            }
            // A query that sees no key gives zeros.
            let total = running_sum[i];
            store(here, i, c, sum / select(total, 1.0, total == 0.0));
        }
        workgroupBarrier();
    }
}

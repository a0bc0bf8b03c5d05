// Attention with softmax for software adapters: a thread is a lane of a CPU's vector and computes one query of one head
// alone, key by key with a running maximum and sum (Milakov and Gimelshein 2018), so that nothing waits for other threads.
// D4 is the head's width in vec4s; the part in front is attention_dense.wgsl (a lane a query of the workgroup's) or
// attention_cached.wgsl (a lane a head of a row). Twin: src/reference/attention.rs

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let here = locate(workgroup, local);
    if (!here.is_inside) {
        return;
    }
    let i = query_of(local);
    prepare(here, 0u, 1u);
    var query: array<vec4<f32>, D4>;
    for (var c = 0u; c < D4; c++) { // unrolled
        query[c] = load_query(here, i, c);
    }

    var best = MASKED;
    var total = 0.0;
    var acc: array<vec4<f32>, D4>;
    for (var t = 0u; t < here.keys; t++) {
        if (is_visible(here, i, t)) {
            let at = key_at(here, t);
            var score = bias_of(here, i, t);
            for (var c = 0u; c < D4; c++) { // unrolled
                score += dot(query[c], load_key(here, at, t, c));
            }
            let next = max(best, score);
            let shrink = exp(best - next);
            let weight = exp(score - next);
            best = next;
            total = total * shrink + weight;
            for (var c = 0u; c < D4; c++) { // unrolled
                acc[c] = acc[c] * shrink + weight * load_value(here, at, t, c);
            }
        }
    }
    // A query that sees no key gives zeros.
    let inverse = 1.0 / select(total, 1.0, total == 0.0);
    for (var c = 0u; c < D4; c++) { // unrolled
        store(here, i, c, acc[c] * inverse);
    }
}

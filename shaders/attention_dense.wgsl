// Attention of many queries over whole batches: the encoder, a decoder fed a whole target (const CAUSAL), and
// cross-attention from one. Queries lie in rows of q, keys and values in rows of kv at their offsets.
// The host declares q, kv and out, bindings 0, 1 and 5.
// const BIASED: scores get the relative position bias, a table [heads, 2 * max_distance + 1] by clamped key - query.

const MASKED: f32 = -3.0e38;

struct Params {
    queries: u32,        // a batch row
    keys: u32,           // a batch row
    q_row4: u32,         // vec4s from one query to the next
    kv_row4: u32,        // vec4s from one key to the next
    k_offset4: u32,
    v_offset4: u32,
    out_row4: u32,
    max_distance: i32,
    head4: u32,          // D4, for those who do not want it known
}

var<immediate> params: Params;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> mask: array<u32>;  // [batch, keys], 0 hides the key
@group(0) @binding(4) var<storage, read> head_scale: array<f32>;  // [heads], multiplies the weights after softmax

struct Place {
    batch: u32,
    head: u32,
    first_query: u32,
    keys: u32,
    is_inside: bool,
}

fn locate(workgroup: vec3<u32>, local: u32) -> Place {
    return Place(workgroup.z, workgroup.y, workgroup.x * TQ, params.keys, true);
}

// Which of the workgroup's queries is that of a thread which has one to itself.
fn query_of(local: u32) -> u32 {
    return local;
}

fn prepare(here: Place, first: u32, step: u32) {}

fn load_query(here: Place, i: u32, c: u32) -> vec4<f32> {
    let row = here.batch * params.queries + min(here.first_query + i, params.queries - 1u);
    return bitcast<vec4<f32>>(read_q(row * params.q_row4 + here.head * D4 + c));
}

// Where the head's part of key t begins, but for the offset of keys or values.
fn key_at(here: Place, t: u32) -> u32 {
    return (here.batch * params.keys + t) * params.kv_row4 + here.head * D4;
}

fn load_key(here: Place, at: u32, t: u32, c: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(read_kv(at + params.k_offset4 + c));
}

fn load_value(here: Place, at: u32, t: u32, c: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(read_kv(at + params.v_offset4 + c));
}

fn is_visible(here: Place, i: u32, t: u32) -> bool {
    return mask[here.batch * params.keys + t] != 0u && (!CAUSAL || t <= here.first_query + i);
}

fn bias_of(here: Place, i: u32, t: u32) -> f32 {
    if (!BIASED) {
        return 0.0;
    }
    let distance = clamp(i32(t) - i32(here.first_query + i), -params.max_distance, params.max_distance);
    let row = i32(here.head) * (2 * params.max_distance + 1);
    return bias[row + params.max_distance + distance];
}

fn store(here: Place, i: u32, c: u32, value: vec4<f32>) {
    let query_index = here.first_query + i;
    if (query_index < params.queries) {
        let at = (here.batch * params.queries + query_index) * params.out_row4 + here.head * D4 + c;
        write_out(at, bitcast<vec4<u32>>(value * head_scale[here.head]));
    }
}

// Attention of a decode step: one query a row (TQ is 1). A workgroup takes a head of a row, or where const PER_LANE is set
// each of its threads does.
// Keys and values lie anywhere in a pool, [positions, 2 * inner], and a table says where, so that reordering beams rewrites
// the table and moves no key. Self-attention (const CROSS is false) finds position t of its slot's history by entry t of
// the table [slots, stride], and puts the row's own key and value where the last one says. Cross-attention finds the keys of
// the row's source in [sources, stride]: their number, then where each lies. It has no bias.
// The host declares q, binding 1: [rows, q k v] or for cross-attention [rows, q]; kv, binding 2: the pool; and out,
// binding 5.

const MASKED: f32 = -3.0e38;

struct Params {
    q_row4: u32,       // vec4s from one query to the next
    inner4: u32,       // vec4s of all heads together
    stride: u32,       // entries a row of the table
    max_distance: i32,
    rows: u32,
    heads: u32,
    head4: u32,        // D4, for those who do not want it known
    lines: u32,        // alignment: steps that there is room for
    width: u32,        // alignment: places for weights a row
}

struct Row {
    token: u32,
    position: u32,
    slot: u32,
    source: u32,
}

var<immediate> params: Params;
@group(0) @binding(0) var<storage, read> rows: array<Row>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;     // [heads, 2 * max_distance + 1]
@group(0) @binding(4) var<storage, read> table: array<u32>;    // where keys and values lie

struct Place {
    row: u32,
    head: u32,
    position: u32,
    entries: u32,      // where the table's entries for its keys begin
    keys: u32,
    is_inside: bool,
}

fn locate(workgroup: vec3<u32>, local: u32) -> Place {
    var index = workgroup.x;
    var head = workgroup.y;
    if (PER_LANE) {
        let item = workgroup.x * LANES + local;
        index = item / params.heads;
        head = item % params.heads;
    }
    let is_inside = index < params.rows;
    let row = rows[min(index, params.rows - 1u)];
    if (CROSS) {
        let first = row.source * params.stride;
        return Place(index, head, row.position, first + 1u, table[first], is_inside);
    }
    return Place(index, head, row.position, row.slot * params.stride, row.position + 1u, is_inside);
}

fn query_of(local: u32) -> u32 {
    return 0u;
}

fn own(here: Place, part: u32, c: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(read_q(here.row * params.q_row4 + part * params.inner4 + here.head * D4 + c));
}

// Adds the row's own to the pool: vec4s first, first + step, ...
fn prepare(here: Place, first: u32, step: u32) {
    if (!CROSS) {
        let at = key_at(here, here.position);
        for (var c = first; c < D4; c += step) {
            write_kv(at + c, bitcast<vec4<u32>>(own(here, 1u, c)));
            write_kv(at + params.inner4 + c, bitcast<vec4<u32>>(own(here, 2u, c)));
        }
    }
}

fn load_query(here: Place, i: u32, c: u32) -> vec4<f32> {
    return own(here, 0u, c);
}

// Where the head's part of key t begins.
fn key_at(here: Place, t: u32) -> u32 {
    return table[here.entries + t] * 2u * params.inner4 + here.head * D4;
}

// The key that begins at `at`, or part 2: its value.
fn load(here: Place, at: u32, part: u32, t: u32, c: u32) -> vec4<f32> {
    // What a thread of its own appended it may read back; a branch would cost all lanes both ways.
    if (!CROSS && !PER_LANE && t == here.position) {
        return own(here, part, c);
    }
    return bitcast<vec4<f32>>(read_kv(at + (part - 1u) * params.inner4 + c));
}

fn load_key(here: Place, at: u32, t: u32, c: u32) -> vec4<f32> {
    return load(here, at, 1u, t, c);
}

fn load_value(here: Place, at: u32, t: u32, c: u32) -> vec4<f32> {
    return load(here, at, 2u, t, c);
}

fn is_visible(here: Place, i: u32, t: u32) -> bool {
    return true;
}

fn bias_of(here: Place, i: u32, t: u32) -> f32 {
    if (CROSS) {
        return 0.0;
    }
    let distance = min(i32(here.position - t), params.max_distance);
    return bias[i32(here.head) * (2 * params.max_distance + 1) + params.max_distance - distance];
}

fn store(here: Place, i: u32, c: u32, value: vec4<f32>) {
    write_out(here.row * params.inner4 + here.head * D4 + c, bitcast<vec4<u32>>(value));
}

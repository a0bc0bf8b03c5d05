// Attention of a decode step: one query a row (TQ is 1). A workgroup takes a head of a row, or where const PER_LANE is set
// each of its threads does.
// Self-attention (const CROSS is false) appends the row's key and value to the cache [capacity, slots, 2 * inner] and
// reads the history of its slot: entry t of the table [slots, capacity] is the slot that holds position t, so reordering
// beams rewrites the table and moves no key. Cross-attention reads the keys and values of the row's source,
// [sources, keys, 2 * inner], hides what the mask [sources, keys] hides, and has no bias.
// The host declares q, binding 1: [rows, q k v] or for cross-attention [rows, q]; kv, binding 2: the cache, or the sources'
// keys and values; and out, binding 5.

const MASKED: f32 = -3.0e38;

struct Params {
    q_row4: u32,       // vec4s from one query to the next
    inner4: u32,       // vec4s of all heads together
    slots: u32,
    capacity: u32,     // positions a slot
    keys: u32,         // cross: positions a source
    max_distance: i32,
    rows: u32,
    heads: u32,
    head4: u32,        // D4, for those who do not want it known
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
@group(0) @binding(4) var<storage, read> table: array<u32>;    // self: history, cross: mask

struct Place {
    row: u32,
    head: u32,
    position: u32,
    slot: u32,
    source: u32,
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
    return Place(index, head, row.position, row.slot, row.source,
                 select(row.position + 1u, params.keys, CROSS), is_inside);
}

fn query_of(local: u32) -> u32 {
    return 0u;
}

fn own(here: Place, part: u32, c: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(read_q(here.row * params.q_row4 + part * params.inner4 + here.head * D4 + c));
}

// Appends to the cache: vec4s first, first + step, ...
fn prepare(here: Place, first: u32, step: u32) {
    if (!CROSS) {
        let at = (here.position * params.slots + here.slot) * 2u * params.inner4 + here.head * D4;
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
    var entry: u32;
    if (CROSS) {
        entry = here.source * params.keys + t;
    } else {
        entry = t * params.slots + select(table[here.slot * params.capacity + t], here.slot, t == here.position);
    }
    return entry * 2u * params.inner4 + here.head * D4;
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
    return !CROSS || table[here.source * params.keys + t] != 0u;
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

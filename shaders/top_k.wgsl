// Each row's `count` largest logits with their tokens, best first and of equals the lowest token first, and what makes
// log-probabilities of them: the largest logit and the sum of exp(logit - largest) over the whole row, NaN where a logit is
// not finite. A workgroup a row.
// Twin: reference::top_k

const THREADS: u32 = 256u;
const NONE: u32 = 0xffffffffu;
const LOWEST: f32 = -3.4028234e38;
const INFINITE: u32 = 0x7f800000u;   // the bits of the least magnitude that is not finite
const NAN: u32 = 0x7fc00000u;

struct Params {
    rows: u32,
    width: u32,   // logits a row, at least as many as are to be found
    count: u32,
}

var<immediate> params: Params;
@group(0) @binding(0) var<storage, read> logits: array<f32>;          // [rows, width]
@group(0) @binding(1) var<storage, read_write> ranking: array<u32>;   // [rows, 2 + 2 * count]: largest, sum, tokens, logits

struct Entry {
    value: f32,
    index: u32,
}

var<workgroup> values: array<f32, THREADS>;
var<workgroup> indices: array<u32, THREADS>;
var<workgroup> magnitude: atomic<u32>;

fn comes_before(a: Entry, b: Entry) -> bool {
    return a.value > b.value || (a.value == b.value && a.index < b.index);
}

// Four entries, the best first; where there are fewer, the others have index NONE.
struct Best {
    values: vec4<f32>,
    indices: vec4<u32>,
}

// The best of a thread's logits, every THREADSth of the row, that come after one that was taken.
fn next_after(taken: Entry, start: u32, local: u32) -> Best {
    var v = vec4(LOWEST);
    var n = vec4(NONE);
    for (var i = local; i < params.width; i += THREADS) {
        let value = logits[start + i];
        // Later ones are not better than their equals.
        if (value > v.w && (taken.index == NONE || comes_before(taken, Entry(value, i)))) {
            if (value > v.x) {
                v = vec4(value, v.xyz);
                n = vec4(i, n.xyz);
            } else if (value > v.y) {
                v = vec4(v.x, value, v.yz);
                n = vec4(n.x, i, n.yz);
            } else if (value > v.z) {
                v = vec4(v.xy, value, v.z);
                n = vec4(n.xy, i, n.z);
            } else {
                v.w = value;
                n.w = i;
            }
        }
    }
    return Best(v, n);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let row = workgroup.y * grid.x + workgroup.x;
    if (row >= params.rows) {
        return;
    }
    let start = row * params.width;
    let out = row * (2u + 2u * params.count);
    var own = next_after(Entry(LOWEST, NONE), start, local);
    var largest = LOWEST;
    for (var rank = 0u; rank < params.count; rank++) {
        values[local] = own.values.x;
        indices[local] = own.indices.x;
        workgroupBarrier();
        for (var half = THREADS / 2u; half > 0u; half /= 2u) {
            if (local < half) {
                let other = Entry(values[local + half], indices[local + half]);
                if (comes_before(other, Entry(values[local], indices[local]))) {
                    values[local] = other.value;
                    indices[local] = other.index;
                }
            }
            workgroupBarrier();
        }
        let winner = Entry(values[0], indices[0]);
        workgroupBarrier();
        if (rank == 0u) {
            largest = winner.value;
        }
        if (local == 0u) {
            ranking[out + 2u + rank] = winner.index;
            ranking[out + 2u + params.count + rank] = bitcast<u32>(winner.value);
        }
        if (own.indices.x == winner.index) {
            own = Best(vec4(own.values.yzw, LOWEST), vec4(own.indices.yzw, NONE));
            if (own.indices.x == NONE) {
                own = next_after(winner, start, local);
            }
        }
    }
    var sum = 0.0;
    var own_magnitude = 0u;
    for (var i = local; i < params.width; i += THREADS) {
        let logit = logits[start + i];
        sum += exp(logit - largest);
        own_magnitude = max(own_magnitude, bitcast<u32>(logit) & 0x7fffffffu);
    }
    values[local] = sum;
    if (local == 0u) {
        atomicStore(&magnitude, 0u);
    }
    workgroupBarrier();
    if (own_magnitude >= INFINITE) {
        atomicStore(&magnitude, INFINITE);
    }
    workgroupBarrier();
    for (var half = THREADS / 2u; half > 0u; half /= 2u) {
        if (local < half) {
            values[local] += values[local + half];
        }
        workgroupBarrier();
    }
    if (local == 0u) {
        ranking[out] = bitcast<u32>(largest);
        ranking[out + 1u] = select(bitcast<u32>(values[0]), NAN, atomicLoad(&magnitude) >= INFINITE);
    }
}

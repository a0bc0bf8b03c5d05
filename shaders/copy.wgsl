// Copies a buffer, 16 bytes a thread: what an adapter's memory gives at most. Twin: a slice's copy

const THREADS: u32 = 256u;

struct Params {
    words: u32,   // of 16 bytes
}

var<immediate> params: Params;
@group(0) @binding(0) var<storage, read> x: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> out: array<vec4<u32>>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let i = (workgroup.y * grid.x + workgroup.x) * THREADS + local;
    if (i < params.words) {
        out[i] = x[i];
    }
}

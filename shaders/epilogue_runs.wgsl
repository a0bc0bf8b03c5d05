// How a thread of matmul_direct.wgsl finishes products of neighbouring weight rows one by one: epilogue.wgsl or
// epilogue_best.wgsl.

// RUN of them from row n on, as far as there are `columns`, where row 0's goes to out[index].
fn finish_run(index: u32, n: u32, columns: u32, low: vec4<f32>, high: vec4<f32>) {
    let y = array<f32, RUN>(low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w);
    for (var c = 0u; c < RUN; c++) { // unrolled if WRITTEN_OUT
        if (n + c < columns) {
            finish(index, n + c, y[c], y[c | 1u]);
        }
    }
}

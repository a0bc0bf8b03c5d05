// What happens to finished products: they go to texels, which the host declares, four at a time. Rows of weights come in
// multiples of RUN, rows of out begin with a texel. EPILOGUE is not BEST.

// RUN neighbouring products, from weight row n on, where row 0's goes to out[index].
fn finish_run(index: u32, n: u32, columns: u32, low: vec4<f32>, high: vec4<f32>) {
    if (EPILOGUE == GATE) {
        let gates = vec4(activate(low.x), activate(low.z), activate(high.x), activate(high.z));
        write_y((index + n / 2u) / 4u, gates * vec4(low.yw, high.yw));
    } else {
        let texel = (index + n) / 4u;
        finish_texel(texel, low);
        finish_texel(texel + 1u, high);
    }
}

fn finish_texel(texel: u32, y: vec4<f32>) {
    if (EPILOGUE == ADD) {
        write_y(texel, bitcast<vec4<f32>>(read_out(texel)) + y);
    } else if (EPILOGUE == ACTIVATE) {
        write_y(texel, vec4(activate(y.x), activate(y.y), activate(y.z), activate(y.w)));
    } else {
        write_y(texel, y);
    }
}

fn write_y(texel: u32, y: vec4<f32>) {
    write_out(texel, bitcast<vec4<u32>>(y));
}

// Nothing: the best of every few goes to a buffer.
fn finish_share(m: u32, share: u32) {
}

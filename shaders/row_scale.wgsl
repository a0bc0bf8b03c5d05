// What makes a row of x ready for a product: T5LayerNorm if const NORMALISE is set, and if const INT8 is set symmetric int8,
// round(y * 127 / max|y|). A workgroup of THREADS a row; the host declares x, as `raw`, and the gain.
// Twins: src/reference/quantize.rs and layers.rs

// Where threads are many, each of SHARES of them first adds up a share of what all have found.
const IN_SHARES: bool = THREADS > 16u;
const SHARES: u32 = select(THREADS, 8u, IN_SHARES);

// A row below it would have a scale that is no normal number, and is zero: 127 times the smallest of those.
const SMALLEST_LIMIT: f32 = 127.0 * 0x1p-126;

var<workgroup> squares: array<f32, THREADS>;
// Magnitudes by their bits, whose order is that of the floats, with NaN above all, which max of floats may drop.
var<workgroup> largest: array<u32, THREADS>;

struct RowScale {
    factor: f32,    // of what the row's products add up to: the norm's, and int8's max|y| / 127
    inverse: f32,   // int8's 127 / max|y|
}

// Vector k of a row of which x's is `y`, before the norm's factor.
fn value_of(y: vec4<f32>, k: u32) -> vec4<f32> {
    if (NORMALISE) {
        return y * bitcast<vec4<f32>>(read_gain(k));
    }
    return y;
}

fn vector_of_row(start: u32, k: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(read_raw(start + k));
}

// Vector k of the row that begins at `start`.
fn value(start: u32, k: u32) -> vec4<f32> {
    return value_of(vector_of_row(start, k), k);
}

// Four int8 of vector k of the row that begins at `start`.
fn packed_part(start: u32, k: u32, inverse: f32) -> u32 {
    return pack4xI8(vec4<i32>(round(value(start, k) * inverse)));
}

// Sixteen int8: texel t of the row that begins at `start`.
fn packed_texel(start: u32, t: u32, inverse: f32) -> vec4<u32> {
    let k = t * 4u;
    return vec4(packed_part(start, k, inverse), packed_part(start, k + 1u, inverse),
                packed_part(start, k + 2u, inverse), packed_part(start, k + 3u, inverse));
}

// Texel t of the row that begins at `start`, ready for a product.
fn ready_texel(start: u32, t: u32, inverse: f32) -> vec4<u32> {
    if (INT8) {
        return packed_texel(start, t, inverse);
    }
    return bitcast<vec4<u32>>(value(start, t));
}

// The scale of the row of `vectors` that begins at `start`; every thread of the workgroup takes part. `width` is the row's
// true width, which the norm's mean is over.
fn row_scale(start: u32, vectors: u32, width: f32, eps: f32, local: u32) -> RowScale {
    var scale = RowScale(1.0, 0.0);
    if (NORMALISE || INT8) {
        var square = 0.0;
        var most = vec4<u32>();
        for (var k = local; k < vectors; k += THREADS) {
            let y = vector_of_row(start, k);
            square += dot(y, y);
            most = max(most, bitcast<vec4<u32>>(value_of(y, k)) & vec4(0x7fffffffu));
        }
        squares[local] = square;
        largest[local] = max(max(most.x, most.y), max(most.z, most.w));
        workgroupBarrier();
        if (IN_SHARES) {
            if (local < SHARES) {
                for (var l = local + SHARES; l < THREADS; l += SHARES) {
                    squares[local] += squares[l];
                    largest[local] = max(largest[local], largest[l]);
                }
            }
            workgroupBarrier();
        }
        var sum = 0.0;
        var limit_bits = 0u;
        for (var l = 0u; l < SHARES; l++) {
            sum += squares[l];
            limit_bits = max(limit_bits, largest[l]);
        }
        let limit = bitcast<f32>(limit_bits);
        if (NORMALISE) {
            scale.factor = inverseSqrt(sum / width + eps);
        }
        if (INT8) {
            scale.inverse = select(127.0 / limit, 0.0, limit < SMALLEST_LIMIT);
            scale.factor *= limit / 127.0;
        }
    }
    return scale;
}

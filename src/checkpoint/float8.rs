//! The values of the 256 codes of each kind of 8-bit float.

/// `float8_e4m3fn`
pub(super) static E4M3: [f32; 256] = table(3, 7, Specials::OneNan);
/// `float8_e5m2`
pub(super) static E5M2: [f32; 256] = table(2, 15, Specials::Ieee);
/// `float8_e4m3fnuz`
pub(super) static E4M3_FNUZ: [f32; 256] = table(3, 8, Specials::NoNegativeZero);
/// `float8_e5m2fnuz`
pub(super) static E5M2_FNUZ: [f32; 256] = table(2, 16, Specials::NoNegativeZero);

/// Which codes are no finite number.
#[derive(Clone, Copy)]
enum Specials {
    /// The largest exponent: infinity, and NaN with a mantissa.
    Ieee,
    /// The largest code of either sign is NaN.
    OneNan,
    /// What would be negative zero is NaN.
    NoNegativeZero,
}

const fn table(mantissa_bits: u32, bias: i32, specials: Specials) -> [f32; 256] {
    let mut values = [0.0; 256];
    let mut code = 0;
    while code < 256 {
        values[code] = value(code as u8, mantissa_bits, bias, specials);
        code += 1;
    }
    values
}

const fn value(code: u8, mantissa_bits: u32, bias: i32, specials: Specials) -> f32 {
    let magnitude = code & 0x7f;
    let exponent = (magnitude >> mantissa_bits) as i32;
    let steps = 1u8 << mantissa_bits;
    let mantissa = magnitude & (steps - 1);
    let is_special = match specials {
        Specials::Ieee => exponent == 0x7f >> mantissa_bits,
        Specials::OneNan => magnitude == 0x7f,
        Specials::NoNegativeZero => code == 0x80,
    };
    let absolute = match (is_special, specials) {
        (true, Specials::Ieee) if mantissa == 0 => f32::INFINITY,
        (true, _) => return f32::NAN,
        // Without an exponent there is no leading one, and the step is that of exponent one.
        (false, _) if exponent == 0 => {
            mantissa as f32 * power_of_two(1 - bias - mantissa_bits as i32)
        }
        (false, _) => {
            (steps + mantissa) as f32 * power_of_two(exponent - bias - mantissa_bits as i32)
        }
    };
    if code < 0x80 { absolute } else { -absolute }
}

/// `2^exponent`, a normal f32.
const fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits(((exponent + 127) as u32) << 23)
}

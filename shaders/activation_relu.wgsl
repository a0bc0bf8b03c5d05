// The feed-forward's non-linearity of the first T5. Twin: src/reference/activation.rs

fn activate(x: f32) -> f32 {
    // max may take 0 for NaN, which must not get lost; by its bits, as drivers may take it that no float is NaN.
    return select(max(x, 0.0), x, (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u);
}

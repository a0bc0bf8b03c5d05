// The feed-forward's non-linearity of the first T5. Twin: src/reference/activation.rs

fn activate(x: f32) -> f32 {
    return max(x, 0.0);
}

// The feed-forward's non-linearity "gelu_new", that of T5 1.1 and later. Twin: src/reference/activation.rs

// tanh that does not overflow for large arguments on any driver.
fn safe_tanh(x: f32) -> f32 {
    let e = exp(-2.0 * abs(x));
    let magnitude = (1.0 - e) / (1.0 + e);
    return select(magnitude, -magnitude, x < 0.0);
}

fn activate(x: f32) -> f32 {
    return 0.5 * x * (1.0 + safe_tanh(0.7978845608 * (x + 0.044715 * x * x * x)));
}

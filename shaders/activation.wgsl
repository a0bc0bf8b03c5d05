// The feed-forward's non-linearities; const ACTIVATION chooses one. Twin: src/reference/activation.rs

const RELU: u32 = 0u;
const GELU: u32 = 1u;
const GELU_NEW: u32 = 2u;
const SILU: u32 = 3u;

// erf to f32 accuracy: the Maclaurin series near zero, else by way of erfc, fitted as in Numerical Recipes (erfcc,
// relative error below 1.2e-7).
fn erf(x: f32) -> f32 {
    let a = abs(x);
    if (a < 0.75) {
        let s = x * x;
        var term = x;
        var sum = x;
        for (var n = 1u; n < 12u; n++) {
            term *= -s / f32(n);
            sum += term / f32(2u * n + 1u);
        }
        return 1.1283791671 * sum;
    }
    let t = 1.0 / (1.0 + 0.5 * a);
    let p = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806
        + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
    let erfc = t * exp(-a * a + p);
    return select(1.0 - erfc, erfc - 1.0, x < 0.0);
}

// tanh that does not overflow for large arguments on any driver.
fn safe_tanh(x: f32) -> f32 {
    let e = exp(-2.0 * abs(x));
    let magnitude = (1.0 - e) / (1.0 + e);
    return select(magnitude, -magnitude, x < 0.0);
}

fn activate(x: f32) -> f32 {
    switch ACTIVATION {
        case GELU: {
            return 0.5 * x * (1.0 + erf(x * 0.70710678));
        }
        case GELU_NEW: {
            return 0.5 * x * (1.0 + safe_tanh(0.7978845608 * (x + 0.044715 * x * x * x)));
        }
        case SILU: {
            return x / (1.0 + exp(-x));
        }
        default: {
            return max(x, 0.0);
        }
    }
}

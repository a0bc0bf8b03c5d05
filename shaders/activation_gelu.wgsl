// The feed-forward's non-linearity "gelu". Twin: src/reference/activation.rs

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

fn activate(x: f32) -> f32 {
    return 0.5 * x * (1.0 + erf(x * 0.70710678));
}

// Input as it is.

// What the sums of a row of x are multiplied by.
fn factor_of_input(row: u32) -> f32 {
    return 1.0;
}

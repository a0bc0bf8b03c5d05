//! `t5-gpu`: parse, run the command, print the error; nothing else.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    widen_software_vectors();
    cli::main()
}

/// Lets Mesa's software adapter use all of a CPU's vectors: it takes half of AVX-512's unless this variable says otherwise.
fn widen_software_vectors() {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512bw") && std::env::var_os("LP_NATIVE_VECTOR_WIDTH").is_none()
    {
        // SAFETY: no other thread runs yet that could read the environment.
        unsafe { std::env::set_var("LP_NATIVE_VECTOR_WIDTH", "512") };
    }
}

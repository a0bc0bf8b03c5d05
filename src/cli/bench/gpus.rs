//! What well-known GPUs can do at most, as their makers publish it.

/// A GPU by its limits.
#[derive(Clone, Debug)]
pub struct GpuFigures {
    pub name: String,
    /// Memory bandwidth, GB/s.
    pub gb_s: f64,
    /// f32 arithmetic, TFLOP/s.
    pub tflop_s: f64,
    /// What a dispatch costs after the one before it, microseconds: an assumption, by kind of GPU.
    pub dispatch_us: f64,
    /// Whether it multiplies and adds four int8 in the time of one f32.
    pub int8_dot: bool,
}

/// Name, GB/s, TFLOP/s, microseconds a dispatch, int8 dot product. Bandwidth and peak f32 rates are those of the makers'
/// data sheets (boost clocks); those of RDNA 3 count both halves of its dual issue, as AMD does.
const KNOWN: [(&str, f64, f64, f64, bool); 16] = [
    ("NVIDIA GeForce GTX 1060 6GB", 192.0, 4.4, 5.0, true),
    ("NVIDIA GeForce RTX 2060", 336.0, 6.5, 4.0, true),
    ("NVIDIA GeForce RTX 3060", 360.0, 12.7, 4.0, true),
    ("NVIDIA GeForce RTX 3090", 936.0, 35.6, 4.0, true),
    ("NVIDIA GeForce RTX 4090", 1008.0, 82.6, 3.0, true),
    ("NVIDIA A100 40GB", 1555.0, 19.5, 4.0, true),
    ("NVIDIA H100 SXM", 3350.0, 67.0, 3.0, true),
    ("AMD Radeon RX 580", 256.0, 6.2, 5.0, false),
    ("AMD Radeon RX Vega 64", 484.0, 12.7, 5.0, false),
    ("AMD Radeon RX 6800 XT", 512.0, 20.7, 4.0, true),
    ("AMD Radeon RX 7900 XTX", 960.0, 61.4, 4.0, true),
    ("Intel Arc A770 16GB", 560.0, 19.7, 5.0, true),
    ("Intel Iris Xe (96 units)", 68.0, 2.5, 8.0, true),
    ("Apple M1", 68.0, 2.6, 8.0, false),
    ("Apple M1 Max", 400.0, 10.4, 8.0, false),
    ("Apple M3 Max (40 cores)", 400.0, 14.2, 8.0, false),
];

/// All of them.
pub fn known() -> Vec<GpuFigures> {
    KNOWN
        .into_iter()
        .map(|(name, gb_s, tflop_s, dispatch_us, int8_dot)| GpuFigures {
            name: name.to_owned(),
            gb_s,
            tflop_s,
            dispatch_us,
            int8_dot,
        })
        .collect()
}

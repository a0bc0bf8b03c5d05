//! Rows of the embedding by token id: `shaders/embed.wgsl`.

use super::matrix::layout_wgsl;
use super::{Matrix, WeightDType, grid};
use crate::gpu::{Access, Binding, Buffer, Gpu, Kernel, Plan, Resource, Target, Texels};

const BINDINGS: &[Access] = &[
    Access::Read,
    Access::ReadTexels,
    Access::Read,
    Access::WriteTexels,
];

fn kernel(target: Target, dtype: WeightDType) -> Kernel {
    let (layout, layout_constants) = layout_wgsl(target);
    Kernel {
        name: "embed",
        constants: format!(
            "{layout_constants}const SCALED: bool = {};\n{}{}",
            dtype == WeightDType::Int8,
            target.wgsl_to_read(1, "weights"),
            target.wgsl_to_write(3, "out")
        ),
        parts: vec![
            dtype.wgsl(),
            layout,
            include_str!("../../shaders/embed.wgsl"),
        ],
        bindings: BINDINGS.to_vec(),
    }
}

pub(super) fn variants() -> Vec<Kernel> {
    let of = |target| WeightDType::ALL.map(|dtype| kernel(target, dtype));
    Target::ALL.into_iter().flat_map(of).collect()
}

#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Params {
    rows: u32,
    id_stride: u32,
    first: u32,
    count: u32,
    width4: u32,
}

/// Copies `table[ids[i * id_stride]]` to row i of `out`, as f32.
pub struct Embed {
    parts: Vec<(Binding, u32, u32)>,
    dtype: WeightDType,
    width: usize,
    id_stride: usize,
    max_rows: usize,
}

impl Embed {
    /// `ids`: u32s, `id_stride` apart; `out`: `[rows, table.width()]`. Ids must be below `table.rows()`: the caller checks.
    pub fn new(gpu: &Gpu, ids: &Buffer, id_stride: usize, table: &Matrix, out: &Texels) -> Embed {
        let max_rows =
            (out.size() as usize / (table.width * 4)).min(ids.size() as usize / (4 * id_stride));
        let parts = table
            .parts
            .iter()
            .map(|part| {
                // Without scales nothing reads theirs; any buffer will do.
                let scales = part.scales.as_ref().unwrap_or(ids);
                let resources: [Resource<'_>; 4] = [
                    ids.into(),
                    (&part.weights).into(),
                    scales.into(),
                    out.into(),
                ];
                let binding = gpu.bind(BINDINGS, &resources);
                (binding, part.first as u32, part.rows as u32)
            })
            .collect();
        Embed {
            parts,
            dtype: table.dtype,
            width: table.width,
            id_stride,
            max_rows,
        }
    }

    /// Looks up the first `rows` ids.
    pub fn record(&self, gpu: &Gpu, rows: usize, plan: &mut Plan) {
        assert!(
            rows <= self.max_rows,
            "embed: {rows} rows, room for {}",
            self.max_rows
        );
        let pipeline = gpu.pipeline(&kernel(gpu.target(), self.dtype));
        for (binding, first, count) in &self.parts {
            let params = Params {
                rows: rows as u32,
                id_stride: self.id_stride as u32,
                first: *first,
                count: *count,
                width4: self.width as u32 / 4,
            };
            plan.push(pipeline.clone(), binding, params, grid(gpu, rows));
        }
    }
}

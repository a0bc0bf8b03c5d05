//! Work described apart from work encoded: a [`Plan`] is a list of dispatches that can be run again and again.

use std::sync::Arc;

use super::kernel::IMMEDIATES_BYTES;
use super::{Access, Buffer, Gpu, Pipeline, Readback};
use crate::Result;

/// Buffers bound to a kernel's bindings; made once, used by every dispatch over the same buffers.
#[derive(Clone)]
pub struct Binding(wgpu::BindGroup);

struct Dispatch {
    pipeline: Arc<Pipeline>,
    binding: Binding,
    immediates: [u8; IMMEDIATES_BYTES as usize],
    immediates_len: usize,
    workgroups: [u32; 3],
}

/// Dispatches in order; each sees what those before it wrote.
#[derive(Default)]
pub struct Plan {
    dispatches: Vec<Dispatch>,
}

impl Plan {
    /// Appends a dispatch. `immediates` is the kernel's `Params`.
    pub fn push<P: bytemuck::NoUninit>(
        &mut self,
        pipeline: Arc<Pipeline>,
        binding: &Binding,
        immediates: P,
        workgroups: [u32; 3],
    ) {
        let bytes = bytemuck::bytes_of(&immediates);
        let mut padded = [0; IMMEDIATES_BYTES as usize];
        padded[..bytes.len()].copy_from_slice(bytes);
        self.dispatches.push(Dispatch {
            pipeline,
            binding: binding.clone(),
            immediates: padded,
            immediates_len: bytes.len(),
            workgroups,
        });
    }

    /// Forgets the dispatches, keeps the memory.
    pub fn clear(&mut self) {
        self.dispatches.clear();
    }

    /// Number of dispatches.
    pub fn len(&self) -> usize {
        self.dispatches.len()
    }

    /// Whether there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.dispatches.is_empty()
    }
}

impl Gpu {
    /// Binds whole buffers to bindings 0.. of kernels that access them as `accesses` says.
    pub fn bind(&self, accesses: &'static [Access], buffers: &[&Buffer]) -> Binding {
        assert_eq!(accesses.len(), buffers.len());
        let entries: Vec<_> = (0..)
            .zip(buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding,
                resource: buffer.raw.as_entire_binding(),
            })
            .collect();
        Binding(self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &self.layout(accesses).bind_group,
            entries: &entries,
        }))
    }

    /// Runs the plan in one compute pass and one submit; with a readback, waits and brings back the first `elements` f32
    /// of a buffer.
    ///
    /// # Errors
    /// [`crate::Error::Gpu`] with what the driver said.
    pub fn run(
        &self,
        plan: &Plan,
        readback: Option<(&Buffer, usize, &mut Readback)>,
    ) -> Result<()> {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            let mut current = None;
            for dispatch in &plan.dispatches {
                let pipeline = Arc::as_ptr(&dispatch.pipeline);
                if current != Some(pipeline) {
                    pass.set_pipeline(&dispatch.pipeline.raw);
                    current = Some(pipeline);
                }
                pass.set_bind_group(0, &dispatch.binding.0, &[]);
                pass.set_immediates(0, &dispatch.immediates[..dispatch.immediates_len]);
                let [x, y, z] = dispatch.workgroups;
                pass.dispatch_workgroups(x, y, z);
            }
        }
        if let Some((source, elements, readback)) = &readback {
            readback.record(&mut encoder, source, *elements);
        }
        self.queue.submit([encoder.finish()]);
        if let Some((_, elements, readback)) = readback {
            readback.fetch(&self.device, elements)?;
        }
        self.check()
    }
}

//! Work described apart from work encoded: a [`Plan`] is a list of dispatches that can be run again and again.

use std::sync::Arc;

use super::kernel::IMMEDIATES_BYTES;
use super::texels::{Place, copy};
use super::{Access, Buffer, Gpu, Pipeline, Readback, Target, Texels};
use crate::Result;

/// What a kernel's binding can be given.
#[derive(Clone, Copy)]
pub enum Resource<'a> {
    /// For [`Access::Read`] and [`Access::ReadWrite`].
    Buffer(&'a Buffer),
    /// For [`Access::ReadTexels`], [`Access::WriteTexels`] and [`Access::ReadWriteTexels`].
    Texels(&'a Texels),
}

impl Resource<'_> {
    /// Its size in bytes.
    pub fn bytes(self) -> u64 {
        match self {
            Resource::Buffer(buffer) => buffer.size(),
            Resource::Texels(texels) => texels.size(),
        }
    }

    /// Whether kernels for this kind of adapter reach it as texels: those of others take texels for a buffer too.
    pub fn is_texels(self, target: Target) -> bool {
        matches!(
            (self, target),
            (Resource::Texels(_), Target::Software { .. })
        )
    }
}

impl<'a> From<&'a Buffer> for Resource<'a> {
    fn from(buffer: &'a Buffer) -> Self {
        Resource::Buffer(buffer)
    }
}

impl<'a> From<&'a Texels> for Resource<'a> {
    fn from(texels: &'a Texels) -> Self {
        Resource::Texels(texels)
    }
}

/// Buffers bound to a kernel's bindings; made once, used by every dispatch over the same buffers.
#[derive(Clone)]
pub struct Binding(wgpu::BindGroup);

enum Step {
    Dispatch(Dispatch),
    Copy {
        from: Place,
        to: Place,
        texels: u64,
    },
    /// What comes after goes to the device in a submit of its own.
    Cut,
}

pub(super) struct Dispatch {
    pub(super) pipeline: Arc<Pipeline>,
    binding: Binding,
    immediates: [u8; IMMEDIATES_BYTES as usize],
    immediates_len: usize,
    workgroups: [u32; 3],
}

/// Dispatches (and copies) in order; each sees what those before it wrote.
#[derive(Default)]
pub struct Plan {
    steps: Vec<Step>,
    /// Multiplications since the last cut.
    work: u64,
}

/// Multiplications of one submit, about: a tenth of a second of a small GPU.
const WORK_A_SUBMIT: u64 = 50_000_000_000;

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
        self.steps.push(Step::Dispatch(Dispatch {
            pipeline,
            binding: binding.clone(),
            immediates: padded,
            immediates_len: bytes.len(),
            workgroups,
        }));
    }

    /// Appends a copy of all of `from` to the start of `to`, which has room for it. It splits the compute pass: not for
    /// decode steps.
    pub fn push_copy(&mut self, from: &Texels, to: &Texels) {
        assert!(from.len() <= to.len());
        self.steps.push(Step::Copy {
            from: from.place.clone(),
            to: to.place.clone(),
            texels: from.len(),
        });
    }

    /// Ends a submit here: systems take a GPU back from whoever keeps it busy for a second or two with one.
    pub fn push_cut(&mut self) {
        self.steps.push(Step::Cut);
        self.work = 0;
    }

    /// Number of cuts.
    pub fn cuts(&self) -> usize {
        let is_cut = |step: &&Step| matches!(step, Step::Cut);
        self.steps.iter().filter(is_cut).count()
    }

    /// Counts what was appended as so many multiplications, and makes a cut where they have become many.
    pub fn add_work(&mut self, multiplications: u64) {
        self.work = self.work.saturating_add(multiplications);
        if self.work > WORK_A_SUBMIT {
            self.push_cut();
        }
    }

    /// Forgets the steps, keeps the memory.
    pub fn clear(&mut self) {
        self.steps.clear();
        self.work = 0;
    }

    /// Number of steps.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl Gpu {
    /// Binds whole buffers and texels to bindings 0.. of kernels that access them as `accesses` says.
    pub fn bind<'a, R>(&self, accesses: &[Access], resources: &[R]) -> Binding
    where
        R: Copy + Into<Resource<'a>>,
    {
        assert_eq!(accesses.len(), resources.len());
        let entries: Vec<_> = (0..)
            .zip(resources)
            .map(|(binding, resource)| wgpu::BindGroupEntry {
                binding,
                resource: match (*resource).into() {
                    Resource::Buffer(buffer) => buffer.raw.as_entire_binding(),
                    Resource::Texels(texels) => match &texels.place {
                        Place::Buffer(buffer) => buffer.as_entire_binding(),
                        Place::Texture(view) => wgpu::BindingResource::TextureView(view),
                    },
                },
            })
            .collect();
        Binding(self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &self.layout(accesses).bind_group,
            entries: &entries,
        }))
    }

    /// Runs the plan, in one submit where it has no cuts and in one compute pass where it has no copies either; with a
    /// readback, waits and brings back the first `elements` f32 of a buffer.
    ///
    /// # Errors
    /// [`crate::Error::Gpu`] with what the driver said.
    pub fn run(
        &self,
        plan: &Plan,
        readback: Option<(&Buffer, usize, &mut Readback)>,
    ) -> Result<()> {
        match readback {
            Some((source, elements, readback)) => {
                self.submit(plan, 1, [(source, elements, readback)])?;
                self.finish(readback)
            }
            None => {
                let encoder = self.encode(plan, 1)?;
                self.queue.submit([encoder.finish()]);
                self.check()
            }
        }
    }

    /// Encodes the plan `times` times over. What is before a cut and, while profiling, every dispatch is run at once.
    pub(super) fn encode(&self, plan: &Plan, times: usize) -> Result<wgpu::CommandEncoder> {
        let mut profile = self.profile.lock().unwrap();
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let mut steps = std::iter::repeat_n(&plan.steps, times).flatten().peekable();
        while let Some(step) = steps.peek() {
            match step {
                Step::Copy { from, to, texels } => {
                    copy(&mut encoder, from, 0, to, 0, *texels);
                    steps.next();
                }
                Step::Cut => {
                    self.submit_before(&mut encoder);
                    steps.next();
                }
                Step::Dispatch(_) => {
                    let mut pass = profile
                        .is_none()
                        .then(|| encoder.begin_compute_pass(&Default::default()));
                    let mut current = None;
                    let mut measured = Vec::new();
                    while let Some(Step::Dispatch(dispatch)) =
                        steps.next_if(|step| matches!(step, Step::Dispatch(_)))
                    {
                        match &mut pass {
                            Some(pass) => dispatch.encode(pass, &mut current),
                            None => measured.push(dispatch),
                        }
                    }
                    drop(pass);
                    if let Some(profile) = profile.as_mut() {
                        self.submit_before(&mut encoder);
                        self.run_profiled(&measured, profile)?;
                    }
                }
            }
        }
        Ok(encoder)
    }

    /// Submits what has been encoded and leaves an empty encoder.
    fn submit_before(&self, encoder: &mut wgpu::CommandEncoder) {
        let next = self.device.create_command_encoder(&Default::default());
        self.queue
            .submit([std::mem::replace(encoder, next).finish()]);
    }
}

impl Dispatch {
    /// `current` is the pipeline that the pass has set.
    pub(super) fn encode(
        &self,
        pass: &mut wgpu::ComputePass<'_>,
        current: &mut Option<*const Pipeline>,
    ) {
        let pipeline = Arc::as_ptr(&self.pipeline);
        if *current != Some(pipeline) {
            pass.set_pipeline(self.pipeline.raw());
            *current = Some(pipeline);
        }
        pass.set_bind_group(0, &self.binding.0, &[]);
        pass.set_immediates(0, &self.immediates[..self.immediates_len]);
        let [x, y, z] = self.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
}

//! A kernel is WGSL with a name; a pipeline is that kernel compiled for the device, made once and kept.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock, OnceLock, PoisonError, mpsc};

use super::texels::FORMAT;
use super::unroll::unroll;
use super::{Gpu, Target};

/// What lies at a kernel's binding and how the kernel uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// A storage buffer, read alone.
    Read,
    /// A storage buffer, read and written.
    ReadWrite,
    /// [`super::Texels`], read alone.
    ReadTexels,
    /// [`super::Texels`], written alone.
    WriteTexels,
    /// [`super::Texels`], read and written.
    ReadWriteTexels,
}

impl Access {
    fn binding_type(self, target: Target) -> wgpu::BindingType {
        let texture = |access| wgpu::BindingType::StorageTexture {
            access,
            format: FORMAT,
            view_dimension: wgpu::TextureViewDimension::D2,
        };
        let buffer = |read_only| wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only },
            has_dynamic_offset: false,
            min_binding_size: None,
        };
        match (self, target) {
            (Access::ReadTexels, Target::Software { .. }) => {
                texture(wgpu::StorageTextureAccess::ReadOnly)
            }
            (Access::WriteTexels, Target::Software { .. }) => {
                texture(wgpu::StorageTextureAccess::WriteOnly)
            }
            (Access::ReadWriteTexels, Target::Software { .. }) => {
                texture(wgpu::StorageTextureAccess::ReadWrite)
            }
            (Access::Read | Access::ReadTexels, _) => buffer(true),
            (Access::ReadWrite | Access::WriteTexels | Access::ReadWriteTexels, _) => buffer(false),
        }
    }
}

/// One variant of a kernel. Kernels whose bindings agree share bind groups.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The WGSL file's name, for profiles and labels.
    pub name: &'static str,
    /// The constants that make this variant, as WGSL declarations.
    pub constants: String,
    /// WGSL parts that follow the constants.
    pub parts: Vec<&'static str>,
    /// Bindings 0.. of group 0.
    pub bindings: Vec<Access>,
}

impl Kernel {
    /// A kernel of one file and one variant.
    pub fn single(name: &'static str, wgsl: &'static str, bindings: &'static [Access]) -> Kernel {
        Kernel {
            name,
            constants: String::new(),
            parts: vec![wgsl],
            bindings: bindings.to_vec(),
        }
    }

    /// The whole WGSL text, loops that are marked `// unrolled` written out.
    pub fn source(&self) -> String {
        let mut source = self.constants.clone();
        for part in &self.parts {
            source.push_str(part);
            source.push('\n');
        }
        unroll(&source)
    }
}

/// What a kernel's source is made of: constants and parts. Making it takes as long as a short step on a GPU.
pub(super) type Key = (String, Vec<&'static str>);

/// Bytes of immediates (push constants) a kernel's `Params` may have: every backend offers these.
pub(super) const IMMEDIATES_BYTES: u32 = 64;

/// A kernel that is compiled, or is being compiled by [`COMPILERS`].
pub struct Pipeline {
    pub(super) name: &'static str,
    raw: OnceLock<wgpu::ComputePipeline>,
}

impl Pipeline {
    /// The compiled kernel; waits for it.
    pub(super) fn raw(&self) -> &wgpu::ComputePipeline {
        self.raw.wait()
    }
}

/// Threads that compile kernels, so that those that one plan asks for are compiled side by side.
static COMPILERS: LazyLock<rayon::ThreadPool> = LazyLock::new(|| {
    rayon::ThreadPoolBuilder::new()
        .thread_name(|index| format!("t5-gpu compiler {index}"))
        // Drivers were written for the stacks of main threads.
        .stack_size(8 << 20)
        .build()
        .expect("the system has threads")
});

#[derive(Clone)]
pub(super) struct Layout {
    pub(super) bind_group: wgpu::BindGroupLayout,
    pipeline: wgpu::PipelineLayout,
}

impl Gpu {
    /// The compiled form of `kernel`. Compilation begins at its first use and goes on beside whatever follows, until
    /// a plan with it is run.
    pub fn pipeline(&self, kernel: &Kernel) -> Arc<Pipeline> {
        let key = (kernel.constants.clone(), kernel.parts.clone());
        let mut pipelines = self.pipelines.lock().unwrap();
        if let Some(pipeline) = pipelines.get(&key) {
            return pipeline.clone();
        }
        let source = kernel.source();
        let pipeline = Arc::new(Pipeline {
            name: kernel.name,
            raw: OnceLock::new(),
        });
        pipelines.insert(key, pipeline.clone());
        let (device, checked) = (self.device.clone(), self.checked_shaders);
        let compiling = self.compiling.lock().unwrap().0.clone();
        let layout = self.layout(&kernel.bindings).pipeline;
        let compiled = pipeline.clone();
        COMPILERS.spawn(move || {
            let raw = compile(&device, compiled.name, &source, &layout, checked);
            assert!(compiled.raw.set(raw).is_ok(), "compiled once");
            drop((device, layout, compiled));
            drop(compiling);
        });
        pipeline
    }

    pub(super) fn layout(&self, bindings: &[Access]) -> Layout {
        self.layouts
            .lock()
            .unwrap()
            .entry(bindings.to_vec())
            .or_insert_with(|| {
                let entries: Vec<_> = (0..)
                    .zip(bindings)
                    .map(|(binding, access)| wgpu::BindGroupLayoutEntry {
                        binding,
                        visibility: wgpu::ShaderStages::COMPUTE,
                        ty: access.binding_type(self.target),
                        count: None,
                    })
                    .collect();
                let bind_group =
                    self.device
                        .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                            label: None,
                            entries: &entries,
                        });
                let pipeline =
                    self.device
                        .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                            label: None,
                            bind_group_layouts: &[Some(&bind_group)],
                            immediate_size: IMMEDIATES_BYTES,
                        });
                Layout {
                    bind_group,
                    pipeline,
                }
            })
            .clone()
    }
}

impl Drop for Gpu {
    /// Waits for kernels that are still being compiled: the last to let go of the device unloads its driver, and that must
    /// not happen in another thread while the process ends.
    fn drop(&mut self) {
        let channel = self.compiling.get_mut();
        let (sender, receiver) = std::mem::replace(
            channel.unwrap_or_else(PoisonError::into_inner),
            mpsc::channel(),
        );
        drop(sender);
        // Nothing is ever sent: this is told that all senders are gone.
        let _ = receiver.recv();
    }
}

fn compile(
    device: &wgpu::Device,
    name: &str,
    source: &str,
    layout: &wgpu::PipelineLayout,
    checked: bool,
) -> wgpu::ComputePipeline {
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(name),
        source: wgpu::ShaderSource::Wgsl(Cow::Borrowed(source)),
    };
    let module = if checked {
        device.create_shader_module(descriptor)
    } else {
        // SAFETY: the host half of every kernel checks the shapes of the buffers it binds against the parameters it
        // passes, so that no index leaves its buffer; every loop of our kernels counts up to a bound of that kind.
        unsafe {
            device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
        }
    };
    device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(name),
        layout: Some(layout),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants: &[],
            zero_initialize_workgroup_memory: checked,
        },
        cache: None,
    })
}

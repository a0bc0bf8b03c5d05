//! The only place that names wgpu: adapter choice, buffers, pipelines, recording, readback.

mod adapter;
mod buffer;
mod bytes;
mod environment;
mod kernel;
mod plan;
mod profile;
mod readback;
mod texels;
mod unroll;
#[cfg_attr(target_vendor = "apple", path = "no_vulkan.rs")]
mod vulkan;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

pub use adapter::{DeviceInfo, devices};
pub use buffer::Buffer;
pub use bytes::parse_bytes;
pub use kernel::{Access, Kernel, Pipeline};
pub use plan::{Binding, Plan, Resource};
pub use profile::KernelTime;
pub use readback::{Back, Readback};
pub use texels::{TEXEL_BYTES, Texels};

use crate::{Error, Result};

/// How to open a device; the default suits everyone but tests.
#[derive(Clone, Debug, Default)]
pub struct GpuOptions {
    /// Index or part of the name; `None` takes the best adapter.
    pub selector: Option<String>,
    /// Pretend that one binding reaches no further than this, so that small tensors are split as large ones are.
    pub max_binding_bytes: Option<u64>,
    /// Lay work out as for adapters of this kind, whatever the adapter is.
    pub target: Option<Target>,
    /// Check bounds in shaders, and begin them with zeroed workgroup memory; `None` does so in debug builds, and
    /// `T5_GPU_CHECKED_SHADERS` (0 or 1) says it from outside.
    pub checked_shaders: Option<bool>,
    /// Refuse to allocate more than this; `T5_GPU_MEMORY_LIMIT` sets it from outside.
    pub memory_limit: Option<u64>,
}

/// What kind of adapter kernels are laid out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Thousands of threads, fast workgroup memory.
    Hardware {
        /// Whether it multiplies and adds four int8 at a time by an instruction.
        int8_dot: bool,
    },
    /// A CPU that runs shaders: all memory is the same, and the threads of a workgroup run one after the other, but for
    /// `lanes` at a time, the numbers in a vector of it.
    Software {
        /// 4, 8 or 16.
        lanes: usize,
    },
}

impl Target {
    /// Every kind, with the widths of vectors that are common.
    pub const ALL: [Target; 4] = [
        Target::Hardware { int8_dot: true },
        Target::Hardware { int8_dot: false },
        Target::Software { lanes: 8 },
        Target::Software { lanes: 16 },
    ];

    /// Threads that run at a time in a CPU's vector; 1 where threads are more than that.
    pub fn lanes(self) -> usize {
        match self {
            Target::Hardware { .. } => 1,
            Target::Software { lanes } => lanes,
        }
    }
}

/// An open device with its queue, its compiled kernels and a count of what was allocated on it.
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: DeviceInfo,
    limits: wgpu::Limits,
    max_binding_bytes: u64,
    memory_limit: Option<u64>,
    /// Bytes that the device has, where that is known.
    memory: Option<u64>,
    target: Target,
    checked_shaders: bool,
    allocated: Arc<AtomicU64>,
    pipelines: Mutex<HashMap<kernel::Key, Arc<Pipeline>>>,
    layouts: Mutex<HashMap<Vec<Access>, kernel::Layout>>,
    /// Those who compile kernels hold a sender until they are done.
    compiling: Mutex<(Sender<()>, Receiver<()>)>,
    /// Kernel times, while profiling.
    profile: Mutex<Option<profile::Profile>>,
    /// The first error that the driver reported outside an error scope.
    failure: Arc<Mutex<Option<String>>>,
    /// Whether the device answers no more.
    lost: Arc<AtomicBool>,
}

impl Gpu {
    /// Opens the adapter that `selector` names (an index or a part of its name), or the best one.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], [`Error::UnknownDevice`], [`Error::AmbiguousDevice`], [`Error::Invalid`] for a variable of the
    /// environment that means nothing, or [`Error::Gpu`] when the driver refuses.
    pub fn open(selector: Option<&str>) -> Result<Arc<Gpu>> {
        Self::open_with(GpuOptions {
            selector: selector.map(Into::into),
            ..GpuOptions::default()
        })
    }

    /// [`Gpu::open`] with every option.
    ///
    /// # Errors
    /// As [`Gpu::open`].
    pub fn open_with(options: GpuOptions) -> Result<Arc<Gpu>> {
        let memory_limit = match options.memory_limit {
            Some(limit) => Some(limit),
            None => environment::memory_limit()?,
        };
        let checked_shaders = match options.checked_shaders {
            Some(checked) => checked,
            None => environment::checked_shaders()?,
        };
        let instance = adapter::instance();
        let (adapter, info) =
            adapter::choose(adapter::adapters(&instance), options.selector.as_deref())?;
        let limits = adapter.limits();
        let (device, queue) = open(&adapter, &limits, checked_shaders)
            .map_err(|error| Error::Gpu(format!("{} does not open: {error}", info.name)))?;

        let failure = Arc::new(Mutex::new(None));
        let first = failure.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            first
                .lock()
                .unwrap()
                .get_or_insert_with(|| one_line(&error.to_string()));
        }));
        let lost = Arc::new(AtomicBool::new(false));
        let is_lost = lost.clone();
        device.set_device_lost_callback(move |_, _| is_lost.store(true, Ordering::Relaxed));
        let max_binding_bytes = options
            .max_binding_bytes
            .unwrap_or(u64::MAX)
            .min(limits.max_storage_buffer_binding_size)
            .min(limits.max_buffer_size)
            // Kernels count bytes, four to an element, in u32.
            .min(u64::from(u32::MAX) & !15);
        let own_target = if info.is_software() && adapter::updates_textures(&adapter) {
            let lanes = adapter.get_info().subgroup_max_size as usize;
            Target::Software {
                lanes: lanes.next_power_of_two().clamp(4, 16),
            }
        } else {
            let int8_dot = match adapter.get_info().backend {
                wgpu::Backend::Vulkan => vulkan::has_int8_dot(&adapter),
                // Of the others, DirectX alone has a name for it.
                backend => backend == wgpu::Backend::Dx12,
            };
            Target::Hardware { int8_dot }
        };
        Ok(Arc::new(Gpu {
            device,
            queue,
            info,
            target: options.target.unwrap_or(own_target),
            limits,
            max_binding_bytes,
            memory_limit,
            memory: vulkan::memory(&adapter),
            checked_shaders,
            allocated: Arc::new(AtomicU64::new(0)),
            pipelines: Mutex::default(),
            layouts: Mutex::default(),
            compiling: Mutex::new(mpsc::channel()),
            profile: Mutex::default(),
            failure,
            lost,
        }))
    }

    /// The adapter that is in use.
    pub fn info(&self) -> &DeviceInfo {
        &self.info
    }

    /// What kind of adapter kernels are laid out for.
    pub fn target(&self) -> Target {
        self.target
    }

    /// Bytes in live buffers of this device.
    pub fn allocated_bytes(&self) -> u64 {
        self.allocated.load(Ordering::Relaxed)
    }

    /// Bytes that may still be allocated, where there is a limit.
    pub fn allowance_left(&self) -> Option<u64> {
        self.memory_limit
            .map(|limit| limit.saturating_sub(self.allocated_bytes()))
    }

    /// Bytes of the device that this program has not taken, as far as is known and allowed. Others may have.
    pub fn memory_left(&self) -> Option<u64> {
        let most = self.memory_limit.into_iter().chain(self.memory).min();
        most.map(|most| most.saturating_sub(self.allocated_bytes()))
    }

    /// Whether the device was lost: everything that was on it is gone, and it has to be opened again.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Loses the device, as a driver's reset or the end of a session does: to try what comes after.
    pub fn lose(&self) {
        self.device.destroy();
        self.lost.store(true, Ordering::Relaxed);
    }

    /// The most bytes that one binding, and so one buffer of ours, may have.
    pub fn max_binding_bytes(&self) -> u64 {
        self.max_binding_bytes
    }

    /// Workgroups a dispatch may have in one dimension.
    pub(crate) fn max_workgroups(&self) -> u32 {
        self.limits.max_compute_workgroups_per_dimension
    }

    /// Reports what the driver said since the last look.
    fn check(&self) -> Result<()> {
        match self.failure.lock().unwrap().take() {
            Some(message) => Err(Error::Gpu(message)),
            None => Ok(()),
        }
    }
}

/// Opens the adapter for kernels that are checked or not.
fn open(
    adapter: &wgpu::Adapter,
    limits: &wgpu::Limits,
    checked: bool,
) -> std::result::Result<(wgpu::Device, wgpu::Queue), String> {
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("t5-gpu"),
        required_features: adapter::required_features()
            | (adapter.features() & adapter::optional_features()),
        required_limits: limits.clone(),
        memory_hints: wgpu::MemoryHints::Performance,
        ..Default::default()
    };
    if !checked {
        // SAFETY: all shaders are ours and stay inside their buffers, as is said where they are compiled without checks.
        if let Some(opened) = unsafe { vulkan::open_unchecked(adapter, &descriptor) } {
            return opened;
        }
    }
    pollster::block_on(adapter.request_device(&descriptor)).map_err(|error| error.to_string())
}

/// Driver messages span lines; an error of ours has one.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

//! Which GPU: the adapters there are, in order of preference, and the choice among them.

use super::texels::FORMAT;
use crate::{Error, Result};

/// An adapter as `t5-gpu devices` lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceInfo {
    /// What `--device INDEX` takes: the place in the list, best adapter first.
    pub index: usize,
    /// The adapter's name, as its driver gives it.
    pub name: String,
    /// "vulkan", "metal" or "dx12"
    pub backend: String,
    /// "discrete", "integrated", "virtual", "software" or "other"
    pub device_type: String,
    /// The driver's name and version.
    pub driver: String,
    /// The largest buffer, bytes.
    pub max_buffer_bytes: u64,
    /// The most one shader binding can reach; larger tensors are split.
    pub max_binding_bytes: u64,
    /// Workgroup memory a kernel may use, bytes.
    pub max_workgroup_memory: u32,
    /// Threads a workgroup may have.
    pub max_workgroup_size: u32,
    /// Smallest and largest subgroup.
    pub subgroup_size: (u32, u32),
    /// The optional features that this crate can use and the adapter has.
    pub features: Vec<String>,
    /// Whether this one is used when none is named.
    pub default: bool,
}

impl DeviceInfo {
    /// Whether the "GPU" is a CPU running shaders.
    pub fn is_software(&self) -> bool {
        self.device_type == "software"
    }
}

/// Features that are used where the adapter has them.
pub(super) fn optional_features() -> wgpu::Features {
    // For profiles, and for textures that a kernel reads and writes.
    wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::TEXTURE_ADAPTER_SPECIFIC_FORMAT_FEATURES
}

/// Whether kernels may read and write one and the same [`super::Texels`] where these are textures.
pub(super) fn updates_textures(adapter: &wgpu::Adapter) -> bool {
    let flags = adapter.get_texture_format_features(FORMAT).flags;
    adapter
        .features()
        .contains(wgpu::Features::TEXTURE_ADAPTER_SPECIFIC_FORMAT_FEATURES)
        && flags.contains(wgpu::TextureFormatFeatureFlags::STORAGE_READ_WRITE)
}

/// Features without which nothing runs. Vulkan (push constants), Metal and DX12 (root constants) all have them.
pub(super) fn required_features() -> wgpu::Features {
    wgpu::Features::IMMEDIATES
}

/// Threads of the largest workgroup of any kernel.
const LARGEST_WORKGROUP: u32 = 256;

pub(super) fn instance() -> wgpu::Instance {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    descriptor.flags = wgpu::InstanceFlags::from_build_config().with_env();
    wgpu::Instance::new(descriptor)
}

/// Usable adapters with their descriptions: discrete before integrated before virtual before software.
pub(super) fn adapters(instance: &wgpu::Instance) -> Vec<(wgpu::Adapter, DeviceInfo)> {
    let mut adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    adapters.retain(|adapter| {
        adapter.features().contains(required_features())
            && adapter.limits().max_compute_invocations_per_workgroup >= LARGEST_WORKGROUP
    });
    adapters.sort_by_key(|adapter| rank(adapter.get_info().device_type));
    adapters
        .into_iter()
        .enumerate()
        .map(|(index, adapter)| {
            let info = describe(index, &adapter);
            (adapter, info)
        })
        .collect()
}

fn rank(device_type: wgpu::DeviceType) -> u8 {
    match device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

fn describe(index: usize, adapter: &wgpu::Adapter) -> DeviceInfo {
    let info = adapter.get_info();
    let limits = adapter.limits();
    let device_type = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "other",
    };
    let features = (adapter.features() & optional_features())
        .iter_names()
        .map(|(name, _)| name.to_ascii_lowercase().replace('_', "-"))
        .collect();
    DeviceInfo {
        index,
        name: info.name,
        backend: info.backend.to_string(),
        device_type: device_type.into(),
        driver: [info.driver, info.driver_info]
            .iter()
            .filter(|s| !s.is_empty())
            .cloned()
            .collect::<Vec<_>>()
            .join(" "),
        max_buffer_bytes: limits.max_buffer_size,
        max_binding_bytes: limits.max_storage_buffer_binding_size,
        max_workgroup_memory: limits.max_compute_workgroup_storage_size,
        max_workgroup_size: limits.max_compute_invocations_per_workgroup,
        subgroup_size: (info.subgroup_min_size, info.subgroup_max_size),
        features,
        default: index == 0,
    }
}

/// The adapters of this machine, best first; empty when there is none.
pub fn devices() -> Vec<DeviceInfo> {
    adapters(&instance())
        .into_iter()
        .map(|(_, info)| info)
        .collect()
}

/// The adapter that `selector` names; with none, the best.
pub(super) fn choose(
    mut adapters: Vec<(wgpu::Adapter, DeviceInfo)>,
    selector: Option<&str>,
) -> Result<(wgpu::Adapter, DeviceInfo)> {
    if adapters.is_empty() {
        return Err(Error::NoAdapter);
    }
    let position = match selector {
        None => 0,
        Some(wanted) => {
            let names: Vec<&str> = adapters
                .iter()
                .map(|(_, info)| info.name.as_str())
                .collect();
            find(&names, wanted).map_err(|several| {
                let available = adapters
                    .iter()
                    .map(|(_, info)| format!("{}: {} ({})", info.index, info.name, info.backend))
                    .collect::<Vec<_>>()
                    .join(", ");
                let wanted = wanted.to_owned();
                match several {
                    true => Error::AmbiguousDevice { wanted, available },
                    false => Error::UnknownDevice { wanted, available },
                }
            })?
        }
    };
    Ok(adapters.swap_remove(position))
}

/// The place of a name that is given by that, if it is digits, or else by a part of the name, in any case: of devices whose
/// names are the same the first. An error says whether there are several.
fn find(names: &[&str], wanted: &str) -> std::result::Result<usize, bool> {
    let wanted = wanted.trim().to_lowercase();
    if wanted.is_empty() {
        return Err(false);
    }
    if wanted.chars().all(|c| c.is_ascii_digit()) {
        let index = wanted.parse().ok();
        return index.filter(|index| *index < names.len()).ok_or(false);
    }
    let names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    if let Some(whole) = names.iter().position(|name| *name == wanted) {
        return Ok(whole);
    }
    let mut matches = (0..names.len()).filter(|&index| names[index].contains(&wanted));
    let first = matches.next().ok_or(false)?;
    match matches.all(|index| names[index] == names[first]) {
        true => Ok(first),
        false => Err(true),
    }
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn devices_are_found_by_index_or_by_part_of_their_name() {
        let names = [
            "NVIDIA GeForce RTX 4090",
            "NVIDIA GeForce RTX 4090",
            "Intel(R) Arc(tm) A770",
            "Intel(R) Arc(tm) A770M",
            "llvmpipe (LLVM 15.0.6, 256 bits)",
        ];
        let (none, several) = (Err(false), Err(true));
        for (wanted, found) in [
            ("0", Ok(0)),
            ("4", Ok(4)),
            ("04", Ok(4)),
            // Digits are never a part of a name.
            ("5", none),
            ("15", none),
            ("4090", none),
            ("99999999999999999999999", none),
            ("RTX 4090", Ok(0)),
            ("nvidia", Ok(0)),
            (" LLVMpipe ", Ok(4)),
            ("a770m", Ok(3)),
            ("a770", several),
            ("intel(r) arc(tm) a770", Ok(2)),
            ("e", several),
            ("", none),
            ("  ", none),
            ("-1", none),
            ("+1", none),
            ("quantum", none),
        ] {
            assert_eq!(find(&names, wanted), found, "{wanted:?}");
        }
    }
}

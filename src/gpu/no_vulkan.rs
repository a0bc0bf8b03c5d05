//! In place of `vulkan.rs` where wgpu has no Vulkan.

/// # Safety
/// None is needed.
pub(super) unsafe fn open_unchecked(
    _: &wgpu::Adapter,
    _: &wgpu::DeviceDescriptor<'_>,
) -> Option<Result<(wgpu::Device, wgpu::Queue), String>> {
    None
}

pub(super) fn has_int8_dot(_: &wgpu::Adapter) -> bool {
    false
}

pub(super) fn memory(_: &wgpu::Adapter) -> Option<u64> {
    None
}

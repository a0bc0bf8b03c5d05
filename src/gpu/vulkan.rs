//! What wgpu does not ask of Vulkan, asked by way of its own hardware layer.

use ash::vk;
use wgpu::hal::api::Vulkan;
use wgpu::hal::vulkan::Adapter;

/// The first family's first queue, which is wgpu's too.
const QUEUE_FAMILY: u32 = 0;
const QUEUE: u32 = 0;

/// Opens the adapter without robust buffer access, which wgpu switches on wherever there is some: drivers split the loads of
/// such a device into words with a check each. `None` where it is no adapter of Vulkan.
///
/// # Safety
/// No shader reads or writes a buffer beyond its end.
///
/// # Errors
/// What the driver says.
pub(super) unsafe fn open_unchecked(
    adapter: &wgpu::Adapter,
    descriptor: &wgpu::DeviceDescriptor<'_>,
) -> Option<Result<(wgpu::Device, wgpu::Queue), String>> {
    // SAFETY: the adapter is only asked, and is not destroyed.
    let hal = unsafe { adapter.as_hal::<Vulkan>() }?;
    let open = || {
        // SAFETY: the caller's promise.
        let device = unsafe { create(&hal, descriptor) }?;
        // SAFETY: the device was made of this adapter with the descriptor's features and limits.
        unsafe { adapter.create_device_from_hal::<Vulkan>(device, descriptor) }
            .map_err(|error| error.to_string())
    };
    Some(open())
}

/// # Safety
/// That of [`open_unchecked`].
unsafe fn create(
    adapter: &Adapter,
    descriptor: &wgpu::DeviceDescriptor<'_>,
) -> Result<wgpu::hal::OpenDevice<Vulkan>, String> {
    let features = descriptor.required_features;
    let extensions = adapter.required_device_extensions(features);
    let mut enabled = adapter.physical_device_features(&extensions, features);
    let core = vk::PhysicalDeviceFeatures {
        robust_buffer_access: vk::FALSE,
        ..enabled.get_core()
    };
    let queues = [vk::DeviceQueueCreateInfo::default()
        .queue_family_index(QUEUE_FAMILY)
        .queue_priorities(&[1.0])];
    let names: Vec<_> = extensions.iter().map(|name| name.as_ptr()).collect();
    let info = vk::DeviceCreateInfo::default()
        .queue_create_infos(&queues)
        .enabled_extension_names(&names);
    let info = enabled.add_to_device_create(info).enabled_features(&core);
    let mut next = info.p_next.cast_mut().cast::<vk::BaseOutStructure<'_>>();
    // SAFETY: the chain is that of `enabled`, which lives on and is borrowed by nobody else, and each of Vulkan's structures
    // begins with its type and the next one.
    while let Some(structure) = unsafe { next.as_mut() } {
        if structure.s_type == vk::StructureType::PHYSICAL_DEVICE_ROBUSTNESS_2_FEATURES_EXT {
            // SAFETY: the type says so.
            let robustness =
                unsafe { &mut *next.cast::<vk::PhysicalDeviceRobustness2FeaturesEXT<'_>>() };
            robustness.robust_buffer_access2 = vk::FALSE;
        }
        next = structure.p_next;
    }
    let instance = adapter.shared_instance().raw_instance();
    // SAFETY: extensions and features are those that wgpu enables, but for one that it can do without where no shader needs
    // it; the queue is the one that wgpu takes.
    let device = unsafe { instance.create_device(adapter.raw_physical_device(), &info, None) }
        .map_err(|error| error.to_string())?;
    // SAFETY: the device was made just so, and belongs to nobody else.
    unsafe {
        adapter.device_from_raw(
            device,
            None,
            &extensions,
            features,
            &descriptor.required_limits,
            &descriptor.memory_hints,
            QUEUE_FAMILY,
            QUEUE,
        )
    }
    .map_err(|error| error.to_string())
}

/// Whether the device has an instruction for the sum of four products of int8. Others spell it out, in many.
pub(super) fn has_int8_dot(adapter: &wgpu::Adapter) -> bool {
    // SAFETY: the adapter is only asked, and is not destroyed.
    let Some(hal) = (unsafe { adapter.as_hal::<Vulkan>() }) else {
        return false;
    };
    // Drivers leave alone what they do not know.
    let mut dot = vk::PhysicalDeviceShaderIntegerDotProductProperties::default();
    let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut dot);
    let instance = hal.shared_instance();
    if instance.instance_api_version() < vk::API_VERSION_1_1 {
        return false;
    }
    // SAFETY: both are the adapter's own, of an instance that has the function.
    unsafe {
        let physical = hal.raw_physical_device();
        let instance = instance.raw_instance();
        instance.get_physical_device_properties2(physical, &mut properties);
    }
    dot.integer_dot_product4x8_bit_packed_signed_accelerated == vk::TRUE
}

/// Bytes of the largest memory that is the device's own.
pub(super) fn memory(adapter: &wgpu::Adapter) -> Option<u64> {
    // SAFETY: the adapter is only asked, and is not destroyed.
    let hal = unsafe { adapter.as_hal::<Vulkan>() }?;
    let instance = hal.shared_instance().raw_instance();
    // SAFETY: the adapter's own, of this instance.
    let memory =
        unsafe { instance.get_physical_device_memory_properties(hal.raw_physical_device()) };
    let is_own = |heap: &&vk::MemoryHeap| heap.flags.contains(vk::MemoryHeapFlags::DEVICE_LOCAL);
    let heaps = memory.memory_heaps_as_slice().iter();
    heaps.filter(is_own).map(|heap| heap.size).max()
}

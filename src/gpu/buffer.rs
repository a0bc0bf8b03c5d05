//! Buffers on the device, counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Gpu;
use crate::{Error, Result};

/// A storage buffer; its bytes count towards [`Gpu::allocated_bytes`] until it is dropped.
pub struct Buffer {
    pub(super) raw: wgpu::Buffer,
    allocated: Arc<AtomicU64>,
}

impl Buffer {
    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.raw.size()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.allocated.fetch_sub(self.raw.size(), Ordering::Relaxed);
    }
}

impl Gpu {
    /// A zeroed storage buffer of `bytes` (rounded up to 16), for the purpose that `label` names.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond a binding's reach, beyond the memory limit, or when the device is out of memory.
    pub fn buffer(&self, label: &str, bytes: u64) -> Result<Buffer> {
        let buffer = self.create(label, bytes, false)?;
        self.check()?;
        Ok(buffer)
    }

    /// A storage buffer that holds `data`.
    ///
    /// # Errors
    /// As [`Gpu::buffer`].
    pub fn buffer_from<T: bytemuck::NoUninit>(&self, label: &str, data: &[T]) -> Result<Buffer> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        self.buffer_filled(label, bytes.len() as u64, |write| write(0, bytes))
    }

    /// A storage buffer that `fill` writes piece by piece, by offset; what it leaves out is zero.
    ///
    /// # Errors
    /// As [`Gpu::buffer`].
    pub fn buffer_filled(
        &self,
        label: &str,
        bytes: u64,
        fill: impl FnOnce(&mut dyn FnMut(u64, &[u8])),
    ) -> Result<Buffer> {
        let buffer = self.create(label, bytes, true)?;
        self.check()?;
        fill_mapped(label, &buffer.raw, fill)?;
        Ok(buffer)
    }

    /// Whether `what`, `bytes` in all, may be allocated; asked before work that would fail halfway.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond the memory limit.
    pub fn check_room(&self, what: &str, bytes: u64) -> Result<()> {
        match self.allowance_left() {
            Some(available) if bytes > available => Err(too_large(what, bytes, available)),
            _ => Ok(()),
        }
    }

    fn create(&self, label: &str, bytes: u64, mapped: bool) -> Result<Buffer> {
        let size = bytes.next_multiple_of(16).max(16);
        if size > self.max_binding_bytes {
            return Err(too_large(label, size, self.max_binding_bytes));
        }
        self.check_room(label, size)?;
        let raw = self.guarded(label, size, || {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size,
                usage: wgpu::BufferUsages::STORAGE
                    | wgpu::BufferUsages::COPY_SRC
                    | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: mapped,
            })
        })?;
        self.allocated.fetch_add(size, Ordering::Relaxed);
        Ok(Buffer {
            raw,
            allocated: self.allocated.clone(),
        })
    }

    /// Makes something of `bytes` on the device, with an error that says what to do where there is no memory for it.
    pub(super) fn guarded<T>(
        &self,
        label: &str,
        bytes: u64,
        make: impl FnOnce() -> T,
    ) -> Result<T> {
        let allocated = self.allocated_bytes();
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let made = make();
        if pollster::block_on(scope.pop()).is_some() {
            return Err(Error::Gpu(format!(
                "out of memory: {label} needs {bytes} bytes and {allocated} bytes are in use already: \
                 use a smaller batch, shorter inputs, --dtype f16 or a smaller model"
            )));
        }
        Ok(made)
    }

    /// Waits until the device has done all that it was given: for measuring, and so that the staging memory of uploads is
    /// free again.
    ///
    /// # Errors
    /// [`Error::Gpu`] where the device is lost or something before has failed.
    pub fn wait(&self) -> Result<()> {
        self.queue.submit([]);
        self.device
            .poll(wgpu::PollType::Wait {
                submission_index: None,
                timeout: None,
            })
            .map_err(|error| Error::Gpu(error.to_string()))?;
        self.check()
    }

    /// Overwrites part of a buffer before the next submit. Offset and size are multiples of 4.
    pub fn write<T: bytemuck::NoUninit>(&self, buffer: &Buffer, offset: u64, data: &[T]) {
        self.queue
            .write_buffer(&buffer.raw, offset, bytemuck::cast_slice(data));
    }
}

/// Lets `fill` write a buffer that was made mapped, and unmaps it.
pub(super) fn fill_mapped(
    label: &str,
    buffer: &wgpu::Buffer,
    fill: impl FnOnce(&mut dyn FnMut(u64, &[u8])),
) -> Result<()> {
    let mut view = buffer
        .slice(..)
        .get_mapped_range_mut()
        .map_err(|error| Error::Gpu(format!("cannot map {label}: {error}")))?;
    fill(&mut |offset, data| {
        let start = offset as usize;
        view.slice(start..start + data.len()).copy_from_slice(data);
    });
    drop(view);
    buffer.unmap();
    Ok(())
}

pub(super) fn too_large(what: &str, needed: u64, available: u64) -> Error {
    Error::TooLarge {
        what: what.to_string(),
        needed,
        available,
        hint: "a smaller batch, shorter inputs, --dtype f16 or a smaller model",
    }
}

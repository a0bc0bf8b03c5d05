//! The way back to the host.

use std::sync::mpsc;

use super::{Buffer, Gpu, Plan, Texels};
use crate::{Error, Result};

/// A mappable buffer that results are copied into, and the host's copy of them.
pub struct Readback {
    raw: wgpu::Buffer,
    host: Vec<u32>,
    /// What was submitted and is still to be waited for.
    pending: Option<Mapping>,
}

/// The first so many elements of a buffer, and the way back that they take.
pub type Back<'b> = (&'b Buffer, usize, &'b mut Readback);

impl Gpu {
    /// Room for `elements` f32 or u32 on their way back to the host.
    pub fn readback(&self, elements: usize) -> Result<Readback> {
        let raw = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("readback"),
            size: (elements as u64 * 4).max(4),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        self.check()?;
        Ok(Readback {
            raw,
            host: Vec::with_capacity(elements),
            pending: None,
        })
    }

    /// Submits the plan, `times` times over, and copies that bring back what it leaves, and does not wait: [`Gpu::finish`]
    /// does. What their readbacks were still to bring back is given up.
    ///
    /// # Errors
    /// [`Error::Gpu`] with what the driver said.
    pub fn submit<const N: usize>(
        &self,
        plan: &Plan,
        times: usize,
        backs: [Back<'_>; N],
    ) -> Result<()> {
        let mut encoder = self.encode(plan, times)?;
        for (source, elements, readback) in &backs {
            if readback.pending.is_some() {
                readback.raw.unmap();
            }
            let bytes = *elements as u64 * 4;
            encoder.copy_buffer_to_buffer(&source.raw, 0, &readback.raw, 0, bytes);
        }
        let submission = self.queue.submit([encoder.finish()]);
        for (_, elements, readback) in backs {
            let bytes = elements as u64 * 4;
            readback.pending = Some(Mapping::begin(&readback.raw, bytes, submission.clone()));
        }
        self.check()
    }

    /// Waits for what was last submitted with `readback`, and for nothing after it.
    ///
    /// # Errors
    /// [`Error::Gpu`] with what the driver said.
    pub fn finish(&self, readback: &mut Readback) -> Result<()> {
        if let Some(pending) = readback.pending.take() {
            readback.host.clear();
            pending.read(&self.device, |bytes| {
                readback.host.extend_from_slice(bytemuck::cast_slice(bytes));
            })?;
        }
        self.check()
    }

    /// The first `elements` f32 of `buffer`, by way of a readback buffer of its own.
    pub fn read(&self, buffer: &Buffer, elements: usize) -> Result<Vec<f32>> {
        let mut readback = self.readback(elements)?;
        self.run(&Plan::default(), Some((buffer, elements, &mut readback)))?;
        Ok(readback.floats().to_vec())
    }

    /// The first `elements` f32 of texels, likewise.
    pub fn read_texels(&self, texels: &Texels, elements: usize) -> Result<Vec<f32>> {
        let bytes = elements as u64 * 4;
        assert!(bytes <= texels.size());
        let mut readback = self.readback(texels.copied_bytes() as usize / 4)?;
        let mut encoder = self.device.create_command_encoder(&Default::default());
        texels.copy_to(&mut encoder, &readback.raw);
        let submission = self.queue.submit([encoder.finish()]);
        readback.pending = Some(Mapping::begin(&readback.raw, bytes, submission));
        self.finish(&mut readback)?;
        Ok(readback.floats().to_vec())
    }
}

impl Readback {
    /// What was brought back last, as f32.
    pub fn floats(&self) -> &[f32] {
        bytemuck::cast_slice(&self.host)
    }

    /// What was brought back last, as u32.
    pub fn words(&self) -> &[u32] {
        &self.host
    }
}

/// The first bytes of a mappable buffer on their way to the host.
pub(super) struct Mapping {
    buffer: wgpu::Buffer,
    bytes: u64,
    submission: wgpu::SubmissionIndex,
    mapped: mpsc::Receiver<std::result::Result<(), wgpu::BufferAsyncError>>,
}

impl Mapping {
    /// Asks for the bytes as they are after `submission`, the last that writes them.
    pub fn begin(buffer: &wgpu::Buffer, bytes: u64, submission: wgpu::SubmissionIndex) -> Mapping {
        let (sender, mapped) = mpsc::channel();
        buffer
            .slice(..bytes)
            .map_async(wgpu::MapMode::Read, move |result| {
                // Nobody listens any more where the result was given up.
                let _ = sender.send(result);
            });
        Mapping {
            buffer: buffer.clone(),
            bytes,
            submission,
            mapped,
        }
    }

    /// Waits for the bytes and gives them to `read`.
    pub fn read(self, device: &wgpu::Device, read: impl FnOnce(&[u8])) -> Result<()> {
        device
            .poll(wgpu::PollType::Wait {
                submission_index: Some(self.submission),
                timeout: None,
            })
            .map_err(|error| Error::Gpu(error.to_string()))?;
        // Another thread that polls the same device may be the one that delivers the answer.
        self.mapped
            .recv()
            .map_err(|_| Error::Gpu("the device did not answer".into()))?
            .map_err(|error| Error::Gpu(error.to_string()))?;
        read(
            &self
                .buffer
                .slice(..self.bytes)
                .get_mapped_range()
                .map_err(|error| Error::Gpu(error.to_string()))?,
        );
        self.buffer.unmap();
        Ok(())
    }
}

//! Arrays of 16-byte words, laid where the adapter reads them fastest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::buffer::fill_mapped;
use super::{Gpu, Target};
use crate::Result;

/// An array of `vec4<u32>` that kernels read (or write) by index: a storage buffer, or for software adapters a texture.
/// Their drivers compile a texture read to one 16-byte load a thread, but a buffer read to a loop over threads and words.
pub struct Texels {
    pub(super) place: Place,
    words: u64,
    bytes: u64,
    allocated: Arc<AtomicU64>,
}

pub(super) enum Place {
    Buffer(wgpu::Buffer),
    Texture(wgpu::TextureView),
}

/// Bytes of a texel.
pub const TEXEL_BYTES: u64 = 16;

/// Texels a row of the texture; index i lies at (i % WIDTH, i / WIDTH).
const WIDTH: u64 = 1024;
const ROW_BYTES: u64 = WIDTH * TEXEL_BYTES;

/// The format of every such texture.
pub(super) const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba32Uint;

impl Texels {
    /// Number of 16-byte words.
    pub fn len(&self) -> u64 {
        self.words
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words == 0
    }
}

impl Drop for Texels {
    fn drop(&mut self) {
        self.allocated.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Target {
    /// WGSL that declares texels at `binding` and a function to read one: `read_NAME(index) -> vec4<u32>`.
    pub fn wgsl_to_read(self, binding: u32, name: &str) -> String {
        self.declaration(binding, name, "read", "read") + &self.reader(name)
    }

    /// WGSL that declares texels at `binding` and a function to write one: `write_NAME(index, texel)`.
    pub fn wgsl_to_write(self, binding: u32, name: &str) -> String {
        self.declaration(binding, name, "read_write", "write") + &self.writer(name)
    }

    /// WGSL that declares texels at `binding` and both functions.
    pub fn wgsl_to_update(self, binding: u32, name: &str) -> String {
        self.declaration(binding, name, "read_write", "read_write")
            + &self.reader(name)
            + &self.writer(name)
    }

    /// The variable, with its access as a buffer and as a texture.
    fn declaration(self, binding: u32, name: &str, buffer: &str, texture: &str) -> String {
        match self {
            Target::Hardware => format!(
                "@group(0) @binding({binding}) var<storage, {buffer}> {name}: array<vec4<u32>>;\n"
            ),
            Target::Software { .. } => format!(
                "@group(0) @binding({binding}) var {name}: texture_storage_2d<rgba32uint, {texture}>;\n"
            ),
        }
    }

    fn reader(self, name: &str) -> String {
        let texel = match self {
            Target::Hardware => format!("{name}[index]"),
            Target::Software { .. } => format!("textureLoad({name}, {})", coordinates()),
        };
        format!("fn read_{name}(index: u32) -> vec4<u32> {{ return {texel}; }}\n")
    }

    fn writer(self, name: &str) -> String {
        let write = match self {
            Target::Hardware => format!("{name}[index] = texel"),
            Target::Software { .. } => {
                format!("textureStore({name}, {}, texel)", coordinates())
            }
        };
        format!("fn write_{name}(index: u32, texel: vec4<u32>) {{ {write}; }}\n")
    }
}

/// Where texel `index` lies in a texture.
fn coordinates() -> String {
    format!("vec2<u32>(index % {WIDTH}u, index / {WIDTH}u)")
}

impl Gpu {
    /// The most bytes that one [`Texels`] may have.
    pub fn max_texels_bytes(&self) -> u64 {
        let texture = u64::from(self.limits.max_texture_dimension_2d) * WIDTH * TEXEL_BYTES;
        match self.target {
            Target::Hardware => self.max_binding_bytes,
            Target::Software { .. } => self.max_binding_bytes.min(texture),
        }
    }

    /// Room for `bytes` (rounded up to whole texels), for the purpose that `label` names. Kernels write it before they
    /// read it.
    ///
    /// # Errors
    /// Those of [`Gpu::buffer`].
    pub fn texels(&self, label: &str, bytes: u64) -> Result<Texels> {
        if let Target::Software { .. } = self.target {
            return self.texels_filled(label, bytes, |_| ());
        }
        let words = bytes.div_ceil(TEXEL_BYTES).max(1);
        let buffer = self.buffer(label, words * TEXEL_BYTES)?;
        Ok(self.counted(Place::Buffer(buffer.raw.clone()), words, buffer.size()))
    }

    /// Texels of `data`, zeros to the last one's end.
    ///
    /// # Errors
    /// Those of [`Gpu::buffer`].
    pub fn texels_from<T: bytemuck::NoUninit>(&self, label: &str, data: &[T]) -> Result<Texels> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        self.texels_filled(label, bytes.len() as u64, |write| write(0, bytes))
    }

    /// Texels that `fill` writes piece by piece, by offset in bytes; what it leaves out is zero.
    ///
    /// # Errors
    /// Those of [`Gpu::buffer`].
    pub fn texels_filled(
        &self,
        label: &str,
        bytes: u64,
        fill: impl FnOnce(&mut dyn FnMut(u64, &[u8])),
    ) -> Result<Texels> {
        let words = bytes.div_ceil(TEXEL_BYTES).max(1);
        let (place, bytes) = match self.target {
            Target::Hardware => {
                let buffer = self.buffer_filled(label, words * TEXEL_BYTES, fill)?;
                (Place::Buffer(buffer.raw.clone()), buffer.size())
            }
            Target::Software { .. } => {
                let rows = words.div_ceil(WIDTH);
                let bytes = rows * ROW_BYTES;
                self.check_room(label, bytes)?;
                let texture = self.texture(label, rows as u32)?;
                self.upload(label, &texture, bytes, fill)?;
                let view = texture.create_view(&Default::default());
                (Place::Texture(view), bytes)
            }
        };
        self.check()?;
        Ok(self.counted(place, words, bytes))
    }

    /// Copies all of `from` to the start of `to`, on the device.
    ///
    /// # Errors
    /// [`crate::Error::Gpu`].
    pub fn copy_texels(&self, from: &Texels, to: &Texels) -> Result<()> {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        match (&from.place, &to.place) {
            (Place::Buffer(from), Place::Buffer(to)) => {
                encoder.copy_buffer_to_buffer(from, 0, to, 0, from.size());
            }
            (Place::Texture(from), Place::Texture(to)) => {
                let (from, to) = (from.texture(), to.texture());
                encoder.copy_texture_to_texture(
                    from.as_image_copy(),
                    to.as_image_copy(),
                    from.size(),
                );
            }
            _ => unreachable!("a device has texels in one kind of place"),
        }
        self.queue.submit([encoder.finish()]);
        self.check()
    }

    /// Texels of `bytes`, which count from now on.
    fn counted(&self, place: Place, words: u64, bytes: u64) -> Texels {
        self.allocated.fetch_add(bytes, Ordering::Relaxed);
        Texels {
            place,
            words,
            bytes,
            allocated: self.allocated.clone(),
        }
    }

    /// Fills a texture of `bytes` by way of a buffer, which is gone when the device has copied it.
    fn upload(
        &self,
        label: &str,
        texture: &wgpu::Texture,
        bytes: u64,
        fill: impl FnOnce(&mut dyn FnMut(u64, &[u8])),
    ) -> Result<()> {
        let staging = self.guarded(label, bytes, || {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes,
                usage: wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: true,
            })
        })?;
        fill_mapped(label, &staging, fill)?;
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let from = wgpu::TexelCopyBufferInfo {
            buffer: &staging,
            layout: wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(ROW_BYTES as u32),
                rows_per_image: None,
            },
        };
        encoder.copy_buffer_to_texture(from, texture.as_image_copy(), texture.size());
        self.queue.submit([encoder.finish()]);
        Ok(())
    }

    fn texture(&self, label: &str, rows: u32) -> Result<wgpu::Texture> {
        self.guarded(label, u64::from(rows) * ROW_BYTES, || {
            self.device.create_texture(&wgpu::TextureDescriptor {
                label: Some(label),
                size: wgpu::Extent3d {
                    width: WIDTH as u32,
                    height: rows,
                    depth_or_array_layers: 1,
                },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: FORMAT,
                usage: wgpu::TextureUsages::STORAGE_BINDING
                    | wgpu::TextureUsages::COPY_DST
                    | wgpu::TextureUsages::COPY_SRC,
                view_formats: &[],
            })
        })
    }
}

//! Arrays of 16-byte words, laid where the adapter reads them fastest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::buffer::{fill_mapped, too_large};
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

#[derive(Clone)]
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

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.words * TEXEL_BYTES
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words == 0
    }

    /// Bytes that [`Texels::copy_to`] copies.
    pub(super) fn copied_bytes(&self) -> u64 {
        self.words.next_multiple_of(WIDTH) * TEXEL_BYTES
    }

    /// Encodes a copy to a buffer with room for [`Texels::copied_bytes`].
    pub(super) fn copy_to(&self, encoder: &mut wgpu::CommandEncoder, buffer: &wgpu::Buffer) {
        match &self.place {
            Place::Buffer(from) => encoder.copy_buffer_to_buffer(from, 0, buffer, 0, self.size()),
            Place::Texture(from) => {
                let texture = from.texture();
                let layout = LAYOUT;
                let to = wgpu::TexelCopyBufferInfo { buffer, layout };
                encoder.copy_texture_to_buffer(texture.as_image_copy(), to, texture.size());
            }
        }
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
            Target::Hardware { .. } => format!(
                "@group(0) @binding({binding}) var<storage, {buffer}> {name}: array<vec4<u32>>;\n"
            ),
            Target::Software { .. } => format!(
                "@group(0) @binding({binding}) var {name}: texture_storage_2d<rgba32uint, {texture}>;\n"
            ),
        }
    }

    fn reader(self, name: &str) -> String {
        let texel = match self {
            Target::Hardware { .. } => format!("{name}[index]"),
            Target::Software { .. } => format!("textureLoad({name}, {})", coordinates()),
        };
        format!("fn read_{name}(index: u32) -> vec4<u32> {{ return {texel}; }}\n")
    }

    fn writer(self, name: &str) -> String {
        let write = match self {
            Target::Hardware { .. } => format!("{name}[index] = texel"),
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
        match self.target {
            Target::Hardware { .. } => self.max_binding_bytes,
            Target::Software { .. } => self.max_binding_bytes.min(self.max_texture_bytes()),
        }
    }

    fn max_texture_bytes(&self) -> u64 {
        u64::from(self.limits.max_texture_dimension_2d) * ROW_BYTES
    }

    /// Room for `bytes` (rounded up to whole texels), for the purpose that `label` names. Kernels write it before they
    /// read it.
    ///
    /// # Errors
    /// Those of [`Gpu::buffer`].
    pub fn texels(&self, label: &str, bytes: u64) -> Result<Texels> {
        let words = bytes.div_ceil(TEXEL_BYTES).max(1);
        let (place, bytes) = match self.target {
            Target::Hardware { .. } => {
                let buffer = self.buffer(label, words * TEXEL_BYTES)?;
                (Place::Buffer(buffer.raw.clone()), buffer.size())
            }
            Target::Software { .. } => {
                let (texture, bytes) = self.texture(label, words)?;
                (
                    Place::Texture(texture.create_view(&Default::default())),
                    bytes,
                )
            }
        };
        self.check()?;
        Ok(self.counted(place, words, bytes))
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
            Target::Hardware { .. } => {
                let buffer = self.buffer_filled(label, words * TEXEL_BYTES, fill)?;
                (Place::Buffer(buffer.raw.clone()), buffer.size())
            }
            Target::Software { .. } => {
                let (texture, bytes) = self.texture(label, words)?;
                self.upload(label, &texture, bytes, fill)?;
                let view = texture.create_view(&Default::default());
                (Place::Texture(view), bytes)
            }
        };
        self.check()?;
        Ok(self.counted(place, words, bytes))
    }

    /// Copies texels on the device: from which on in which, to which on in which, how many.
    ///
    /// # Errors
    /// [`crate::Error::Gpu`].
    pub fn copy_texels<'a>(
        &self,
        parts: impl IntoIterator<Item = (&'a Texels, u64, &'a Texels, u64, u64)>,
    ) -> Result<()> {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        for (from, from_first, to, to_first, count) in parts {
            assert!(from_first + count <= from.words && to_first + count <= to.words);
            copy(
                &mut encoder,
                &from.place,
                from_first,
                &to.place,
                to_first,
                count,
            );
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
            layout: LAYOUT,
        };
        encoder.copy_buffer_to_texture(from, texture.as_image_copy(), texture.size());
        self.queue.submit([encoder.finish()]);
        Ok(())
    }

    /// A texture for so many texels, and its size in bytes.
    fn texture(&self, label: &str, words: u64) -> Result<(wgpu::Texture, u64)> {
        let rows = words.div_ceil(WIDTH);
        let bytes = rows * ROW_BYTES;
        if bytes > self.max_texture_bytes() {
            return Err(too_large(label, bytes, self.max_texture_bytes()));
        }
        self.check_room(label, bytes)?;
        let texture = self.guarded(label, bytes, || {
            self.device.create_texture(&wgpu::TextureDescriptor {
                label: Some(label),
                size: wgpu::Extent3d {
                    width: WIDTH as u32,
                    height: rows as u32,
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
        })?;
        Ok((texture, bytes))
    }
}

/// Encodes a copy of `count` texels: from which on in which, to which on in which.
pub(super) fn copy(
    encoder: &mut wgpu::CommandEncoder,
    from: &Place,
    from_first: u64,
    to: &Place,
    to_first: u64,
    count: u64,
) {
    match (from, to) {
        (Place::Buffer(from), Place::Buffer(to)) => {
            let [from_offset, to_offset, bytes] =
                [from_first, to_first, count].map(|texels| texels * TEXEL_BYTES);
            encoder.copy_buffer_to_buffer(from, from_offset, to, to_offset, bytes);
        }
        (Place::Texture(from), Place::Texture(to)) => {
            let (from, to) = (from.texture(), to.texture());
            for [from_at, to_at, count] in pieces(from_first, to_first, count) {
                encoder.copy_texture_to_texture(at(from, from_at), at(to, to_at), extent(count));
            }
        }
        _ => unreachable!("a device has texels in one kind of place"),
    }
}

/// How texels of a texture lie in a buffer.
const LAYOUT: wgpu::TexelCopyBufferLayout = wgpu::TexelCopyBufferLayout {
    offset: 0,
    bytes_per_row: Some(ROW_BYTES as u32),
    rows_per_image: None,
};

/// The place of texel `index` in a texture.
fn at(texture: &wgpu::Texture, index: u64) -> wgpu::TexelCopyTextureInfo<'_> {
    let mut place = texture.as_image_copy();
    place.origin.x = (index % WIDTH) as u32;
    place.origin.y = (index / WIDTH) as u32;
    place
}

/// So many texels of a row of a texture, or whole rows.
fn extent(count: u64) -> wgpu::Extent3d {
    wgpu::Extent3d {
        width: count.min(WIDTH) as u32,
        height: count.div_ceil(WIDTH) as u32,
        depth_or_array_layers: 1,
    }
}

/// What a copy of `count` texels is made of, where each piece is a part of one row in both textures, or whole rows:
/// from where, to where, how many.
fn pieces(from: u64, to: u64, count: u64) -> impl Iterator<Item = [u64; 3]> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let (from, to, left) = (from + done, to + done, count - done);
        let room = WIDTH - (from % WIDTH).max(to % WIDTH);
        let piece = if room == WIDTH && left >= WIDTH {
            left - left % WIDTH
        } else {
            left.min(room)
        };
        done += piece;
        (piece > 0).then_some([from, to, piece])
    })
}

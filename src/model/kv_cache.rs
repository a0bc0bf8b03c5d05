//! Keys and values of sources and hypotheses: pages of one pool a decoder layer, and the tables that kernels find them by.

use super::pages::{Share, Tables};
use super::{Encoded, Model};
use crate::generate::StepRow;
use crate::gpu::{Buffer, Gpu, Plan, TEXEL_BYTES, Texels};
use crate::ops::Epilogue;
use crate::{Error, Result};

/// Positions a page: few enough that a short text leaves little of one unused.
pub(super) const PAGE: usize = 16;

/// The pool and its tables. The pool grows as pages are first used, up to its limit.
pub(super) struct KvCache {
    /// A layer's `[positions, 2 * inner]`
    pub layers: Vec<Texels>,
    /// `[slots, stride]`: where position t of a slot's hypothesis lies.
    pub history: Buffer,
    /// `[places, stride]`: how many keys a source has, then where they lie.
    pub sources: Buffer,
    /// Entries a row of `sources`.
    pub source_stride: usize,
    pub tables: Tables,
    /// Entries a row that `history` was written with.
    history_stride: usize,
    /// Rows of `sources`, by place.
    source_rows: Vec<Vec<u32>>,
    /// Pages that `layers` have room for.
    pages: usize,
    /// Bytes of a page of one layer.
    page_bytes: u64,
}

/// What there may be of a pool, in pages, and what a page takes in all layers, in bytes.
#[derive(Clone, Copy)]
pub(super) struct PoolLimit {
    pub pages: usize,
    pub page_bytes: u64,
}

impl PoolLimit {
    /// Whether such a request fits, if it is alone.
    pub fn check(self, share: &Share) -> Result<()> {
        let need = share.pages(PAGE);
        if need <= self.pages {
            return Ok(());
        }
        let what = format!(
            "keys and values of {} source tokens and {} hypotheses of up to {} tokens ({need} pages of {})",
            share.source,
            share.slots.len(),
            share.positions,
            self.pages
        );
        Err(self.error(what, need))
    }

    /// Nothing fits of what needs so many pages.
    pub fn error(self, what: String, need: usize) -> Error {
        Error::TooLarge {
            what,
            needed: (need as u64).saturating_mul(self.page_bytes),
            available: self.pages as u64 * self.page_bytes,
            hint: "more --kv-memory, a shorter input, fewer beams or a lower max_new_tokens",
        }
    }
}

impl Model {
    /// A pool of up to `kv_memory` bytes, as far as bindings reach.
    pub(super) fn pool_limit(&self, kv_memory: Option<u64>) -> Result<PoolLimit> {
        let layers = self.decoder_weights()?.stack.blocks.len().max(1) as u64;
        let page_bytes = (PAGE * 2 * self.dims.inner * 4) as u64;
        let reach = self.gpu.max_texels_bytes() / page_bytes;
        let wanted = kv_memory.map_or(u64::MAX, |bytes| bytes / (page_bytes * layers));
        Ok(PoolLimit {
            pages: reach.min(wanted) as usize,
            page_bytes: page_bytes * layers,
        })
    }
}

impl KvCache {
    pub fn new(model: &Model, limit: PoolLimit) -> Result<KvCache> {
        let gpu = &model.gpu;
        let layers = model.decoder_weights()?.stack.blocks.len();
        let page_bytes = limit.page_bytes / layers.max(1) as u64;
        Ok(KvCache {
            layers: (0..layers)
                .map(|_| gpu.texels("the key/value cache", page_bytes))
                .collect::<Result<_>>()?,
            history: gpu.buffer("the cache's history", 4)?,
            sources: gpu.buffer("the cache's sources", 4)?,
            source_stride: 1,
            tables: Tables::new(PAGE, limit.pages),
            history_stride: 0,
            source_rows: Vec::new(),
            pages: 1,
            page_bytes,
        })
    }

    /// What the pool may grow to.
    pub fn limit(&self) -> PoolLimit {
        PoolLimit {
            pages: self.tables.total(),
            page_bytes: self.page_bytes * self.layers.len() as u64,
        }
    }

    /// Places that sources have had.
    pub fn places(&self) -> usize {
        self.source_rows.len()
    }

    /// Lets each row's slot continue its parent's history, for `steps` steps. True when buffers were replaced.
    pub fn advance(&mut self, gpu: &Gpu, rows: &[StepRow], steps: usize) -> Result<bool> {
        let fits = self.tables.advance(rows, steps);
        self.bring_up(gpu, fits)
    }

    /// Gives hypotheses that go on where they are room for so many positions each. True when buffers were replaced.
    pub fn extend(
        &mut self,
        gpu: &Gpu,
        slots: impl IntoIterator<Item = (u32, usize)>,
    ) -> Result<bool> {
        let fits = self.tables.extend(slots);
        self.bring_up(gpu, fits)
    }

    /// Brings the pool and the table on the device up to what the tables say.
    fn bring_up(&mut self, gpu: &Gpu, fits: bool) -> Result<bool> {
        if !fits {
            let limit = self.limit();
            return Err(limit.error("the key/value cache".into(), limit.pages + 1));
        }
        let grown = self.grow_pool(gpu)?;
        let changes = self.tables.take_changes();
        let (stride, table) = (self.tables.stride(), self.tables.history());
        if self.history_stride == stride && table.len() * 4 <= self.history.size() as usize {
            for (slot, changed) in changes {
                let first = slot as usize * stride + changed.start;
                let entries = &table[first..][..changed.len()];
                gpu.write(&self.history, first as u64 * 4, entries);
            }
            return Ok(grown);
        }
        let slots = self.tables.slots().next_power_of_two();
        self.history = gpu.buffer("the cache's history", (slots * stride * 4) as u64)?;
        gpu.write(&self.history, 0, table);
        self.history_stride = stride;
        Ok(true)
    }

    /// Makes room for every page that was ever handed out.
    fn grow_pool(&mut self, gpu: &Gpu) -> Result<bool> {
        let needed = self.tables.extent();
        if needed <= self.pages {
            return Ok(false);
        }
        let pages = needed.next_power_of_two().min(self.tables.total());
        for layer in &mut self.layers {
            let room =
                |pages: usize| gpu.texels("the key/value cache", pages as u64 * self.page_bytes);
            // Where there is no memory for more than is needed, that will do.
            let larger = room(pages).or_else(|_| room(needed))?;
            gpu.copy_texels([(&*layer, 0, &larger, 0, layer.len())])?;
            *layer = larger;
        }
        let fewest = self.layers.iter().map(Texels::size).min();
        self.pages = fewest.map_or(pages, |bytes| (bytes / self.page_bytes) as usize);
        Ok(true)
    }

    /// Puts what is encoded into these places' pages. True when buffers were replaced.
    pub fn enter(&mut self, model: &Model, places: &[u32], encoded: &Encoded<'_>) -> Result<bool> {
        let gpu = &model.gpu;
        let mut replaced = self.grow_pool(gpu)?;
        let batch = &encoded.batch;
        let mut rows = Vec::new();
        // Runs of positions that lie side by side in the pool too: row of the batch, place in the pool, how many.
        let mut runs: Vec<(usize, usize, usize)> = Vec::new();
        for (row, &place) in places.iter().enumerate() {
            let lies: Vec<u32> = self.tables.source(place).take(batch.lengths[row]).collect();
            if lies.len() < batch.lengths[row] {
                return Err(Error::Invalid(format!(
                    "no room is kept for a source of {} tokens at place {place}",
                    batch.lengths[row]
                )));
            }
            for (position, &at) in lies.iter().enumerate() {
                let (from, to) = (row * batch.width + position, at as usize);
                match runs.last_mut() {
                    Some((first, there, count))
                        if *first + *count == from && *there + *count == to =>
                    {
                        *count += 1
                    }
                    _ => runs.push((from, to, 1)),
                }
            }
            // Keys that are hidden are not there.
            let keys = &batch.keys[row * batch.width..][..lies.len()];
            let visible = lies.iter().zip(keys).filter(|(_, key)| **key != 0);
            let mut entries: Vec<u32> = visible.map(|(at, _)| *at).collect();
            entries.insert(0, entries.len() as u32);
            rows.push((place as usize, entries));
        }
        for (place, entries) in rows {
            let longest = entries.len();
            if place >= self.source_rows.len() || longest > self.source_stride {
                let places = (place + 1).max(self.source_rows.len()).next_power_of_two();
                self.source_rows.resize_with(places, || vec![0]);
                self.source_stride = self.source_stride.max(longest.next_power_of_two());
                let bytes = places * self.source_stride * 4;
                self.sources = gpu.buffer("the cache's sources", bytes as u64)?;
                for (place, entries) in self.source_rows.iter().enumerate() {
                    let first = place * self.source_stride * 4;
                    gpu.write(&self.sources, first as u64, entries);
                }
                replaced = true;
            }
            let first = place * self.source_stride * 4;
            gpu.write(&self.sources, first as u64, &entries);
            self.source_rows[place] = entries;
        }
        let texels = self.page_bytes / PAGE as u64 / TEXEL_BYTES;
        let new = model.cross_keys_values(encoded)?;
        let parts = new.iter().zip(&self.layers).flat_map(|(from, to)| {
            runs.iter().map(move |&(first, there, count)| {
                let [first, there, count] = [first, there, count].map(|n| n as u64 * texels);
                (from, first, to, there, count)
            })
        });
        gpu.copy_texels(parts)?;
        Ok(replaced)
    }
}

impl Model {
    /// Every decoder layer's keys and values of the sources, `[sources, width, 2 * inner]`.
    pub(super) fn cross_keys_values(&self, encoded: &Encoded<'_>) -> Result<Vec<Texels>> {
        let rows = encoded.batch.rows();
        let scratch = self.scratch(rows)?;
        let mut plan = Plan::default();
        let mut keys_values = Vec::new();
        for block in &self.decoder_weights()?.stack.blocks {
            let bytes = rows * 2 * self.dims.inner * 4;
            let out = self
                .gpu
                .texels("cross-attention keys and values", bytes as u64)?;
            self.linear(
                &encoded.hidden,
                None,
                &block.cross_attention().kv,
                (&out).into(),
                Epilogue::Store,
                scratch.as_ref(),
            )
            .record(&self.gpu, rows, &mut plan);
            keys_values.push(out);
        }
        self.gpu.run(&plan, None)?;
        Ok(keys_values)
    }
}

//! The decoder's self-attention cache: keys and values by position and slot, and the table that says whose they are.

use crate::Result;
use crate::generate::StepRow;
use crate::gpu::{Buffer, Gpu, Texels};

/// Positions a cache starts with.
const FIRST_CAPACITY: usize = 64;

/// Keys and values of every layer, `[capacity, slots, 2 * inner]`, and the history table `[slots, capacity]`.
/// Positions come first, so that growing keeps what is there by one copy a layer.
pub(super) struct KvCache {
    pub layers: Vec<Texels>,
    pub history: Buffer,
    /// The host's copy of the table: entry `[slot][t]` is the slot that holds position t of this slot's hypothesis.
    table: Vec<u32>,
    /// Rows of the table as they were before a step, for parents that a step overwrites.
    before: Vec<u32>,
    /// Whether a slot's row differs from its initial state, all itself.
    moved: Vec<bool>,
    pub slots: usize,
    pub capacity: usize,
    /// Bytes of one position of one layer.
    position_bytes: u64,
}

impl KvCache {
    pub fn new(gpu: &Gpu, layers: usize, slots: usize, inner: usize) -> Result<KvCache> {
        let position_bytes = (slots * 2 * inner * 4) as u64;
        let capacity = FIRST_CAPACITY;
        let table = own_table(slots, capacity);
        Ok(KvCache {
            layers: (0..layers)
                .map(|_| gpu.texels("the key/value cache", capacity as u64 * position_bytes))
                .collect::<Result<_>>()?,
            history: gpu.buffer_from("the cache's history", &table)?,
            table,
            before: Vec::new(),
            moved: vec![false; slots],
            slots,
            capacity,
            position_bytes,
        })
    }

    /// Doubles the capacity until it holds `positions`; true when buffers were replaced.
    pub fn reserve(&mut self, gpu: &Gpu, positions: usize) -> Result<bool> {
        if positions <= self.capacity {
            return Ok(false);
        }
        let capacity = positions.next_power_of_two();
        for layer in &mut self.layers {
            let larger =
                gpu.texels("the key/value cache", capacity as u64 * self.position_bytes)?;
            gpu.copy_texels([(&*layer, 0, &larger, 0, layer.len())])?;
            *layer = larger;
        }
        let mut table = own_table(self.slots, capacity);
        for (new, old) in table
            .chunks_exact_mut(capacity)
            .zip(self.table.chunks_exact(self.capacity))
        {
            new[..self.capacity].copy_from_slice(old);
        }
        self.history = gpu.buffer_from("the cache's history", &table)?;
        self.table = table;
        self.capacity = capacity;
        Ok(true)
    }

    /// Lets each row's slot continue its parent's history. All parents are read before any slot changes.
    pub fn advance(&mut self, gpu: &Gpu, rows: &[StepRow]) {
        let capacity = self.capacity;
        let reordered = rows
            .iter()
            .any(|row| row.position > 0 && row.parent != row.slot);
        if reordered {
            self.before.clear();
            self.before.extend_from_slice(&self.table);
        }
        for row in rows {
            let slot = row.slot as usize;
            let position = row.position as usize;
            let entries = &mut self.table[slot * capacity..][..capacity];
            if position == 0 {
                if !self.moved[slot] {
                    continue;
                }
                entries.fill(row.slot);
                self.moved[slot] = false;
            } else if row.parent != row.slot {
                let parent = &self.before[row.parent as usize * capacity..][..position];
                entries[..position].copy_from_slice(parent);
                // An earlier source's hypothesis may have left its own.
                entries[position..].fill(row.slot);
                self.moved[slot] = true;
            } else {
                continue;
            }
            gpu.write(&self.history, (slot * capacity * 4) as u64, entries);
        }
    }
}

/// Every slot's history is its own.
fn own_table(slots: usize, capacity: usize) -> Vec<u32> {
    (0..slots as u32)
        .flat_map(|slot| std::iter::repeat_n(slot, capacity))
        .collect()
}

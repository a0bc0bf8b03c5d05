//! How much rows attend to their sources, on its way back to the host.

use crate::Result;
use crate::generate::Attended;
use crate::gpu::{Back, Buffer, Gpu, Readback};

/// The log of a step's alignment, and its ways back.
pub(super) struct Alignments {
    /// `[lines, rows, width]`: a row's at position p in line p % lines; and a line to work in.
    pub log: Buffer,
    pub lines: usize,
    /// Keys of a source.
    width: usize,
    /// Rows that there is room for.
    room: usize,
    /// What makes the mean over heads and layers of what is in the log.
    scale: f32,
    /// Two runs may be under way.
    readbacks: [Readback; 2],
    /// What was last brought back, a step behind the other: `[rows, width]`.
    weights: Vec<f32>,
}

impl Alignments {
    /// `terms`: heads of all layers.
    pub fn new(
        gpu: &Gpu,
        lines: usize,
        room: usize,
        width: usize,
        terms: usize,
    ) -> Result<Alignments> {
        let elements = lines * room * width;
        Ok(Alignments {
            log: gpu.buffer("alignment", ((elements + room * width) * 4) as u64)?,
            lines,
            width,
            room,
            scale: 1.0 / terms as f32,
            readbacks: [gpu.readback(elements)?, gpu.readback(elements)?],
            weights: Vec::new(),
        })
    }

    pub fn fits(&self, room: usize, width: usize) -> bool {
        self.width == width && self.room >= room
    }

    /// What is to be copied of a step's or run's `rows` rows, by one of the ways back.
    pub fn back(&mut self, rows: usize, readback: usize) -> Back<'_> {
        let elements = self.lines * rows * self.width;
        (&self.log, elements, &mut self.readbacks[readback])
    }

    /// Waits for that: of `steps` steps of rows that began at these positions.
    pub fn finish(
        &mut self,
        gpu: &Gpu,
        readback: usize,
        positions: impl Iterator<Item = u32> + Clone,
        steps: usize,
    ) -> Result<()> {
        let readback = &mut self.readbacks[readback];
        gpu.finish(readback)?;
        let (log, rows) = (readback.floats(), positions.clone().count());
        self.weights.clear();
        for step in 0..steps {
            for (row, start) in positions.clone().enumerate() {
                let line = (start as usize + step) % self.lines;
                let first = (line * rows + row) * self.width;
                self.weights.extend_from_slice(&log[first..][..self.width]);
            }
        }
        Ok(())
    }

    pub fn attended(&self) -> Attended<'_> {
        Attended {
            weights: &self.weights,
            width: self.width,
            scale: self.scale,
        }
    }
}

//! The decoder: one token a row and step, as one compute pass over prepared ops.

use super::alignment::Alignments;
use super::greedy::Greedy;
use super::kv_cache::{KvCache, PoolLimit};
use super::pages::Share;
use super::step::{Activations, End, Ops, Planned};
use super::{DeviceSelection, Encoded, Model};
use crate::generate::{Attended, Entry, Ranking, StepDecoder, StepResult, StepRow};
use crate::gpu::{Plan, Readback};
use crate::{Error, Result};

/// Decodes from encoded sources, whose cross-attention keys and values are computed when they enter; each step then runs a
/// plan that is recorded when the number of rows changes and kept otherwise.
pub struct Decoder<'a> {
    model: &'a Model,
    selection: DeviceSelection,
    cache: KvCache,
    /// Rows that the buffers have room for.
    room: usize,
    /// Whether requests enter and leave, and buffers grow with them.
    is_shared: bool,
    activations: Activations,
    ops: Ops,
    plan: Plan,
    /// What `plan` is for.
    planned: Option<Planned>,
    greedy: Greedy,
    /// Whether steps tell what rows attend to in their sources.
    attends: bool,
    /// Made when that is first so.
    alignments: Option<Alignments>,
    /// The way back of logits or candidates.
    readback: Readback,
    row_data: Vec<[u32; 4]>,
}

impl Model {
    /// A decoder over all of `encoded`, with room for `slots` hypotheses.
    ///
    /// # Errors
    /// [`Error::NoDecoder`], [`Error::TooLarge`], [`Error::Gpu`].
    pub fn decoder<'a>(&'a self, encoded: &'a Encoded<'a>, slots: usize) -> Result<Decoder<'a>> {
        self.decoder_with(encoded, slots, self.device_selection())
    }

    /// [`Model::decoder`] that leaves so much of choosing tokens to the device, in place of what suits it.
    ///
    /// # Errors
    /// As [`Model::decoder`].
    pub fn decoder_with<'a>(
        &'a self,
        encoded: &'a Encoded<'a>,
        slots: usize,
        selection: DeviceSelection,
    ) -> Result<Decoder<'a>> {
        let mut decoder = self.decoder_of(slots, self.pool_limit(None)?, selection)?;
        let places: Vec<u32> = (0..encoded.len() as u32).collect();
        for &place in &places {
            let share = Share {
                source: encoded.source_length(place as usize),
                slots: 0..0,
                positions: 0,
            };
            if !decoder.cache.tables.admit(place, &share) {
                let limit = decoder.cache.limit();
                return Err(limit.error("keys and values of the sources".into(), limit.pages + 1));
            }
        }
        decoder.cache.enter(self, &places, encoded)?;
        decoder.bind()?;
        Ok(decoder)
    }

    /// A decoder for requests that come and go, by [`StepDecoder::enter`] and [`StepDecoder::leave`], as many as their keys
    /// and values fit into `kv_memory` bytes; without that, as a binding reaches.
    ///
    /// # Errors
    /// As [`Model::decoder`].
    pub fn shared_decoder(
        &self,
        kv_memory: Option<u64>,
        selection: DeviceSelection,
    ) -> Result<Decoder<'_>> {
        let mut decoder = self.decoder_of(1, self.pool_limit(kv_memory)?, selection)?;
        decoder.is_shared = true;
        Ok(decoder)
    }

    /// Whether a shared decoder with so much memory could ever take a request of `source` tokens and `slots` hypotheses of
    /// up to `positions` tokens.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where it could not.
    pub fn check_share(
        &self,
        kv_memory: Option<u64>,
        source: usize,
        slots: usize,
        positions: usize,
    ) -> Result<()> {
        let share = Share {
            source,
            slots: 0..u32::try_from(slots).unwrap_or(u32::MAX),
            positions,
        };
        self.pool_limit(kv_memory)?.check(&share)?;
        self.check_rows(slots)
    }

    /// Logits of a step are in one buffer.
    fn check_rows(&self, rows: usize) -> Result<()> {
        let needed = (rows as u64).saturating_mul(self.config.vocab_size as u64 * 4);
        let available = self.gpu.max_binding_bytes();
        if needed > available {
            return Err(Error::TooLarge {
                what: format!("a step of {rows} hypotheses"),
                needed,
                available,
                hint: "fewer beams or outputs",
            });
        }
        Ok(())
    }

    fn decoder_of(
        &self,
        slots: usize,
        limit: PoolLimit,
        selection: DeviceSelection,
    ) -> Result<Decoder<'_>> {
        let room = slots.max(1);
        let gpu = &self.gpu;
        let decoder = self.decoder_weights()?;
        let cache = KvCache::new(self, limit)?;
        let candidates = selection.candidates.min(self.config.vocab_size);
        let selection = DeviceSelection {
            candidates,
            ..selection
        };
        let activations = Activations::new(self, room, candidates)?;
        let greedy = Greedy::new(gpu, room, selection.greedy_steps)?;
        let ops = Ops::new(self, decoder, &cache, &activations, &greedy, None);
        Ok(Decoder {
            model: self,
            selection,
            cache,
            room,
            is_shared: false,
            activations,
            ops,
            plan: Plan::default(),
            planned: None,
            greedy,
            attends: false,
            alignments: None,
            readback: self.step_readback(room, candidates)?,
            row_data: Vec::with_capacity(room),
        })
    }

    /// The way back of a step's logits or candidates.
    fn step_readback(&self, rows: usize, candidates: usize) -> Result<Readback> {
        let width = self.config.vocab_size.max(Ranking::width(candidates));
        self.gpu.readback(rows * width)
    }
}

impl Decoder<'_> {
    /// Pages of keys and values that there may be.
    pub fn pages(&self) -> usize {
        self.cache.tables.total()
    }

    /// Pages of keys and values that somebody has or was promised.
    pub fn pages_in_use(&self) -> usize {
        self.cache.tables.in_use()
    }

    /// Kernels read where rows point, so that must lie inside the buffers.
    fn check(&self, rows: &[StepRow]) -> Result<()> {
        self.model.check_tokens(rows.iter().map(|row| row.token))?;
        let places = self.cache.places();
        if let Some(row) = rows.iter().find(|row| row.source as usize >= places) {
            return Err(Error::Invalid(format!("source {} of {places}", row.source)));
        }
        let slots = if self.is_shared {
            self.cache.tables.slots()
        } else {
            self.room
        };
        if rows.len() > slots {
            return Err(Error::Invalid(format!(
                "{} rows in a step, room for {slots}",
                rows.len()
            )));
        }
        for row in rows {
            if row.slot as usize >= slots || row.parent as usize >= slots && row.position > 0 {
                return Err(Error::Invalid(format!(
                    "slot {} of {slots}",
                    row.slot.max(row.parent)
                )));
            }
        }
        Ok(())
    }

    /// Makes the ops anew, for other buffers.
    fn bind(&mut self) -> Result<()> {
        let decoder = self.model.decoder_weights()?;
        self.ops = Ops::new(
            self.model,
            decoder,
            &self.cache,
            &self.activations,
            &self.greedy,
            self.alignments.as_ref(),
        );
        self.planned = None;
        Ok(())
    }

    /// Makes room for so many rows. What is on the device is lost.
    fn fit(&mut self, rows: usize) -> Result<bool> {
        if rows <= self.room {
            return Ok(false);
        }
        self.model.check_rows(rows)?;
        let twice = rows.next_power_of_two();
        let room = self.model.check_rows(twice).map_or(rows, |()| twice);
        let candidates = self.selection.candidates;
        self.activations = Activations::new(self.model, room, candidates)?;
        self.readback = self.model.step_readback(room, candidates)?;
        self.greedy = Greedy::new(&self.model.gpu, room, self.selection.greedy_steps)?;
        self.room = room;
        Ok(true)
    }

    /// Makes room for the alignment of as many rows as there is room for.
    fn fit_alignments(&mut self) -> Result<bool> {
        let (room, width) = (self.room, self.cache.source_stride - 1);
        let fits = |alignments: &Alignments| alignments.fits(room, width);
        if !self.attends || self.alignments.as_ref().is_some_and(fits) {
            return Ok(false);
        }
        let terms = self.model.config.num_heads * self.model.config.num_decoder_layers;
        let lines = self.greedy.log_steps();
        let alignments = Alignments::new(&self.model.gpu, lines, room, width, terms)?;
        self.alignments = Some(alignments);
        Ok(true)
    }

    /// Puts rows on the GPU that will go `steps` steps, in place of those that were there.
    fn prepare(&mut self, rows: &[StepRow], steps: usize) -> Result<()> {
        self.check(rows)?;
        self.greedy.clear();
        let refitted = self.fit(rows.len())?;
        let gpu = &self.model.gpu;
        let advanced = self.cache.advance(gpu, rows, steps)?;
        let realigned = self.fit_alignments()?;
        if advanced || refitted || realigned {
            self.bind()?;
        }
        self.row_data.clear();
        self.row_data.extend(
            rows.iter()
                .map(|row| [row.token, row.position, row.slot, row.source]),
        );
        gpu.write(&self.activations.rows, 0, &self.row_data);
        Ok(())
    }

    /// Makes `plan` one for such a step.
    fn plan_for(&mut self, planned: Planned) {
        if self.planned != Some(planned) {
            self.plan.clear();
            self.ops.record(self.model, planned, &mut self.plan);
            self.planned = Some(planned);
        }
    }

    /// One step and what it ends with, logits or a ranking, back to the host.
    fn run(&mut self, rows: &[StepRow], end: End) -> Result<()> {
        self.prepare(rows, 1)?;
        let planned = Planned {
            rows: rows.len(),
            end,
            attends: self.attends,
        };
        self.plan_for(planned);
        let (result, width) = match end {
            End::Ranking(count) => (&self.activations.ranking, Ranking::width(count)),
            _ => (&self.activations.logits, self.model.config.vocab_size),
        };
        let gpu = &self.model.gpu;
        let back = (result, rows.len() * width, &mut self.readback);
        let Some(alignments) = self.alignments.as_mut().filter(|_| self.attends) else {
            return gpu.run(&self.plan, Some(back));
        };
        gpu.submit(&self.plan, 1, [back, alignments.back(rows.len(), 0)])?;
        gpu.finish(&mut self.readback)?;
        alignments.finish(gpu, 0, rows.iter().map(|row| row.position), 1)
    }

    fn submit_greedy(&mut self, steps: usize) -> Result<()> {
        let rows = self.greedy.rows();
        self.plan_for(Planned {
            rows,
            end: End::Argmax,
            attends: self.attends,
        });
        let alignments = self.alignments.as_mut().filter(|_| self.attends);
        (self.greedy).submit(&self.model.gpu, &self.plan, steps, alignments)
    }
}

impl StepDecoder for Decoder<'_> {
    fn vocab_size(&self) -> usize {
        self.model.config.vocab_size
    }

    fn step(&mut self, rows: &[StepRow]) -> Result<&[f32]> {
        self.run(rows, End::Logits)?;
        Ok(self.readback.floats())
    }

    fn ranks(&self) -> usize {
        self.selection.candidates
    }

    fn step_ranked(&mut self, rows: &[StepRow], count: usize) -> Result<Ranking<'_>> {
        if !(1..=self.selection.candidates).contains(&count) {
            return Err(Error::Invalid(format!(
                "{count} candidates a row, room for {}",
                self.selection.candidates
            )));
        }
        self.run(rows, End::Ranking(count))?;
        Ok(Ranking::new(self.readback.words(), count))
    }

    fn admit(&mut self, entry: &Entry<'_>) -> Result<bool> {
        if !self.is_shared {
            return Err(Error::Invalid("this decoder's sources are fixed".into()));
        }
        let share = Share {
            source: entry.source.len(),
            slots: entry.slots.clone(),
            positions: entry.positions,
        };
        self.cache.limit().check(&share)?;
        self.model.check_rows(entry.slots.len())?;
        // Rows of all who have entered go into one step.
        let rows = self.cache.tables.held_slots() + entry.slots.len();
        Ok(self.model.check_rows(rows).is_ok() && self.cache.tables.admit(entry.place, &share))
    }

    fn enter(&mut self, entries: &[Entry<'_>]) -> Result<()> {
        let sources: Vec<Vec<u32>> = entries.iter().map(|entry| entry.source.to_vec()).collect();
        let places: Vec<u32> = entries.iter().map(|entry| entry.place).collect();
        let encoded = self.model.encode(&sources)?;
        if self.cache.enter(self.model, &places, &encoded)? {
            self.bind()?;
        }
        Ok(())
    }

    fn leave(&mut self, place: u32) {
        if self.is_shared {
            self.cache.tables.leave(place);
        }
    }

    fn greedy_steps(&self) -> usize {
        self.greedy.steps
    }

    fn start_greedy(&mut self, rows: &[StepRow], steps: usize) -> Result<()> {
        self.prepare(rows, steps)?;
        self.greedy.begin(rows);
        self.submit_greedy(steps)
    }

    fn continue_greedy(&mut self, steps: usize) -> Result<()> {
        let slots = self.row_data.iter().map(|row| row[2]);
        let further = self.greedy.positions().iter();
        let wanted = slots.zip(further.map(|position| *position as usize + steps));
        if self.cache.extend(&self.model.gpu, wanted)? {
            self.bind()?;
        }
        self.submit_greedy(steps)
    }

    fn finish_greedy(&mut self, tokens: &mut Vec<u32>) -> Result<()> {
        let gpu = &self.model.gpu;
        self.greedy.finish(gpu, tokens, self.alignments.as_mut())
    }

    fn attend(&mut self, wanted: bool) -> Result<()> {
        self.attends = wanted;
        Ok(())
    }

    fn step_attended(
        &mut self,
        rows: &[StepRow],
        count: Option<usize>,
    ) -> Result<(StepResult<'_>, Attended<'_>)> {
        match count {
            Some(count) => drop(self.step_ranked(rows, count)?),
            None => drop(self.step(rows)?),
        }
        let result = match count {
            Some(count) => StepResult::Ranked(Ranking::new(self.readback.words(), count)),
            None => StepResult::Logits(self.readback.floats()),
        };
        Ok((result, self.attended()))
    }

    fn attended(&self) -> Attended<'_> {
        let wanted = self.alignments.as_ref().filter(|_| self.attends);
        wanted.map_or_else(Attended::default, Alignments::attended)
    }
}

//! Greedy decoding that stays on the GPU: several steps a submit, each fed what the one before it chose.

use std::collections::VecDeque;

use super::alignment::Alignments;
use crate::generate::StepRow;
use crate::gpu::{Buffer, Gpu, Plan, Readback};
use crate::{Error, Result};

/// Greedy runs under way and where their tokens are.
pub(super) struct Greedy {
    /// Steps of a run at most; 0 where the GPU shall not choose.
    pub steps: usize,
    /// The tokens of the last run, `[log_steps, rows]`: a row's at position p in line p % log_steps.
    pub log: Buffer,
    /// Two runs may be under way, each with its way back.
    readbacks: [Readback; 2],
    /// Where each row will be when the runs under way are done; empty where the rows on the GPU are not a run's.
    positions: Vec<u32>,
    /// Runs under way, the earliest first.
    runs: VecDeque<Run>,
    /// Runs submitted so far.
    submitted: usize,
}

struct Run {
    /// Where each row began.
    positions: Vec<u32>,
    steps: usize,
    /// Which way back it takes.
    readback: usize,
    /// Whether its alignment comes back too.
    attends: bool,
}

impl Greedy {
    pub fn new(gpu: &Gpu, slots: usize, steps: usize) -> Result<Greedy> {
        let tokens = slots * steps.max(1);
        Ok(Greedy {
            steps,
            log: gpu.buffer("tokens", (tokens * 4) as u64)?,
            readbacks: [gpu.readback(tokens)?, gpu.readback(tokens)?],
            positions: Vec::new(),
            runs: VecDeque::new(),
            submitted: 0,
        })
    }

    /// Lines of the log.
    pub fn log_steps(&self) -> usize {
        self.steps.max(1)
    }

    /// Rows of the runs under way.
    pub fn rows(&self) -> usize {
        self.positions.len()
    }

    /// Where each row will be when the runs under way are done.
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }

    /// The rows on the GPU have been replaced: what is under way is given up.
    pub fn clear(&mut self) {
        self.positions.clear();
        self.runs.clear();
    }

    /// Runs go on from these rows.
    pub fn begin(&mut self, rows: &[StepRow]) {
        self.positions.extend(rows.iter().map(|row| row.position));
    }

    /// Submits a run of `steps` times `plan`, the plan of a step, whose alignment is brought back too where there is one.
    pub fn submit(
        &mut self,
        gpu: &Gpu,
        plan: &Plan,
        steps: usize,
        alignments: Option<&mut Alignments>,
    ) -> Result<()> {
        let rows = self.rows();
        if rows == 0 || steps > self.steps || self.runs.len() > 1 {
            return Err(Error::Invalid(format!(
                "a greedy run of {rows} rows and {steps} steps with {} under way: there may be one, and {} steps",
                self.runs.len(),
                self.steps,
            )));
        }
        let readback = self.submitted % 2;
        let elements = self.log_steps() * rows;
        let attends = alignments.is_some();
        let tokens = (&self.log, elements, &mut self.readbacks[readback]);
        match alignments {
            Some(alignments) => {
                gpu.submit(plan, steps, [tokens, alignments.back(rows, readback)])?
            }
            None => gpu.submit(plan, steps, [tokens])?,
        }
        self.submitted += 1;
        self.runs.push_back(Run {
            positions: self.positions.clone(),
            steps,
            readback,
            attends,
        });
        for position in &mut self.positions {
            *position += steps as u32;
        }
        Ok(())
    }

    /// Waits for the earliest run under way: its tokens, `[steps, rows]`, and its alignment.
    pub fn finish(
        &mut self,
        gpu: &Gpu,
        tokens: &mut Vec<u32>,
        alignments: Option<&mut Alignments>,
    ) -> Result<()> {
        let Some(run) = self.runs.pop_front() else {
            return Err(Error::Invalid("no greedy run is under way".into()));
        };
        let readback = &mut self.readbacks[run.readback];
        gpu.finish(readback)?;
        let (log, rows) = (readback.words(), run.positions.len());
        tokens.clear();
        for step in 0..run.steps {
            let lines = run
                .positions
                .iter()
                .map(|&start| (start as usize + step) % self.steps);
            tokens.extend(lines.enumerate().map(|(row, line)| log[line * rows + row]));
        }
        match alignments.filter(|_| run.attends) {
            Some(alignments) => {
                let positions = run.positions.iter().copied();
                alignments.finish(gpu, run.readback, positions, run.steps)
            }
            None => Ok(()),
        }
    }
}

//! Toy decoders that keep each slot's history as tokens, and insist that it is used as the interface says.

use std::collections::{HashMap, VecDeque};

use t5_gpu::generate::{Entry, NOT_FINITE, Ranking, StepDecoder, StepRow};
use t5_gpu::model::pages::{Share, Tables};
use t5_gpu::reference::top_k;
use t5_gpu::{Error, GenerationConfig, Result};

/// A decoder whose logits are a function of the source and the tokens so far.
pub struct Toy<F> {
    vocab_size: usize,
    logits_of: F,
    /// By slot: the source it belongs to and the tokens fed.
    histories: HashMap<u32, (u32, Vec<u32>)>,
    /// What entered, by place: the first of its tokens, which is the source from then on.
    places: HashMap<u32, u32>,
    /// By place, the positions that its hypotheses may have.
    positions: HashMap<u32, usize>,
    /// How many sources entered together, each time.
    pub entered: Vec<usize>,
    logits: Vec<f32>,
    /// Rows of every step so far.
    pub steps: Vec<usize>,
    /// What [`StepDecoder::ranks`] says.
    pub ranks: usize,
    /// Steps that gave rankings so far.
    pub ranked: usize,
    ranking: Vec<u32>,
    /// What [`StepDecoder::greedy_steps`] says.
    pub greedy_steps: usize,
    /// Steps of greedy runs so far.
    pub picks: usize,
    /// The tokens of the runs under way.
    under_way: VecDeque<Vec<u32>>,
    /// The rows that a run goes on from.
    next: Vec<StepRow>,
    /// Where histories lie, if not simply there.
    pool: Option<Pool>,
    /// Steps until the decoder fails, with what.
    pub fails_after: Option<usize>,
    /// A source with which nothing goes.
    pub culprit: Option<u32>,
    /// Sources that nothing but NaN comes from.
    pub poisoned: Vec<u32>,
}

/// Keys and values as tokens, in pages.
struct Pool {
    page_size: usize,
    pages: usize,
    tables: Tables,
    /// By position of the pool: the source it was written for and the token fed.
    written: Vec<(u32, u32)>,
}

impl Pool {
    /// The tokens before `position` of a slot, and that they are of this source.
    fn history(&self, slot: u32, position: usize, source: u32) -> Vec<u32> {
        let row = &self.tables.history()[slot as usize * self.tables.stride()..];
        let read = |at: &u32| {
            let (of, token) = self.written[*at as usize];
            assert_eq!(of, source, "a page of another source");
            token
        };
        row[..position].iter().map(read).collect()
    }

    fn write(&mut self, row: &StepRow, source: u32) {
        let at =
            self.tables.history()[row.slot as usize * self.tables.stride() + row.position as usize];
        self.written[at as usize] = (source, row.token);
    }
}

impl<F: Fn(u32, &[u32], &mut [f32])> Toy<F> {
    pub fn new(vocab_size: usize, logits_of: F) -> Self {
        Self {
            vocab_size,
            logits_of,
            histories: HashMap::new(),
            places: HashMap::new(),
            positions: HashMap::new(),
            entered: Vec::new(),
            logits: Vec::new(),
            steps: Vec::new(),
            ranks: 0,
            ranked: 0,
            ranking: Vec::new(),
            greedy_steps: 0,
            picks: 0,
            under_way: VecDeque::new(),
            next: Vec::new(),
            pool: None,
            fails_after: None,
            culprit: None,
            poisoned: Vec::new(),
        }
    }

    /// Keeps histories in a pool of so many pages.
    pub fn paged(self, page_size: usize, pages: usize) -> Self {
        let pool = Pool {
            page_size,
            pages,
            tables: Tables::new(page_size, pages),
            written: vec![(u32::MAX, 0); page_size * pages],
        };
        Self {
            pool: Some(pool),
            ..self
        }
    }

    /// Pages that somebody has or was promised.
    pub fn pages_in_use(&self) -> usize {
        self.pool.as_ref().map_or(0, |pool| pool.tables.in_use())
    }

    fn check_failure(&mut self) -> Result<()> {
        if self
            .places
            .values()
            .any(|&source| self.culprit == Some(source))
        {
            return Err(Error::Gpu("out of memory".into()));
        }
        match &mut self.fails_after {
            Some(0) => Err(Error::Gpu("out of order".into())),
            Some(steps) => {
                *steps -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Finds up to so many of a row's best tokens.
    pub fn ranking(self, ranks: usize) -> Self {
        Self { ranks, ..self }
    }

    /// Chooses by itself, so many steps at once.
    pub fn greedy(self, greedy_steps: usize) -> Self {
        Self {
            greedy_steps,
            ..self
        }
    }

    /// Gives up what is under way, and gives rows their pages for `steps` steps.
    fn prepare(&mut self, rows: &[StepRow], steps: usize) {
        self.under_way.clear();
        if let Some(pool) = &mut self.pool {
            assert!(
                pool.tables.advance(rows, steps),
                "a promise that was not kept"
            );
        }
    }

    fn run_greedy(&mut self, steps: usize) {
        assert!((1..=self.greedy_steps).contains(&steps), "{steps} steps");
        assert!(self.under_way.len() < 2, "a third run");
        let mut tokens = Vec::new();
        let mut rows = std::mem::take(&mut self.next);
        for _ in 0..steps {
            self.run(&rows);
            for (row, logits) in rows
                .iter_mut()
                .zip(self.logits.chunks_exact(self.vocab_size))
            {
                let likeliest = (0..logits.len())
                    .rev()
                    .max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
                row.token = likeliest.unwrap() as u32;
                row.position += 1;
                row.parent = row.slot;
                let is_finite = logits.iter().all(|logit| logit.is_finite());
                tokens.push(if is_finite { row.token } else { NOT_FINITE });
            }
        }
        self.next = rows;
        self.picks += steps;
        self.under_way.push_back(tokens);
    }

    /// Whether the row's request has been fed all that it may be.
    fn is_done(&self, row: &StepRow) -> bool {
        let most = self.positions.get(&row.source);
        most.is_some_and(|&most| row.position as usize >= most)
    }

    fn run(&mut self, rows: &[StepRow]) {
        assert!(!rows.is_empty());
        let mut next = Vec::new();
        let paged: Option<Vec<Vec<u32>>> = self.pool.as_ref().map(|pool| {
            let history = |row: &StepRow| {
                let source = self.places[&row.source];
                pool.history(row.slot, row.position as usize, source)
            };
            rows.iter().map(history).collect()
        });
        let done: Vec<bool> = rows.iter().map(|row| self.is_done(row)).collect();
        for row in rows {
            if let Some(pool) = &mut self.pool {
                pool.write(row, self.places[&row.source]);
            }
        }
        self.logits.resize(rows.len() * self.vocab_size, 0.0);
        for (index, (row, logits)) in rows
            .iter()
            .zip(self.logits.chunks_exact_mut(self.vocab_size))
            .enumerate()
        {
            let mut history = Vec::new();
            let row_source = *self.places.get(&row.source).unwrap_or(&row.source);
            if row.position > 0 {
                let (source, tokens) = &self.histories[&row.parent];
                assert_eq!(*source, row_source, "a slot changed its source");
                assert_eq!(
                    tokens.len(),
                    row.position as usize,
                    "history and position of {row:?}"
                );
                history.clone_from(tokens);
                // What is done runs on over its own last page.
                if let Some(paged) = paged.as_ref().filter(|_| !done[index]) {
                    assert_eq!(paged[index], history, "the pool's history of {row:?}");
                }
            }
            history.push(row.token);
            (self.logits_of)(row_source, &history, logits);
            if self.poisoned.contains(&row_source) {
                logits.fill(f32::NAN);
            }
            next.push((row.slot, (row_source, history)));
        }
        // All parents are read by now.
        let written = next.len();
        let slots: HashMap<_, _> = next.into_iter().collect();
        assert_eq!(slots.len(), written, "two rows of one slot");
        self.histories.extend(slots);
        self.steps.push(rows.len());
    }
}

impl<F: Fn(u32, &[u32], &mut [f32])> StepDecoder for Toy<F> {
    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn step(&mut self, rows: &[StepRow]) -> Result<&[f32]> {
        self.check_failure()?;
        self.prepare(rows, 1);
        self.run(rows);
        Ok(&self.logits)
    }

    fn admit(&mut self, entry: &Entry<'_>) -> Result<bool> {
        let Some(pool) = &mut self.pool else {
            return Ok(true);
        };
        let share = Share {
            source: entry.source.len(),
            slots: entry.slots.clone(),
            positions: entry.positions,
        };
        let needed = share.pages(pool.page_size);
        if needed > pool.pages {
            return Err(Error::Invalid(format!("{needed} of {} pages", pool.pages)));
        }
        Ok(pool.tables.admit(entry.place, &share))
    }

    fn enter(&mut self, entries: &[Entry<'_>]) -> Result<()> {
        self.check_failure()?;
        for entry in entries {
            self.places.insert(entry.place, entry.source[0]);
            self.positions.insert(entry.place, entry.positions);
            let Some(pool) = &mut self.pool else { continue };
            for at in pool.tables.source(entry.place) {
                pool.written[at as usize] = (entry.source[0], u32::MAX);
            }
        }
        self.entered.push(entries.len());
        Ok(())
    }

    fn leave(&mut self, place: u32) {
        self.places.remove(&place);
        if let Some(pool) = &mut self.pool {
            pool.tables.leave(place);
        }
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn step_ranked(&mut self, rows: &[StepRow], count: usize) -> Result<Ranking<'_>> {
        assert!((1..=self.ranks).contains(&count), "{count} candidates");
        self.check_failure()?;
        self.prepare(rows, 1);
        self.run(rows);
        self.ranked += 1;
        self.ranking.clear();
        for logits in self.logits.chunks_exact(self.vocab_size) {
            let (best, sum) = top_k(logits, count);
            self.ranking.extend([best[0].1.to_bits(), sum.to_bits()]);
            self.ranking.extend(best.iter().map(|(token, _)| token));
            self.ranking
                .extend(best.iter().map(|(_, logit)| logit.to_bits()));
        }
        Ok(Ranking::new(&self.ranking, count))
    }

    fn greedy_steps(&self) -> usize {
        self.greedy_steps
    }

    fn start_greedy(&mut self, rows: &[StepRow], steps: usize) -> Result<()> {
        self.check_failure()?;
        self.prepare(rows, steps);
        self.next = rows.to_vec();
        self.run_greedy(steps);
        Ok(())
    }

    fn continue_greedy(&mut self, steps: usize) -> Result<()> {
        assert!(self.greedy_steps > 1, "a run ahead that is not wanted");
        if let Some(pool) = &mut self.pool {
            let rows = self.next.iter();
            let wanted = rows.map(|row| (row.slot, row.position as usize + steps));
            assert!(pool.tables.extend(wanted), "a promise that was not kept");
        }
        self.run_greedy(steps);
        Ok(())
    }

    fn finish_greedy(&mut self, tokens: &mut Vec<u32>) -> Result<()> {
        *tokens = self.under_way.pop_front().expect("a run under way");
        Ok(())
    }
}

/// Logits without pattern, `spread` wide, from the whole history.
pub fn noise(source: u32, history: &[u32], token: usize, spread: f32) -> f32 {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64 ^ u64::from(source);
    for &part in history.iter().chain([&(token as u32)]) {
        hash = (hash ^ u64::from(part)).wrapping_mul(0x0100_0000_01B3);
        hash ^= hash >> 29;
    }
    (hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f32 / (1 << 24) as f32 * spread
}

pub fn noisy(vocab_size: usize, spread: f32) -> Toy<impl Fn(u32, &[u32], &mut [f32])> {
    Toy::new(vocab_size, move |source, history, logits| {
        for (token, logit) in logits.iter_mut().enumerate() {
            *logit = noise(source, history, token, spread);
        }
    })
}

/// Start token 0, end of sequence 1.
pub fn config() -> GenerationConfig {
    GenerationConfig {
        decoder_start_token_id: Some(0),
        eos_token_id: vec![1],
        ..Default::default()
    }
}

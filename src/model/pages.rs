//! Whose keys and values lie where: pages of a pool, handed out and taken back, and the tables by which kernels find them.
//! Plain bookkeeping, without a GPU.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use crate::generate::StepRow;

/// Pages of a pool: some are handed out, some free, and of the free ones some are promised to those who will ask for them.
#[derive(Debug)]
struct Pages {
    /// How many there are.
    total: usize,
    /// Those from here on have never been handed out.
    fresh: u32,
    /// Handed out and taken back; the first is given first, so that the pool stays short.
    returned: BinaryHeap<Reverse<u32>>,
    promised: usize,
}

impl Pages {
    fn free(&self) -> usize {
        self.total - self.fresh as usize + self.returned.len()
    }

    /// Those that nobody was promised.
    fn available(&self) -> usize {
        self.free() - self.promised
    }

    fn take(&mut self) -> u32 {
        match self.returned.pop() {
            Some(Reverse(page)) => page,
            None => {
                self.fresh += 1;
                self.fresh - 1
            }
        }
    }
}

/// A hypothesis' share of the pool.
#[derive(Clone, Debug, Default)]
struct Slot {
    /// Where what it writes lies: position t in page t / page size.
    pages: Vec<u32>,
    /// How many pages it may have, where they were promised.
    promised: Option<usize>,
    /// Positions that its row of the table tells the place of.
    mapped: usize,
    /// Whether its row tells of others' pages.
    is_mixed: bool,
}

/// A source's share of the pool.
#[derive(Clone, Debug, Default)]
struct Source {
    pages: Vec<u32>,
    /// The slots of its hypotheses.
    slots: Range<u32>,
}

/// The pages of sources and hypotheses and the tables that say where each position lies.
///
/// Of a hypothesis, position t lies where entry t of its slot's row says, a place in the pool counted in positions. Beams
/// that continue another's hypothesis copy its entries and no key.
#[derive(Debug)]
pub struct Tables {
    pages: Pages,
    /// Positions a page.
    page_size: usize,
    slots: Vec<Slot>,
    sources: Vec<Source>,
    /// `[slots, stride]`
    history: Vec<u32>,
    /// The rows of the parents that a step overwrites, as they were before it.
    before: Vec<u32>,
    stride: usize,
    /// Slots whose rows changed, and which entries.
    changed: Vec<(u32, Range<usize>)>,
}

/// What a request takes of the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Positions of its source.
    pub source: usize,
    /// Its hypotheses'.
    pub slots: Range<u32>,
    /// Positions of each, at most.
    pub positions: usize,
}

impl Share {
    /// Pages of so many positions that it needs at most.
    pub fn pages(&self, page_size: usize) -> usize {
        let of_slot = self.positions.div_ceil(page_size).max(1);
        let of_slots = self.slots.len().saturating_mul(of_slot);
        self.source.div_ceil(page_size).saturating_add(of_slots)
    }
}

/// Positions that a table starts with.
const FIRST_STRIDE: usize = 64;

impl Tables {
    /// Tables over a pool of so many pages of so many positions.
    pub fn new(page_size: usize, pages: usize) -> Tables {
        Tables {
            pages: Pages {
                total: pages,
                fresh: 0,
                returned: BinaryHeap::new(),
                promised: 0,
            },
            page_size,
            slots: Vec::new(),
            sources: Vec::new(),
            history: Vec::new(),
            before: Vec::new(),
            stride: FIRST_STRIDE,
            changed: Vec::new(),
        }
    }

    /// Pages there are.
    pub fn total(&self) -> usize {
        self.pages.total
    }

    /// Pages that somebody has or was promised.
    pub fn in_use(&self) -> usize {
        self.pages.total - self.pages.available()
    }

    /// Pages that lie before the end of the last one in use, now or ever.
    pub fn extent(&self) -> usize {
        self.pages.fresh as usize
    }

    /// Entries a row of the history.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Rows of the history.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Slots of those who were admitted.
    pub fn held_slots(&self) -> usize {
        self.sources.iter().map(|source| source.slots.len()).sum()
    }

    /// `[slots, stride]`: where position t of the slot's hypothesis lies.
    pub fn history(&self) -> &[u32] {
        &self.history
    }

    /// What changed in the history since it was last asked.
    pub fn take_changes(&mut self) -> Vec<(u32, Range<usize>)> {
        std::mem::take(&mut self.changed)
    }

    /// Gives the source at `place` its pages and promises its hypotheses theirs, if there are enough.
    pub fn admit(&mut self, place: u32, share: &Share) -> bool {
        let need = share.pages(self.page_size);
        if need > self.pages.available() {
            return false;
        }
        self.leave(place);
        let own = share.source.div_ceil(self.page_size);
        self.pages.promised += need - own;
        for slot in share.slots.clone() {
            self.grow_slots(slot as usize + 1);
            let slot = &mut self.slots[slot as usize];
            debug_assert!(slot.pages.is_empty() && slot.promised.is_none());
            slot.promised = Some(share.positions.div_ceil(self.page_size).max(1));
        }
        let pages = (0..own).map(|_| self.pages.take()).collect();
        let place = place as usize;
        if place >= self.sources.len() {
            self.sources.resize_with(place + 1, Source::default);
        }
        self.sources[place] = Source {
            pages,
            slots: share.slots.clone(),
        };
        self.check();
        true
    }

    /// Takes back what the source at `place` and its hypotheses had.
    pub fn leave(&mut self, place: u32) {
        let Some(source) = self.sources.get_mut(place as usize) else {
            return;
        };
        let source = std::mem::take(source);
        self.pages
            .returned
            .extend(source.pages.into_iter().map(Reverse));
        for slot in source.slots {
            let slot = std::mem::take(&mut self.slots[slot as usize]);
            self.pages.promised -= slot.promised.unwrap_or(0) - slot.pages.len();
            self.pages
                .returned
                .extend(slot.pages.into_iter().map(Reverse));
        }
        self.check();
    }

    /// Where each position of the source at `place` lies.
    pub fn source(&self, place: u32) -> impl Iterator<Item = u32> {
        let size = self.page_size as u32;
        let source = self.sources.get(place as usize);
        source
            .into_iter()
            .flat_map(|source| &source.pages)
            .flat_map(move |page| page * size..(page + 1) * size)
    }

    /// Lets each row's slot continue its parent's hypothesis, and gives it pages for `steps` steps. All parents are read
    /// before any slot changes. False where there are no pages left, which those who were promised theirs never see.
    pub fn advance(&mut self, rows: &[StepRow], steps: usize) -> bool {
        let furthest = rows.iter().map(|row| row.position as usize + steps).max();
        self.grow_stride(furthest.unwrap_or(0));
        if rows
            .iter()
            .any(|row| row.position > 0 && row.parent != row.slot)
        {
            self.before.clear();
            self.before.extend_from_slice(&self.history);
        }
        for row in rows {
            let position = row.position as usize;
            if !self.map(row.slot, position + steps) {
                return false;
            }
            let index = row.slot as usize;
            let moves = position > 0 && row.parent != row.slot;
            if !moves && (position > 0 || !self.slots[index].is_mixed) {
                continue;
            }
            // What an earlier hypothesis of this slot continued is no part of this one.
            let from_parent = if moves { position } else { 0 };
            self.slots[index].is_mixed = moves;
            let own = self.own(index, from_parent..self.slots[index].mapped);
            let parent = row.parent as usize * self.stride;
            let entries = &mut self.history[index * self.stride..][..self.stride];
            if moves {
                entries[..position].copy_from_slice(&self.before[parent..][..position]);
            }
            entries[from_parent..from_parent + own.len()].copy_from_slice(&own);
            self.changed.push((row.slot, 0..self.slots[index].mapped));
        }
        true
    }

    /// Gives hypotheses that go on where they are pages for `positions`, in all. False as for [`Tables::advance`].
    pub fn extend(&mut self, slots: impl IntoIterator<Item = (u32, usize)>) -> bool {
        let slots: Vec<_> = slots.into_iter().collect();
        self.grow_stride(
            slots
                .iter()
                .map(|(_, positions)| *positions)
                .max()
                .unwrap_or(0),
        );
        slots
            .into_iter()
            .all(|(slot, positions)| self.map(slot, positions))
    }

    /// Tells the slot's row of its own pages up to `positions`, as far as it does not yet.
    fn map(&mut self, slot: u32, positions: usize) -> bool {
        let index = slot as usize;
        self.grow_slots(index + 1);
        let wanted = positions.div_ceil(self.page_size);
        let most = self.slots[index].promised.unwrap_or(usize::MAX);
        for _ in self.slots[index].pages.len()..wanted.min(most) {
            if most == usize::MAX {
                if self.pages.available() == 0 {
                    return false;
                }
            } else {
                self.pages.promised -= 1;
            }
            let page = self.pages.take();
            self.slots[index].pages.push(page);
        }
        let mapped = self.slots[index].mapped;
        if positions > mapped {
            // To the ends of pages, so that most steps change nothing.
            let end = (wanted * self.page_size).min(self.stride);
            let own = self.own(index, mapped..end);
            self.history[index * self.stride..][mapped..end].copy_from_slice(&own);
            self.slots[index].mapped = end;
            self.changed.push((slot, mapped..end));
        }
        true
    }

    /// Where these positions lie in the slot's own pages. What is done and yet runs on for a while writes past the pages
    /// it was promised: into the last of them again, which nobody reads any more.
    fn own(&self, slot: usize, positions: Range<usize>) -> Vec<u32> {
        let pages = &self.slots[slot].pages;
        let place = |t: usize| {
            let page = pages[(t / self.page_size).min(pages.len() - 1)];
            (page as usize * self.page_size + t % self.page_size) as u32
        };
        positions.map(place).collect()
    }

    fn grow_slots(&mut self, slots: usize) {
        if slots > self.slots.len() {
            self.slots.resize_with(slots, Slot::default);
            self.history.resize(slots * self.stride, 0);
        }
    }

    fn grow_stride(&mut self, positions: usize) {
        if positions <= self.stride {
            return;
        }
        let stride = positions.next_power_of_two();
        let mut history = vec![0; self.slots.len() * stride];
        for (new, old) in history
            .chunks_exact_mut(stride)
            .zip(self.history.chunks_exact(self.stride))
        {
            new[..self.stride].copy_from_slice(old);
        }
        self.history = history;
        self.stride = stride;
    }

    /// In debug builds: every page is in one hand, and promises can be kept.
    fn check(&self) {
        if !cfg!(debug_assertions) {
            return;
        }
        let mut seen = vec![false; self.pages.fresh as usize];
        let of_slots = self.slots.iter().flat_map(|slot| &slot.pages);
        let of_sources = self.sources.iter().flat_map(|source| &source.pages);
        let returned = self.pages.returned.iter().map(|Reverse(page)| page);
        for &page in of_slots.chain(of_sources).chain(returned) {
            assert!(
                !std::mem::replace(&mut seen[page as usize], true),
                "page {page} is in two hands"
            );
        }
        assert!(seen.iter().all(|seen| *seen), "a page is lost");
        let promised: usize = self
            .slots
            .iter()
            .map(|slot| slot.promised.unwrap_or(slot.pages.len()) - slot.pages.len())
            .sum();
        assert_eq!(promised, self.pages.promised, "promises");
        assert!(
            promised <= self.pages.free(),
            "promises that cannot be kept"
        );
    }
}

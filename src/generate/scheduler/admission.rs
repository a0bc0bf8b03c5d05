//! Who enters a scheduler's steps and who leaves them.

use std::ops::Range;

use super::{Event, Held, Scheduler, Tell};
use crate::generate::queue::{EncoderLimit, Slots, Ticket};
use crate::generate::running::{Running, searches};
use crate::generate::{Entry, StepDecoder};
use crate::{Error, Result};

/// Source tokens of an encoder batch, a place.
const TOKENS_A_PLACE: usize = 64;
/// Losses of a device under one and the same request, from which on it may be its fault.
const MOST_LOSSES: usize = 3;

impl Scheduler {
    /// Puts all that run back to where they waited, to run from their start: after an error of a decoder, with another one.
    /// What was told is not told again. Unless it is the device that `was_lost`, fewer run together from then on until it
    /// has failed for one alone, which is told the error, or for none.
    pub fn restart(&mut self, error: Error, was_lost: bool, tell: Tell<'_>) {
        self.running.clear();
        self.under_way = 0;
        self.is_blocked = false;
        self.free = (0..self.places as u32).rev().collect();
        self.slots = Slots::default();
        let held = std::mem::take(&mut self.held).into_values();
        let mut tickets: Vec<Ticket> = held
            .filter(|held| !held.is_over)
            .map(|held| held.ticket)
            .collect();
        let mut blames = !was_lost;
        for ticket in &mut tickets {
            ticket.losses += usize::from(was_lost);
            blames |= ticket.losses > MOST_LOSSES;
        }
        if blames && tickets.len() == 1 {
            tell(tickets.remove(0).id, Event::Failed(error));
        } else if blames {
            self.together = (tickets.len() / 2).max(1);
        }
        for mut ticket in tickets {
            ticket.is_suspect |= blames;
            self.queue.put(ticket);
        }
        self.clear_suspicion();
    }

    /// Ends all who run without a word, so that the decoder can be used for others.
    pub(in crate::generate) fn clear(&mut self, decoder: &mut dyn StepDecoder) {
        for held in self.held.values_mut() {
            held.is_over = true;
        }
        self.running.clear();
        self.under_way = 0;
        self.retire(decoder);
    }

    /// Those who are done leave the step.
    pub(super) fn retire(&mut self, decoder: &mut dyn StepDecoder) {
        self.running.retain(|active| !active.is_done());
        let over: Vec<u64> = self
            .held
            .iter()
            .filter(|(_, held)| held.is_over)
            .map(|(id, _)| *id)
            .collect();
        for held in over.iter().filter_map(|id| self.held.remove(id)) {
            decoder.leave(held.place);
            self.free.push(held.place);
            self.slots.set(held.slots, false);
            self.is_blocked = false;
        }
        self.clear_suspicion();
    }

    fn clear_suspicion(&mut self) {
        let mut running = self.held.values().map(|held| &held.ticket);
        if self.together != usize::MAX
            && !running.any(|ticket| ticket.is_suspect)
            && !self.queue.has_suspects()
        {
            self.together = usize::MAX;
        }
    }

    /// How many of those who wait may enter when `free` places are: enough to be worth running the encoder for.
    pub(super) fn admissible(&self, free: usize) -> usize {
        let active = self.active();
        let free = free.min(self.together.saturating_sub(active));
        let waiting = self.queue.len();
        let is_worth_it = active == 0 || waiting <= free || 4 * free >= self.places;
        if self.is_blocked || !(is_worth_it || self.together != usize::MAX) {
            return 0;
        }
        waiting.min(free)
    }

    /// Lets those who wait have free places, a batch of the encoder at most where others run that would wait for it.
    pub(super) fn admit(&mut self, decoder: &mut dyn StepDecoder, tell: Tell<'_>) -> Result<()> {
        let were_running = !self.running.is_empty();
        loop {
            let items = self.admissible(self.free.len());
            if items == 0 {
                return Ok(());
            }
            let limit = EncoderLimit {
                items,
                tokens: TOKENS_A_PLACE * self.places,
            };
            let mut refused = Vec::new();
            let mut shares: Vec<(u32, Range<u32>)> = Vec::new();
            let (free, slots) = (&mut self.free, &mut self.slots);
            let picked = self.queue.pick(limit, |ticket| {
                let Some(&place) = free.last() else {
                    return false;
                };
                let share = slots.find(ticket.request.slots());
                match decoder.admit(&ticket.entry(place, share.clone())) {
                    Ok(true) => {
                        free.pop();
                        slots.set(share.clone(), true);
                        shares.push((place, share));
                        true
                    }
                    Ok(false) => false,
                    Err(error) => {
                        refused.push((ticket.id, error));
                        false
                    }
                }
            });
            let none_refused = refused.is_empty();
            for (id, error) in refused {
                self.queue.remove(id);
                tell(id, Event::Failed(error));
            }
            if picked.is_empty() {
                self.is_blocked = none_refused;
                if none_refused {
                    return Ok(());
                }
                continue;
            }
            let ids: Vec<u64> = picked.iter().map(|ticket| ticket.id).collect();
            for (ticket, (place, slots)) in picked.into_iter().zip(shares) {
                tell(ticket.id, Event::Entered);
                self.hold(place, slots, ticket)?;
            }
            let entries: Vec<Entry<'_>> = ids
                .iter()
                .filter_map(|id| self.held.get(id))
                .map(|held| held.ticket.entry(held.place, held.slots.clone()))
                .collect();
            decoder.enter(&entries)?;
            if were_running {
                return Ok(());
            }
        }
    }

    /// Makes a request one of those who run.
    pub(super) fn hold(&mut self, place: u32, slots: Range<u32>, mut ticket: Ticket) -> Result<()> {
        let id = ticket.id;
        let searches = searches(&mut ticket.request, self.vocab_size)?;
        let count = searches.len();
        for (sequence, mut search) in searches.into_iter().enumerate() {
            search.enter(place, slots.start + sequence as u32);
            self.running.push(Running {
                search,
                id,
                sequence,
                rows: 0..0,
                advanced: None,
                is_given_up: false,
            });
        }
        let held = Held {
            ticket,
            place,
            slots,
            outputs: vec![Vec::new(); count],
            decided: vec![0; count],
            unfinished: count,
            is_over: false,
        };
        self.held.insert(id, held);
        Ok(())
    }
}

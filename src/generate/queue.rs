//! Who waits and who goes next.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use super::Entry;
use super::request::Request;

/// A request that is not done, with what is known of it whatever becomes of its run.
pub(super) struct Ticket {
    pub id: u64,
    /// In the order of arrival.
    pub arrival: u64,
    pub request: Request,
    /// When its time is up.
    pub deadline: Option<Instant>,
    /// Tokens told, by sequence.
    pub told: Vec<usize>,
    /// How many that came later have gone before it.
    overtaken: usize,
    /// Whether it ran when something failed that may have been its fault.
    pub is_suspect: bool,
    /// How many times a device was lost under it.
    pub losses: usize,
}

impl Ticket {
    /// What a decoder is told of it, at such a place and slots.
    pub fn entry(&self, place: u32, slots: Range<u32>) -> Entry<'_> {
        let config = &self.request.config;
        let limits = config
            .decoder_prompt()
            .and_then(|prompt| config.length_limits(prompt.len()));
        Entry {
            place,
            source: &self.request.encoder_input_ids,
            slots,
            // The last token is fed to nobody.
            positions: limits.map_or(1, |limits| limits.max_length.saturating_sub(1)),
        }
    }
}

/// What goes through the encoder together.
#[derive(Clone, Copy)]
pub(super) struct EncoderLimit {
    /// Requests.
    pub items: usize,
    /// Tokens, padding counted; a single source may have more.
    pub tokens: usize,
}

/// Those who wait, in the order of arrival.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Ticket>,
    arrivals: u64,
}

/// How many may go before one that there is no room for, until they all wait with it.
const MOST_OVERTAKEN: usize = 64;
/// How far the queue is looked through for sources that go well together.
const LOOK_AHEAD: usize = 256;

impl Queue {
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn push(&mut self, id: u64, request: Request, deadline: Option<Instant>) -> Ticket {
        self.arrivals += 1;
        Ticket {
            id,
            arrival: self.arrivals,
            told: vec![0; request.slots()],
            request,
            deadline,
            overtaken: 0,
            is_suspect: false,
            losses: 0,
        }
    }

    /// Puts it where its arrival places it.
    pub fn put(&mut self, ticket: Ticket) {
        let at = self
            .waiting
            .partition_point(|other| other.arrival < ticket.arrival);
        self.waiting.insert(at, ticket);
    }

    pub fn remove(&mut self, id: u64) -> Option<Ticket> {
        let at = self.waiting.iter().position(|ticket| ticket.id == id)?;
        self.waiting.remove(at)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Ticket> {
        self.waiting.iter()
    }

    pub fn has_suspects(&self) -> bool {
        self.waiting.iter().any(|ticket| ticket.is_suspect)
    }

    /// Takes those who go through the encoder next: the first there is room for, as `admit` says, and others of about its
    /// length. `admit` is asked once for each.
    pub fn pick(
        &mut self,
        limit: EncoderLimit,
        mut admit: impl FnMut(&Ticket) -> bool,
    ) -> Vec<Ticket> {
        let mut picked: Vec<usize> = Vec::new();
        let (mut longest, mut sum) = (0, 0);
        for (index, ticket) in self.waiting.iter().take(LOOK_AHEAD).enumerate() {
            if picked.len() == limit.items {
                break;
            }
            let tokens = ticket.request.encoder_input_ids.len();
            let padded = longest.max(tokens) * (picked.len() + 1);
            // Some padding costs less than a batch more.
            let goes_well = padded <= (sum + tokens) * 5 / 4 + 8 && padded <= limit.tokens;
            if picked.is_empty() || goes_well {
                if admit(ticket) {
                    picked.push(index);
                    longest = longest.max(tokens);
                    sum += tokens;
                } else if ticket.overtaken >= MOST_OVERTAKEN {
                    break;
                }
            }
        }
        let Some(&last) = picked.last() else {
            return Vec::new();
        };
        let mut taken = Vec::new();
        for ticket in self.waiting.range_mut(..last) {
            ticket.overtaken += 1;
        }
        for index in picked.into_iter().rev() {
            taken.extend(self.waiting.remove(index));
        }
        taken.reverse();
        taken
    }
}

/// Which slots are taken.
#[derive(Default)]
pub(super) struct Slots(Vec<bool>);

impl Slots {
    /// The first free ones that lie side by side.
    pub fn find(&self, count: usize) -> Range<u32> {
        let mut first = 0;
        for (slot, taken) in self.0.iter().enumerate() {
            if *taken {
                first = slot + 1;
            } else if slot + 1 - first == count {
                break;
            }
        }
        first as u32..(first + count) as u32
    }

    pub fn set(&mut self, slots: Range<u32>, taken: bool) {
        let (first, end) = (slots.start as usize, slots.end as usize);
        if end > self.0.len() {
            self.0.resize(end, false);
        }
        self.0[first..end].fill(taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GenerationConfig;

    const LIMIT: EncoderLimit = EncoderLimit {
        items: 4,
        tokens: 100,
    };

    fn queue(lengths: &[usize]) -> Queue {
        let mut queue = Queue::default();
        for (id, length) in (0..).zip(lengths) {
            let request = Request::new(0, vec![1; *length], GenerationConfig::default());
            let ticket = queue.push(id, request, None);
            queue.put(ticket);
        }
        queue
    }

    fn ids(tickets: &[Ticket]) -> Vec<u64> {
        tickets.iter().map(|ticket| ticket.id).collect()
    }

    #[test]
    fn those_of_about_a_length_go_together() {
        let mut queue = queue(&[30, 3, 28, 4, 31, 300, 5]);
        let turns: Vec<Vec<u64>> = (0..4).map(|_| ids(&queue.pick(LIMIT, |_| true))).collect();
        assert_eq!(turns, [vec![0, 2, 4], vec![1, 3, 6], vec![5], vec![]]);
    }

    /// Short ones pass one that there is no room for, but not without end.
    #[test]
    fn what_does_not_fit_blocks_nobody_and_is_not_starved() {
        let mut queue = queue(&[vec![900], vec![9; 1000]].concat());
        let mut passed = 0;
        loop {
            let picked = queue.pick(LIMIT, |ticket| ticket.request.encoder_input_ids.len() < 100);
            if picked.is_empty() {
                break;
            }
            passed += 1;
        }
        assert_eq!(passed, MOST_OVERTAKEN);
        assert_eq!(ids(&queue.pick(LIMIT, |_| true)), [0]);
    }

    #[test]
    fn slots_lie_side_by_side() {
        let mut slots = Slots::default();
        for (count, first) in [(3, 0), (1, 3), (2, 4)] {
            let found = slots.find(count);
            assert_eq!(found.start, first);
            slots.set(found, true);
        }
        slots.set(0..3, false);
        assert_eq!(slots.find(4), 6..10);
        assert_eq!(slots.find(2), 0..2);
    }
}

"""Pairs as token numbers, mixed by kind, in batches of like length.

What the n-th block of pairs holds depends on the seed and n alone, so a training that is stopped
goes on where it was, and a corpus may be extended between two runs."""
import numpy as np
import torch


class Mixture:
    def __init__(self, rows, tokenizer, prefixes, shares, longest=64, block=20000, seed=1, join=0.0):
        """rows: (kind, source, target); prefixes: what stands before the source, and, for a model of two
        directions, before the target when that is the source; shares: kind to its part of the pairs;
        join: how many of the sentences follow another one in the same line."""
        self.kinds, self.block, self.seed, self.longest, self.join = {}, block, seed, longest, join
        self.ends = [tokenizer("a" + sign).input_ids[-2] for sign in ".?!"]
        total = sum(shares.get(kind, 0) for kind in {r[0] for r in rows})
        for kind in sorted({r[0] for r in rows}):
            if not shares.get(kind):
                continue
            mine = [r for r in rows if r[0] == kind]
            pairs = []
            for prefix, (one, other) in zip(prefixes, ((1, 2), (2, 1))):
                before = len(tokenizer(prefix.strip()).input_ids) - 1
                sources = tokenizer([prefix + r[one] for r in mine]).input_ids
                targets = tokenizer([r[other] for r in mine]).input_ids
                pairs += [(np.array(a, np.int16), np.array(b, np.int16), before) for a, b in zip(sources, targets)
                          if len(a) <= longest + before and len(b) <= longest]
            self.kinds[kind] = (pairs, round(block * shares[kind] / total))

    def joined(self, pairs, rng):
        """Some sentences with the one before them as one pair: a model learns that lines go on."""
        out, last = [], {}
        for source, target, prefix in pairs:
            direction = tuple(source[:prefix])
            place = last.get(direction)
            if place is not None and rng.random() < self.join:
                before, after = out[place]
                if before[-2] in self.ends and source[-2] in self.ends and len(before) + len(source) <= self.longest:
                    out[place] = np.append(before[:-1], source[prefix:]), np.append(after[:-1], target)
                    continue
            last[direction] = len(out)
            out.append((source, target))
        return out

    def pairs(self, number):
        """The pairs of a block: every kind goes through its own shuffles, of both directions, without end."""
        out = []
        for index, (kind, (pairs, count)) in enumerate(self.kinds.items()):
            for position in range(number * count, (number + 1) * count):
                passes, place = divmod(position, len(pairs))
                if place == 0 or position == number * count:
                    order = np.random.default_rng([self.seed, index, passes]).permutation(len(pairs))
                out.append(pairs[order[place]])
        return out

    def batches(self, number, tokens):
        """A block's batches, at most `tokens` a batch with the padding, in random order."""
        rng = np.random.default_rng([self.seed, 1000, number])
        pairs = self.joined(self.pairs(number), rng)
        lengths = np.array([(len(a), len(b)) for a, b in pairs]).reshape(-1, 2)
        # Alike in both lengths, so that little is padding: 7 % where sorting by the sum leaves 23 %.
        order = np.lexsort((rng.random(len(pairs)), lengths[:, 1], lengths[:, 0] // 2))
        out, batch, left, right = [], [], 0, 0
        for index in order:
            a, b = pairs[index]
            left, right = max(left, len(a)), max(right, len(b))
            if batch and (len(batch) + 1) * (left + right) > tokens:
                out.append(batch)
                batch, left, right = [], len(a), len(b)
            batch.append((a, b))
        out.append(batch)
        rng.shuffle(out)
        return out


def tensors(batch):
    """Sources, their mask, decoder inputs (shifted by the start token 0) and labels (-100: padding)."""
    left, right = max(len(a) for a, _ in batch), max(len(b) for _, b in batch)
    sources = torch.zeros(len(batch), left, dtype=torch.long)
    labels = torch.full((len(batch), right), -100)
    for row, (a, b) in enumerate(batch):
        sources[row, :len(a)] = torch.from_numpy(a.astype(np.int64))
        labels[row, :len(b)] = torch.from_numpy(b.astype(np.int64))
    inputs = torch.zeros_like(labels)
    inputs[:, 1:] = labels[:, :-1].clamp(min=0)
    return sources, (sources != 0).long(), inputs, labels

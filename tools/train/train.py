"""Train a T5 translator on pairs of kinds; stop it when you like, the same command goes on.

    python train.py --init DIR --train train.tsv --valid valid.tsv --out RUN --until 23:05
    python train.py --init scratch --tokenizer DIR --config config.json ...

Muon inside the blocks and Adafactor outside (muon.py), or Adafactor alone, because T5 is scaled for steps
relative to each weight's size. The rate follows the
clock, not the step count: a short warm-up, a plateau, and a linear cool-down over the last part of
the time, so a run that must end at a known minute ends cooled down. With --amount it follows the
tokens that were seen, so a run may rest for hours or days. RUN/last.pt is the state to go
on from; RUN/log.jsonl the record. The averaged weights (EMA) are what validation and export use."""
import argparse
import datetime
import json
import os
import pathlib
import signal
import time

import sacrebleu
import torch
from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration

from data import Mixture, tensors
from loss import NARROW, loss as loss_of
from muon import Both


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--init", required=True, help="model folder to start from, or 'scratch'")
    parser.add_argument("--tokenizer", help="its folder, if not --init's")
    parser.add_argument("--config", help="config.json of a model from scratch")
    parser.add_argument("--train", required=True, nargs="+", help="TSV: kind, source, target")
    parser.add_argument("--valid", required=True, help="TSV: source, target")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--prefix", nargs="+", default=["translate English to German: ", "translate German to English: "],
                        help="one for source to target; a second one: the model learns target to source as well")
    parser.add_argument("--mix", default="", help="kind=share,...: parts of the pairs; default: by size")
    parser.add_argument("--until", help="HH:MM (local time) at which to end")
    parser.add_argument("--minutes", type=float, help="or how long, from the first start")
    parser.add_argument("--amount", type=float, help="or after how many tokens")
    parser.add_argument("--anew", action="store_true", help="for the first start of another run from RUN/last.pt: the clock begins anew, and with it the rate")
    parser.add_argument("--optimizer", choices=["muon", "adafactor"], default="muon")
    parser.add_argument("--lr", type=float, default=0.02)
    parser.add_argument("--warmup", type=int, default=200, help="steps")
    parser.add_argument("--cooldown", type=float, default=0.5, help="last part of the time")
    parser.add_argument("--tokens", type=int, default=3000, help="a batch, padding included")
    parser.add_argument("--smoothing", type=float, default=0.1)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--join", type=float, default=0.1, help="part of the sentences that follow another in one line")
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="at most; one while others compute")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--longest", type=int, default=80, help="tokens of a sentence; longer pairs are left out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save-every", type=float, default=5, help="minutes")
    parser.add_argument("--validate-every", type=float, default=20, help="minutes")
    return parser.parse_args()


def deadline(args, begin):
    if args.minutes:
        return begin + 60 * args.minutes
    hour, minute = map(int, args.until.split(":"))
    end = datetime.datetime.fromtimestamp(begin).replace(hour=hour, minute=minute, second=0)
    return end.timestamp() + (86400 if end.timestamp() <= begin else 0)


def progress(args, state, end):
    """The part of the run that is done, 0 to 1."""
    if args.amount:
        return state["tokens"] / args.amount
    return (time.time() - state["begin"]) / (end - state["begin"])


def rate(args, step, done):
    """done: the part of the run that is done, 0 to 1."""
    return args.lr * min(1, (step + 1) / args.warmup, max(0.01, (1 - done) / args.cooldown))


def build(args):
    if args.init == "scratch":
        tokenizer = AutoTokenizer.from_pretrained(args.tokenizer)
        model = T5ForConditionalGeneration(T5Config.from_json_file(args.config))
    else:
        tokenizer = AutoTokenizer.from_pretrained(args.tokenizer or args.init)
        model = T5ForConditionalGeneration.from_pretrained(args.init, dtype=torch.float32)
    return model, tokenizer


def validate(model, ema, tokenizer, args):
    """chrF of greedy translations by the averaged weights and one of them to look at, for each direction."""
    rows = [line.rstrip("\n").split("\t")[:2] for line in open(args.valid, encoding="utf-8")]
    own = [p.detach().clone() for p in model.parameters()]
    swap(model, ema)
    model.eval()
    scores, samples = [], []
    with torch.no_grad(), torch.autocast(args.device, NARROW, enabled=NARROW != torch.float32):
        for prefix, pairs in zip(args.prefix, (rows, [(t, s) for s, t in rows])):
            out = []
            for start in range(0, len(pairs), 100):
                batch = tokenizer([prefix + s for s, _ in pairs[start:start + 100]], padding=True, return_tensors="pt")
                out += tokenizer.batch_decode(model.generate(**batch.to(args.device), max_new_tokens=60), skip_special_tokens=True)
            scores.append(round(sacrebleu.corpus_chrf(out, [[t for _, t in pairs]]).score, 2))
            samples.append(out[-1])
    model.train()
    swap(model, own)
    return scores, samples


def threads(most):
    """One thread while other programs run: threads that wait for each other on busy cores stall."""
    running = int(open("/proc/loadavg").read().split()[3].split("/")[0])
    wanted = most if running <= torch.get_num_threads() else 1
    if wanted != torch.get_num_threads():
        torch.set_num_threads(wanted)


def swap(model, weights):
    with torch.no_grad():
        for p, w in zip(model.parameters(), weights):
            p.copy_(w)


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    model, tokenizer = build(args)
    model.to(args.device).train()
    optimizer = Both(model, args.lr) if args.optimizer == "muon" else torch.optim.Adafactor(model.parameters(), lr=args.lr)
    # Shapes differ from batch to batch, threads from minute to minute.
    torch._inductor.config.cpp.dynamic_threads = True
    compiled = torch.compile(loss_of, dynamic=True)
    ema = [p.detach().clone() for p in model.parameters()]
    state = {"step": 0, "block": 0, "batch": 0, "begin": time.time(), "tokens": 0}
    last = args.out / "last.pt"
    if last.exists():
        saved = torch.load(last, weights_only=False, map_location=args.device)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["rng"].cpu())
        ema, state = saved["ema"], saved["state"]
        if args.anew:
            state["begin"] = time.time()
    end = None if args.amount else deadline(args, state["begin"])
    rows = [tuple(line.rstrip("\n").split("\t")[:3]) for path in args.train for line in open(path, encoding="utf-8")]
    sizes = {kind: sum(r[0] == kind for r in rows) for kind in {r[0] for r in rows}}
    shares = {k: float(v) for k, v in (m.split("=") for m in args.mix.split(","))} if args.mix else sizes
    mixture = Mixture(rows, tokenizer, args.prefix, shares, args.longest, seed=args.seed, join=args.join)
    log = open(args.out / "log.jsonl", "a", encoding="utf-8")

    def record(**what):
        print(json.dumps({"time": time.strftime("%H:%M:%S"), **state, **what}, ensure_ascii=False), file=log, flush=True)

    def save():
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "ema": ema,
                    "rng": torch.get_rng_state(), "state": state}, args.out / "new.pt")
        os.replace(args.out / "new.pt", last)

    record(event="start", sizes={k: len(p) for k, (p, _) in mixture.kinds.items()}, a_block={k: n for k, (_, n) in mixture.kinds.items()}, arguments=vars(args) | {"out": str(args.out)})
    saved_at = validated_at = told_at = time.time()
    since, losses = 0, []
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    while not stopped and progress(args, state, end) < 1:
        batches = mixture.batches(state["block"], args.tokens)
        while state["batch"] < len(batches) and (done := progress(args, state, end)) < 1 and not stopped:
            threads(args.threads)
            batch = tensors(batches[state["batch"]])
            for group in optimizer.param_groups:
                group["lr"] = rate(args, state["step"], done)
            loss = compiled(model, [t.to(args.device) for t in batch], args.smoothing, args.dropout)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            state["step"] += 1
            state["batch"] += 1
            tokens = int(batch[1].sum()) + int((batch[3] >= 0).sum())
            state["tokens"] += tokens
            since += tokens
            losses.append(loss.item())
            with torch.no_grad():
                torch._foreach_lerp_(ema, list(model.parameters()), 1 - min(args.ema, 1 - 1 / (state["step"] + 1)))
            now = time.time()
            if now - told_at > 30:
                record(loss=round(sum(losses) / len(losses), 4), tokens_a_second=round(since / (now - told_at)), lr=round(group["lr"], 6))
                told_at, since, losses = now, 0, []
            if now - saved_at > 60 * args.save_every:
                save()
                saved_at = now
            if now - validated_at > 60 * args.validate_every:
                chrf, sample = validate(model, ema, tokenizer, args)
                record(chrf=chrf, sample=sample)
                validated_at = now
        if state["batch"] >= len(batches):
            state["block"], state["batch"] = state["block"] + 1, 0
    save()
    if stopped:
        return
    chrf, sample = validate(model, ema, tokenizer, args)
    record(event="end", chrf=chrf, sample=sample)


if __name__ == "__main__":
    main()

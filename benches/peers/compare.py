#!/usr/bin/env python3
"""Runs t5-gpu and its peers in turn over one workload and prints how fast each is. See README.md beside this file."""

import argparse
import datetime
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import workload

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HOME = Path(os.environ.get("T5_GPU_PEERS") or Path.home() / ".cache" / "t5-gpu-peers")
TOKENIZER = ROOT / "tests" / "fixtures" / "t5-small"

OURS = ["f32", "f16", "int8"]
# Peer and variant; the first is what ratios are relative to.
PEERS = {
    "cpu": [
        ("transformers", "eager-f32"),
        ("ctranslate2", "f32"),
        ("ctranslate2", "int8"),
        ("candle", "f32"),
    ],
    "cuda": [
        ("transformers", "eager-f16"),
        ("transformers", "eager-f32"),
        ("transformers", "compiled-f16"),
        ("transformers", "compiled-bf16"),
        ("ctranslate2", "f16"),
        ("ctranslate2", "int8-f16"),
        ("candle", "f16"),
    ],
}


class Unavailable(Exception):
    """An engine that cannot run here, and why."""


class Peer:
    """A process that answers requests on stdin; it stays, so that loading and compiling are done once."""

    def __init__(self, peer, variant, options):
        self.name = f"{peer} {variant}"
        command = peer_command(peer, options) + [
            "--model", str(options.model),
            "--variant", variant,
            "--device", options.peer_device,
            "--source-length", str(options.source_length),
            "--new-tokens", str(options.new_tokens),
            "--num-beams", str(options.num_beams),
        ]
        self.log = open(HOME / f"{peer}-{variant}.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        self.about = self.receive()

    def receive(self):
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        self.process.wait()
        self.log.seek(0)
        last = [text for text in self.log.read().splitlines() if text.strip()][-1:] or ["no message"]
        raise Unavailable(f"{last[0].strip()} (all of it: {self.log.name})")

    def measure(self, batch_size):
        try:
            print(json.dumps({"batch_size": batch_size}), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass
        answer = self.receive()
        return answer["seconds"], answer["token_ids"]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Ours:
    """t5-gpu: `bench` for the time, `generate` for the tokens."""

    def __init__(self, dtype, options):
        self.name = f"t5-gpu {dtype}"
        self.options = options
        self.command = [str(options.t5_gpu), "--model", str(options.model), "--dtype", dtype, "--quiet"]
        if options.device:
            self.command += ["--device", options.device]
        self.bench = {}
        self.tokens = {}
        # Says at once whether it runs here; small, for it counts for nothing.
        result = self.run("bench", "--json", "--batch-size", "1", "--new-tokens", "1", "--repeat", "1")
        about = json.loads(result)[0]
        self.about = {
            "versions": {"t5-gpu": about["version"]},
            "device": f"{about['device']} ({about['driver']})",
        }

    def run(self, command, *arguments, stdin=None):
        result = subprocess.run(
            [self.command[0], command, *self.command[1:], *arguments],
            input=stdin, capture_output=True, text=True, check=False,
        )
        if result.returncode != 0:
            raise Unavailable(result.stderr.strip())
        return result.stdout

    def measure(self, batch_size):
        options = self.options
        text = self.run(
            "bench", "--json", "--repeat", "1",
            "--batch-size", str(batch_size),
            "--num-beams", str(options.num_beams),
            "--source-length", str(options.source_length),
            "--new-tokens", str(options.new_tokens),
        )
        self.bench[batch_size] = json.loads(text)[0]
        if batch_size not in self.tokens:
            self.tokens[batch_size] = self.generate(batch_size)
        return self.bench[batch_size]["total_ms"] / 1e3, self.tokens[batch_size]

    def generate(self, batch_size):
        options = self.options
        sources = workload.sources(batch_size, options.source_length, options.model)
        lines = "".join(json.dumps({"input_ids": source}) + "\n" for source in sources)
        limits = ["--max-new-tokens", str(options.new_tokens), "--min-new-tokens", str(options.new_tokens)]
        text = self.run("generate", "--jsonl", "--num-beams", str(options.num_beams), *limits, stdin=lines)
        return [json.loads(line)["outputs"][0]["token_ids"] for line in text.splitlines()]

    def close(self):
        pass


def peer_command(peer, options):
    """How to start a peer, in an environment of its own; made where it is missing."""
    if peer == "candle":
        target = HOME / f"candle-{options.peer_device}"
        binary = target / "release" / "candle-peer"
        if options.setup or not binary.exists():
            note(f"building candle into {target}")
            features = ["--features", "cuda"] if options.peer_device == "cuda" else []
            subprocess.run(
                ["cargo", "build", "--release", "--locked", "--target-dir", str(target), *features],
                cwd=HERE / "candle", check=True, stdout=sys.stderr,
            )
        return [str(binary)]
    script = str(HERE / f"{peer}_peer.py")
    if python := os.environ.get("T5_GPU_PEERS_PYTHON"):
        return [python, script]
    environment = HOME / peer
    python = environment / "bin" / "python"
    if options.setup or not (environment / "ready").exists():
        note(f"installing {peer} into {environment}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
        requirements = HERE / f"{peer}.requirements.txt"
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "-r", str(requirements)], check=True, stdout=sys.stderr
        )
        (environment / "ready").touch()
    return [str(python), script]


def note(text):
    print(text, file=sys.stderr, flush=True)


def numbers(text):
    return [int(number) for number in text.split(",")]


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="t5-small", help="shape of the random checkpoint that all run")
    parser.add_argument("--batch-size", type=numbers, default=[1, 8, 32], metavar="N,...")
    parser.add_argument("--num-beams", type=int, default=1)
    parser.add_argument("--source-length", type=int, default=11)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured; the median counts")
    parser.add_argument("--engines", default=".", metavar="REGEX", help='such as "t5-gpu|eager": which to run')
    parser.add_argument("--peer-device", choices=["cpu", "cuda"], help="default: cuda where nvidia-smi is")
    parser.add_argument("--device", help="t5-gpu's device, as it takes it")
    parser.add_argument("--t5-gpu", type=Path, default=ROOT / "target" / "release" / "t5-gpu")
    parser.add_argument("--setup", action="store_true", help="install the peers and write the checkpoint anew")
    parser.add_argument("--no-save", action="store_true", help="print only, for trials")
    options = parser.parse_args()
    options.peer_device = options.peer_device or ("cuda" if shutil.which("nvidia-smi") else "cpu")
    if not options.t5_gpu.exists():
        parser.error(f"no {options.t5_gpu}: cargo build --release, or name it with --t5-gpu")
    return options


def checkpoint(options):
    """The random checkpoint, with a tokenizer for the converters that want one."""
    model = HOME / "models" / options.arch
    if options.setup:
        shutil.rmtree(model, ignore_errors=True)
    if not (model / "generation_config.json").exists():
        note(f"writing {model}")
        command = [str(options.t5_gpu), "random", "--arch", options.arch, "--output", str(model), "--force"]
        subprocess.run(command, check=True)
    for name in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "spiece.model"]:
        shutil.copy(TOKENIZER / name, model / name)
    return model


def start(options):
    """The engines that run here, ours first."""
    wanted = re.compile(options.engines)
    makers = [(f"t5-gpu {dtype}", lambda dtype=dtype: Ours(dtype, options)) for dtype in OURS]
    makers += [
        (f"{peer} {variant}", lambda peer=peer, variant=variant: Peer(peer, variant, options))
        for peer, variant in PEERS[options.peer_device]
    ]
    engines = []
    for name, make in makers:
        if wanted.search(name):
            try:
                note(f"starting {name}")
                engines.append(make())
            except (Unavailable, subprocess.CalledProcessError, FileNotFoundError) as error:
                note(f"without {name}: {error}")
    return engines


def measure(engines, options):
    """Seconds by engine and batch size, a value a round; tokens by the same. Engines take turns within a round."""
    seconds = {engine.name: {size: [] for size in options.batch_size} for engine in engines}
    tokens = {engine.name: {} for engine in engines}
    for turn in range(options.rounds):
        note(f"round {turn + 1} of {options.rounds}")
        for batch_size in options.batch_size:
            first = turn % len(engines)
            for engine in engines[first:] + engines[:first]:
                # Threads of the engine before may still be spinning.
                time.sleep(0.3)
                took, token_ids = engine.measure(batch_size)
                seconds[engine.name][batch_size].append(took)
                tokens[engine.name][batch_size] = token_ids
    return seconds, tokens


def agreement(found, expected):
    """The share of outputs that are the same, token for token."""
    pairs = [(a, b) for size in expected for a, b in zip(found[size], expected[size], strict=True)]
    return sum(a == b for a, b in pairs) / len(pairs)


def cpu():
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8")) if Path(
        "/proc/cpuinfo"
    ).exists() else []
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} threads"


def commit():
    result = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return result.stdout.strip() or None


def table(report):
    """Tokens a second, and how many times the first peer's that is."""
    sizes = report["workload"]["batch_sizes"]
    engines = report["engines"]
    base = next((engine for engine in engines if not engine["name"].startswith("t5-gpu")), None)
    lines = [
        "| engine | " + " | ".join(f"batch {size}, tokens/s" for size in sizes) + " | same tokens |",
        "|---|" + "---:|" * (len(sizes) + 1),
    ]
    for engine in engines:
        cells = []
        for size in map(str, sizes):
            rate = engine["tokens_per_second"][size]
            ratio = f" ({rate / base['tokens_per_second'][size]:.2f}x)" if base else ""
            cells.append(f"{rate:.0f}{ratio}")
        same = engine["same_tokens"]
        cells.append("" if same is None else f"{100 * same:.0f}%")
        lines.append(f"| {engine['name']} | " + " | ".join(cells) + " |")
    if base:
        lines += ["", f"In brackets: times {base['name']}. Same tokens: outputs equal to those of t5-gpu f32."]
    return "\n".join(lines)


def file_name(report):
    """adapter_driver_cpu_date, as results/README.md says."""
    parts = [report["device"], report["cpu"], report["date"][:19].replace(":", "")]
    return "_".join(re.sub(r"[^a-z0-9.]+", "-", part.lower()).strip("-") for part in parts) + ".json"


def main():
    options = parse()
    HOME.mkdir(parents=True, exist_ok=True)
    options.model = checkpoint(options)
    engines = start(options)
    if not engines:
        sys.exit("nothing to run")
    seconds, tokens = measure(engines, options)
    expected = tokens.get("t5-gpu f32")
    if expected and len({tuple(ids) for ids in expected[max(expected)]}) < max(expected):
        note("warning: some sources have the same output: equal tokens say little")
    report = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(),
        "cpu": cpu(),
        "device": next((e.about["device"] for e in engines if isinstance(e, Ours)), options.peer_device),
        "peer_device": options.peer_device,
        "workload": {
            "arch": options.arch,
            "batch_sizes": options.batch_size,
            "num_beams": options.num_beams,
            "source_length": options.source_length,
            "new_tokens": options.new_tokens,
            "rounds": options.rounds,
        },
        "engines": [],
    }
    for engine in engines:
        medians = {size: statistics.median(times) for size, times in seconds[engine.name].items()}
        report["engines"].append({
            "name": engine.name,
            **engine.about,
            "seconds": seconds[engine.name],
            "median_seconds": medians,
            "tokens_per_second": {str(size): size * options.new_tokens / took for size, took in medians.items()},
            "same_tokens": expected and agreement(tokens[engine.name], expected),
            "bench": getattr(engine, "bench", None),
        })
        engine.close()
    print(table(report))
    if not options.no_save:
        path = ROOT / "benches" / "results" / file_name(report)
        path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        note(f"written: {path}")
    wrong = [e["name"] for e in report["engines"] if e["name"] == "transformers eager-f32" and e["same_tokens"] not in (None, 1.0)]
    if wrong:
        sys.exit("transformers in f32 gives other tokens than t5-gpu in f32: this is an error, whatever the speeds")


if __name__ == "__main__":
    main()

"""CTranslate2 over a model that its own converter made. Pinned versions: ctranslate2.requirements.txt."""

import json
import os

import ctranslate2

import workload

COMPUTE_TYPES = {"f32": "float32", "f16": "float16", "int8": "int8", "int8-f16": "int8_float16"}

args = workload.arguments(list(COMPUTE_TYPES))
converted = os.path.join(args.model, "ctranslate2")
if not os.path.exists(os.path.join(converted, "model.bin")):
    # Kept as they are in the checkpoint; the compute type below converts while loading.
    ctranslate2.converters.TransformersConverter(args.model).convert(converted, force=True)
with open(os.path.join(converted, "shared_vocabulary.json"), encoding="utf-8") as file:
    tokens = json.load(file)
# Rows past the tokenizer's vocabulary repeat names: each name stands for its first row.
ids = {token: index for index, token in reversed(list(enumerate(tokens)))}

translator = ctranslate2.Translator(
    converted,
    device=args.device,
    compute_type=COMPUTE_TYPES[args.variant],
    inter_threads=1,
    intra_threads=args.threads,
)


def generate(sources):
    results = translator.translate_batch(
        [[tokens[token] for token in source] for source in sources],
        beam_size=args.num_beams,
        min_decoding_length=args.new_tokens,
        max_decoding_length=args.new_tokens,
    )
    return [[ids[token] for token in result.hypotheses[0]] for result in results]


workload.serve(
    generate,
    args,
    {"ctranslate2": ctranslate2.__version__},
    "cuda" if args.device == "cuda" else f"CPU, {args.threads} threads",
)

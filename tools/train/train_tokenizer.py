"""A T5 tokenizer of one's own: SentencePiece unigram pieces, then 100 sentinels.

    python train_tokenizer.py train.tsv --pieces 8000 --out DIR

Writes spiece.model, tokenizer.json (the same for the `tokenizers` library), tokenizer_config.json,
and a config.json of an 8+2-layer model with an embedding row for each piece and sentinel: all that
`train.py --init scratch` asks for. 0 is padding, 1 the end, 2 the unknown, as T5 has it."""
import argparse
import collections
import io
import json
import pathlib
import random

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

SENTINELS = 100
CONFIG = {"architectures": ["T5ForConditionalGeneration"], "model_type": "t5", "d_model": 256, "d_kv": 64, "num_heads": 4,
          "d_ff": 1024, "num_layers": 8, "num_decoder_layers": 2, "feed_forward_proj": "relu", "dropout_rate": 0.05,
          "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128, "layer_norm_epsilon": 1e-6,
          "initializer_factor": 1.0, "is_encoder_decoder": True, "use_cache": True, "n_positions": 512,
          "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0, "tie_word_embeddings": True}


def weighted(rows, weights, seed=1):
    """So many times the pairs of each kind; kinds that are not named, once."""
    kinds, draw, out = collections.defaultdict(list), random.Random(seed), []
    for row in rows:
        kinds[row[0]].append(row)
    for kind, mine in kinds.items():
        whole, part = divmod(round(weights.get(kind, 1) * len(mine)), len(mine))
        out += mine * whole + draw.sample(mine, part)
    draw.shuffle(out)
    return out


def learn(rows, pieces, prefixes):
    """Pieces of both sides together (source and target share the embedding)."""
    lines = (text for row in rows for text in row[1:3])
    extra = (prefix for prefix in prefixes for _ in range(len(rows) // 50))
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(line for part in (lines, extra) for line in part), model_writer=model, model_type="unigram",
        vocab_size=pieces, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, character_coverage=1.0, input_sentence_size=400000,
        shuffle_input_sentence=True, split_digits=True)
    return model.getvalue()


def fast(blob):
    """The same tokenizer for the `tokenizers` library."""
    proto = sentencepiece_model_pb2.ModelProto.FromString(blob)
    sentinels = [f"<extra_id_{n}>" for n in reversed(range(SENTINELS))]
    vocabulary = [(p.piece, p.score) for p in proto.pieces] + [(s, 0.0) for s in sentinels]
    out = Tokenizer(models.Unigram(vocabulary, unk_id=2, byte_fallback=False))
    out.normalizer = normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)
    space = {"replacement": "▁", "prepend_scheme": "always"}
    out.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(**space)])
    out.decoder = decoders.Metaspace(**space)
    out.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    out.add_special_tokens([AddedToken(t, normalized=False) for t in ["<pad>", "</s>", "<unk>", *sentinels]])
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", help="TSV: kind, source, target")
    parser.add_argument("--pieces", type=int, default=8000)
    parser.add_argument("--weights", default="", help="kind=times,...: words of which kinds deserve pieces")
    parser.add_argument("--prefix", nargs="+", default=["translate English to German: ", "translate German to English: "])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    rows = [line.rstrip("\n").split("\t") for line in open(args.corpus, encoding="utf-8")]
    weights = {kind: float(times) for kind, times in (w.split("=") for w in args.weights.split(",") if w)}
    args.out.mkdir(parents=True, exist_ok=True)
    blob = learn(weighted(rows, weights), args.pieces, args.prefix)
    (args.out / "spiece.model").write_bytes(blob)
    fast(blob).save(str(args.out / "tokenizer.json"))
    config = {"tokenizer_class": "T5Tokenizer", "extra_ids": SENTINELS, "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    (args.out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    # Rows are rounded up to a multiple of 32: matrix kernels like that.
    rows_ = -(-(args.pieces + SENTINELS) // 32) * 32
    (args.out / "config.json").write_text(json.dumps(CONFIG | {"vocab_size": rows_}, indent=2) + "\n")


if __name__ == "__main__":
    main()

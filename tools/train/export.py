"""Write a run's averaged weights as a model folder that t5-gpu and transformers read.

    python export.py --init START --run RUN --out t5-mini-en-de

f16 safetensors, config.json with each direction's prefix in task_specific_params (that is how a T5 says what it
can do), generation_config.json and the tokenizer's files."""
import argparse
import json
import pathlib
import shutil

import torch
from transformers import T5Config, T5ForConditionalGeneration

TASK = {"early_stopping": True, "max_length": 129, "num_beams": 4}
BOTH = {"translation_en_to_de": "translate English to German: ", "translation_de_to_en": "translate German to English: "}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--init", required=True, help="the folder that training started from")
    parser.add_argument("--run", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--tasks", nargs="+", metavar="NAME=PREFIX", help="default: English to German and back")
    parser.add_argument("--plain", action="store_true", help="the last weights instead of the averaged")
    args = parser.parse_args()
    tasks = dict(task.split("=", 1) for task in args.tasks) if args.tasks else BOTH
    model = T5ForConditionalGeneration(T5Config.from_pretrained(args.init))
    saved = torch.load(args.run / "last.pt", weights_only=False, map_location="cpu")
    if args.plain:
        model.load_state_dict(saved["model"])
    else:
        with torch.no_grad():
            for parameter, average in zip(model.parameters(), saved["ema"]):
                parameter.copy_(average)
    model.half().save_pretrained(args.out)
    (args.out / "model.safetensors").chmod(0o644)
    for name in ("tokenizer.json", "tokenizer_config.json", "spiece.model", "special_tokens_map.json"):
        if (pathlib.Path(args.init) / name).exists():
            shutil.copyfile(pathlib.Path(args.init) / name, args.out / name)
    config = json.loads((args.out / "config.json").read_text())
    for name in ("transformers_version", "dtype", "is_decoder", "classifier_dropout", "scale_decoder_outputs"):
        config.pop(name, None)
    config["torch_dtype"] = "float16"
    config["task_specific_params"] = {name: TASK | {"prefix": prefix} for name, prefix in tasks.items()}
    (args.out / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    generation = {"decoder_start_token_id": 0, "eos_token_id": 1, "pad_token_id": 0, "max_length": 129}
    (args.out / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    size = (args.out / "model.safetensors").stat().st_size
    print(f"{args.out}: step {saved['state']['step']:,}, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

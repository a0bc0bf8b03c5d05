"""Hugging Face transformers, as people call it: `model.generate`. Pinned versions: transformers.requirements.txt."""

import torch
import transformers

import workload

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
VARIANTS = [f"{mode}-{dtype}" for mode in ("eager", "compiled") for dtype in DTYPES]

args = workload.arguments(VARIANTS)
mode, dtype = args.variant.split("-")
torch.set_num_threads(args.threads)
transformers.logging.set_verbosity_error()

model = transformers.AutoModelForSeq2SeqLM.from_pretrained(args.model, dtype=DTYPES[dtype]).to(args.device).eval()
options = transformers.GenerationConfig.from_model_config(model.config)
options.update(
    max_new_tokens=args.new_tokens,
    min_new_tokens=args.new_tokens,
    num_beams=args.num_beams,
    do_sample=False,
)
if mode == "compiled":
    # With a static cache generate compiles the decoder's forward pass on devices that have CUDA graphs.
    options.cache_implementation = "static"


@torch.inference_mode()
def generate(sources):
    input_ids = torch.tensor(sources, device=args.device)
    output = model.generate(input_ids, attention_mask=torch.ones_like(input_ids), generation_config=options)
    # Bringing the tokens back waits for the device. The start token is not a new one.
    return output[:, 1:].tolist()


workload.serve(
    generate,
    args,
    {"torch": torch.__version__, "transformers": transformers.__version__},
    torch.cuda.get_device_name() if args.device == "cuda" else f"CPU, {args.threads} threads",
)

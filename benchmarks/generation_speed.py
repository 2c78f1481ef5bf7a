"""How fast step 3 generates summaries, beside the stock loop of one note at a time, and whether the texts are the same.

    python benchmarks/generation_speed.py

Both are greedy, on the same notes, one after the other in one process: the stock loop (the adapter on its base,
``generate`` for each note), then ours twice, around which the stock loop is split, so that a machine that gets slower
hits both. Prints the ratio, how much of our time is the floor (reading the notes, which no batch saves), and where
texts differ by how little; writes generation_speed.json.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured_on import PACKAGES, measured_on
from utils.cli import EXIT_OK, from_here_or_project, new_parser, positive_int, run_script
from utils.models import DEVICES


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, write and print; returns the exit code."""
    parser = new_parser(__doc__ or "")
    sft_default = "models/sft_specialist_fast_fp16/final_model"
    parser.add_argument("--model_path", default=sft_default, help="full model or adapter")
    parser.add_argument("--test_data", default="phase1_data_medhal/sft/test_set_processed.csv", help="Phase 1 CSV")
    parser.add_argument("--notes", type=positive_int, default=50, help="a seeded sample of so many")
    parser.add_argument("--batch_size", type=positive_int, default=16, help="as step 3's")
    parser.add_argument("--max_new_tokens", type=positive_int, default=160, help="as step 3's")
    parser.add_argument("--seed", type=int, default=42, help="of the sample")
    parser.add_argument("--device", default="auto", choices=DEVICES, help="auto takes the best there is")
    parser.add_argument("--output_dir", type=Path, default=Path("benchmarks"), help="gets generation_speed.json")
    args = parser.parse_args(argv)

    # ------------------------------------------------------------------ the notes and both models
    from evaluation_stage_a.examples import read_examples
    from utils.cpu_speed import reuse_freed_memory
    from utils.files import make_output_dir, write_json
    from utils.generation import GenerationSettings, Job, form_groups, generate_batch, generate_in_slots
    from utils.models import choose_device, find_checkpoint, load_model, load_to_generate, load_tokenizer
    from utils.prompts import encode_prompt, prompt_messages

    examples = read_examples(from_here_or_project(args.test_data), args.notes, args.seed)
    checkpoint = find_checkpoint(args.model_path, "--model_path", "python models/train_stage_a.py")
    device = choose_device(args.device)
    make_output_dir(args.output_dir)
    tokenizer = load_tokenizer(checkpoint)
    jobs = [Job(encode_prompt(tokenizer, prompt_messages(example.clinical_note))) for example in examples]
    settings = GenerationSettings(args.max_new_tokens)
    stock, ours = load_model(checkpoint, device), load_to_generate(checkpoint, device)

    # ------------------------------------------------------------------ measure
    def one_at_a_time(part: Sequence[Job]) -> list[Any]:
        return [generate_batch(stock, tokenizer, [job], settings)[0] for job in part]

    def in_slots() -> list[Any]:
        groups = form_groups(dict(enumerate(jobs)), args.batch_size)
        made = [generate_in_slots(ours, tokenizer, [jobs[i] for i in g], settings, args.batch_size) for g in groups]
        texts = dict(zip(chain(*groups), chain(*made), strict=True))
        return [texts[index] for index in range(len(jobs))]

    half = len(jobs) // 2
    first, stock_first = timed(lambda: one_at_a_time(jobs[:half]))
    reuse_freed_memory()  # as step 3 does; the stock loop's first half ran without it
    ours_texts, ours_first = timed(in_slots)
    second, stock_second = timed(lambda: one_at_a_time(jobs[half:]))
    _, ours_second = timed(in_slots)
    _, floor = timed(lambda: read_notes(ours, jobs))
    stock_texts = first + second
    differing = [index for index, text in enumerate(ours_texts) if text.text != stock_texts[index].text]
    figures = {
        "notes": len(jobs),
        "prompt_tokens": sum(text.prompt_tokens for text in ours_texts),
        "new_tokens": sum(text.new_tokens for text in ours_texts),
        "stock_seconds": round(stock_first + stock_second, 1),
        "our_seconds": [round(ours_first, 1), round(ours_second, 1)],
        "times_faster": [round((stock_first + stock_second) / seconds, 2) for seconds in (ours_first, ours_second)],
        "floor_seconds": round(floor, 1),
        "same_text": 1 - len(differing) / len(jobs),
        "ties": [how_close(ours, tokenizer, jobs[i], stock_texts[i].text, ours_texts[i].text) for i in differing],
    }

    # ------------------------------------------------------------------ write and print
    output = args.output_dir / "generation_speed.json"
    write_json(output, {**measured_on("generation_speed.py", argv, packages=PACKAGES), **figures})
    print(f"Stock loop   {figures['stock_seconds']} s for {len(jobs)} notes, one at a time")
    print(f"In slots     {figures['our_seconds'][0]} and {figures['our_seconds'][1]} s, {args.batch_size} at once")
    print(f"Ratio        {min(figures['times_faster'])} to {max(figures['times_faster'])} times faster")
    print(f"Floor        {figures['floor_seconds']} s to read the notes, which no batch saves")
    print(f"Same text    {figures['same_text']:.0%} of the notes; where not, the two next tokens were this close:")
    print(f"             {figures['ties']} nats")
    print(f"✓ {output}")
    return EXIT_OK


def timed(run: Callable[[], Any]) -> tuple[Any, float]:
    """What ``run`` returns, and the seconds that it took."""
    start = time.perf_counter()
    result = run()
    return result, time.perf_counter() - start


def read_notes(model: Any, jobs: Sequence[Any]) -> None:
    """Read each note once, and score its last token."""
    import torch

    with torch.inference_mode():
        for job in jobs:
            model(input_ids=torch.tensor([list(job.prompt)], device=model.device), logits_to_keep=1)


def how_close(model: Any, tokenizer: Any, job: Any, one: str, other: str) -> float | None:
    """Nats between the two tokens at which two texts part, after the prompt and what they share; None at an end."""
    import torch

    texts = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in (one, other)]
    shared = next((at for at, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), None)
    if shared is None:
        return None
    ids = torch.tensor([[*job.prompt, *texts[0][:shared]]], device=model.device)
    with torch.inference_mode():
        scores = model(input_ids=ids, logits_to_keep=1).logits[0, -1].float().log_softmax(dim=-1)
    return round(abs(float(scores[texts[0][shared]] - scores[texts[1][shared]])), 5)


if __name__ == "__main__":
    run_script(main)

"""The reference's log-probs: computed once for each pair and reference, kept on disk, found again by any later run.

They depend on the reference's weights, their precision and the pair's token ids, and on nothing else: another beta,
learning rate, loss, seed or output folder, or another LoRA rank on a full model, computes none of them again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from preference.data.batches import Note, notes_of
from preference.data.pairs import pair_ids, pair_key
from utils.cli import RunError
from utils.distributed import own_share, process_count, process_index
from utils.files import append_journal, make_output_dir, open_journal, read_journal, sha256_text
from utils.models import choose_dtype

if TYPE_CHECKING:
    from datasets import Dataset

    from utils.models import Checkpoint

LogProbs: TypeAlias = tuple[float, float]  # of chosen and of rejected, summed over their tokens
Score: TypeAlias = Callable[[Sequence[int]], list[LogProbs]]  # of the rows with these indices


class ReferenceLogProbs:
    """What is known of one reference, a folder of journals: one line for each batch, whole or absent.

    Every process writes a journal of its own (``writer`` names it) and reads all of them, so several runs, or several
    processes of one run, can share a reference.
    """

    def __init__(self, folder: Path, writer: str) -> None:
        self.folder = make_output_dir(folder)
        self.journal = folder / (f"{writer}.jsonl" if process_count() == 1 else f"{writer}-{process_index()}.jsonl")
        self.computed = 0  # pairs, by all processes of this run
        self.known: dict[str, LogProbs] = {}
        self.read()

    def read(self) -> None:
        """Take in what all processes have written so far."""
        for journal in sorted(self.folder.glob("*.jsonl")):
            for entry in read_journal(journal):
                self.known.update((key, (chosen, rejected)) for key, (chosen, rejected) in entry["pairs"].items())

    def missing(self, pairs: Dataset, notes_at_once: int) -> list[list[int]]:
        """Batches of indices, the notes with the most tokens first, that hold a pair not known yet."""
        batches = self._missing(pairs, notes_at_once)
        return [[index for note in batch for index in note.pairs] for batch in batches]

    def missing_tokens(self, pairs: Dataset, notes_at_once: int) -> int:
        """How many tokens the missing batches have, padding included."""
        return sum(len(batch) * batch[0].tokens for batch in self._missing(pairs, notes_at_once))

    def _missing(self, pairs: Dataset, notes_at_once: int) -> list[list[Note]]:
        """Batches are formed before the known ones are left out: a run that was cut off scores the same batches as one
        that was not, so its figures are the same to the last bit.
        """
        keys, notes = pair_keys(pairs), notes_of(pair_ids(pairs))
        batches = [notes[start : start + notes_at_once] for start in range(0, len(notes), notes_at_once)]
        return [batch for batch in batches if any(keys[i] not in self.known for note in batch for i in note.pairs)]

    def compute(self, pairs: Dataset, batches: Sequence[Sequence[int]], score: Score) -> None:
        """Score batches of pairs, each process of a run its share; each is on disk before the next one starts."""
        self.computed += sum(map(len, batches))
        own = own_share(batches)
        if not own:
            return
        keys = pair_keys(pairs)
        with open_journal(self.journal) as file:
            for batch in own:
                found = {keys[index]: values for index, values in zip(batch, score(batch), strict=True)}
                append_journal(file, {"pairs": found})
                self.known.update(found)

    def add_to(self, pairs: Dataset) -> Dataset:
        """The pairs with the two columns from which TRL's DPOTrainer reads precomputed reference log-probs.

        Raises RunError where some are not there though all processes are done.
        """
        keys = pair_keys(pairs)
        if not self.known.keys() >= set(keys):
            raise RunError(f"not all processes write into {self.folder}; machines need a folder that they share")
        values = [self.known[key] for key in keys]
        with_chosen = pairs.add_column("ref_chosen_logps", [chosen for chosen, _ in values])
        return with_chosen.add_column("ref_rejected_logps", [rejected for _, rejected in values])


def reference_id(inputs: Mapping[str, Mapping[str, str]], checkpoint: Checkpoint, model: Any) -> str:
    """A name for the reference: its weights, by the hashes in a run record's ``inputs``, and their precision."""
    weights = [inputs[name]["sha256"] for name in sorted(checkpoint.folders)] or [checkpoint.base]
    quantization = getattr(model.config, "quantization_config", None)
    of_weights = quantization.to_dict() if quantization is not None else str(model.dtype)
    precision = [of_weights, str(choose_dtype(model.device))]
    return sha256_text(json.dumps([weights, precision], sort_keys=True, default=str))[:16]


def pair_keys(pairs: Dataset) -> list[str]:
    """What tells the pairs from one another, in their order."""
    return [pair_key(pair) for pair in pair_ids(pairs)]

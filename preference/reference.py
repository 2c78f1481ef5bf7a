"""The reference's log-probs: computed once for each pair and reference, kept on disk, found again by any later run.

They depend on the reference's weights, their precision and the pair's token ids, and on nothing else: another beta,
learning rate, loss, seed or output folder, or another LoRA rank on a full model, computes none of them again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from preference.pairs import packed_length
from utils.cli import RunError
from utils.distributed import own_share, process_count, process_index
from utils.files import append_journal, make_output_dir, open_journal, read_journal, sha256_text

if TYPE_CHECKING:
    from datasets import Dataset

    from utils.models import Checkpoint

LogProbs: TypeAlias = tuple[float, float]  # of chosen and of rejected, summed over their tokens
Score: TypeAlias = Callable[[Sequence[int]], list[LogProbs]]  # of the rows with these indices

# Pairs of one note that are run as one row. Step 1 makes about three of a note; with many, attention among them would
# cost more than running the note again.
PAIRS_OF_A_NOTE = 4


class Note(NamedTuple):
    """Pairs of one note, as indices, and the tokens of the row into which they are packed."""

    pairs: list[int]
    tokens: int


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
        """How many tokens the missing batches have."""
        return sum(note.tokens for batch in self._missing(pairs, notes_at_once) for note in batch)

    def _missing(self, pairs: Dataset, notes_at_once: int) -> list[list[Note]]:
        """Batches are formed before the known ones are left out: a run that was cut off scores the same batches as one
        that was not, so its figures are the same to the last bit.
        """
        keys, notes = pair_keys(pairs), notes_of(pairs)
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
    precision = quantization.to_dict() if quantization is not None else str(model.dtype)
    return sha256_text(json.dumps([weights, precision], sort_keys=True, default=str))[:16]


def pair_keys(pairs: Dataset) -> list[str]:
    """What tells one pair from another, for each row: its token ids, and so its text and the prompt format."""
    return [sha256_text(repr(ids))[:32] for ids in _token_ids(pairs)]


def notes_of(pairs: Dataset) -> list[Note]:
    """The pairs by note, at most ``PAIRS_OF_A_NOTE`` together, those with the most tokens first.

    The order of the rows makes no difference.
    """
    keys, ids = pair_keys(pairs), _token_ids(pairs)
    of_prompt: dict[tuple[int, ...], list[int]] = {}
    for index in sorted(range(len(ids)), key=keys.__getitem__):
        of_prompt.setdefault(tuple(ids[index][0]), []).append(index)
    notes = [
        Note(some, packed_length(prompt, [completion for index in some for completion in ids[index][1:]]))
        for prompt, all_of_it in of_prompt.items()
        for some in (all_of_it[start : start + PAIRS_OF_A_NOTE] for start in range(0, len(all_of_it), PAIRS_OF_A_NOTE))
    ]
    return sorted(notes, key=lambda note: (-note.tokens, keys[note.pairs[0]]))


def _token_ids(pairs: Dataset) -> list[tuple[list[int], list[int], list[int]]]:
    return list(zip(*(list(pairs[name]) for name in ("prompt_ids", "chosen_ids", "rejected_ids")), strict=True))

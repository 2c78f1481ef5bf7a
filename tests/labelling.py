"""What the tests of the labelling tool share: a results CSV, an annotator's keyboard, the labels that come out."""

from __future__ import annotations

import csv
import io
import json

COLUMNS = ("example_id", "clinical_note", "ground_truth", "generated_summary", "model")


def write_results(path, rows, columns=COLUMNS):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def rows(count, **summaries):
    return [
        [f"id{n}", f"note {n}", f"TRUTH {n}", summaries.get(f"id{n}", f"summary {n}"), "SECRET-MODEL"]
        for n in range(count)
    ]


class Keyboard(io.StringIO):
    """Standard input whose last line can be a Ctrl-C, and that can look around before each word."""

    def __init__(self, words, interrupt=False, before_each=None):
        super().__init__("".join(f"{word}\n" for word in words))
        self.interrupt, self.before_each = interrupt, before_each

    def readline(self, *args):
        if self.before_each:
            self.before_each()
        line = super().readline(*args)
        if not line and self.interrupt:
            raise KeyboardInterrupt
        return line


def labels_beside(path, name="manual_assessment.json"):
    document = json.loads((path.parent / name).read_text(encoding="utf-8"))
    assert document["total_assessed"] == len(document["assessments"])
    return {a["example_id"]: (a["has_hallucination"], a["hallucination_type"]) for a in document["assessments"]}

"""Step 3: summaries by a model, sound or damaged, from its journal, or made elsewhere; notes of all kinds."""

from __future__ import annotations

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from evaluation_stage_a import evaluate_stage_a
from evaluation_stage_a.context_window import fit_prompt, longest_beginning, prompt_limit
from evaluation_stage_a.examples import read_notes
from tests.tiny import find, note_and_summary, write_phase1
from utils.cli import UserError
from utils.models import load_tokenizer, read_config
from utils.prompts import encode_prompt, prompt_messages
from utils.records import read_csv, write_csv

NOTES = 5


@pytest.fixture
def notes_csv(tmp_path):
    return write_phase1(tmp_path / "phase1", test=NOTES) / "test_set_processed.csv"


@pytest.fixture
def evaluate(tiny_model, notes_csv, tmp_path, capsys):
    """Run step 3 on a CPU, eight tokens a summary; returns the rows of its results and what it said."""

    def run(*options, model=tiny_model, notes=notes_csv, out="out", results="evaluation_results.csv"):
        paths = {"model_path": model, "test_data": notes, "output_dir": tmp_path / out, "device": "cpu"}
        argv = [word for name, value in paths.items() for word in (f"--{name}", str(value))]
        words = [str(option) for option in options]
        assert evaluate_stage_a.main([*argv, "--max_new_tokens", "8", "--batch_size", "2", *words]) == 0
        rows = read_csv(tmp_path / out / results, ("example_id", "generated_summary", "finish_reason"))
        return rows, capsys.readouterr().out

    return run


def load_nothing(monkeypatch):
    monkeypatch.setattr("utils.models.load_model", lambda *args, **options: pytest.fail("a model was loaded"))


# --------------------------------------------------------------------------------------------------- without a model
def test_what_an_earlier_run_generated_is_scored_without_the_model(evaluate, tmp_path, monkeypatch):
    rows, _ = evaluate()
    load_nothing(monkeypatch)
    assert evaluate("--score_only")[0] == rows
    journal = tmp_path / "out" / "generated.journal.jsonl"
    journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0])  # two batches of two
    fewer, said = evaluate("--score_only")
    assert "4 of 5 notes summarised earlier; the others are left out" in said
    assert [row for row in rows if row in fewer] == fewer
    with pytest.raises(UserError, match=r"--score_only: .* has no summary of these notes"):
        evaluate("--score_only", "--seed", "1", "--temperature", "1")


def test_summaries_made_elsewhere_are_scored_and_compared(evaluate, tmp_path, monkeypatch):
    rows, _ = evaluate()
    load_nothing(monkeypatch)
    theirs = [{"clinical_note": note_and_summary(18 + i)[0], "predicted_summary": f"Take {i} mg."} for i in range(3)]
    path = tmp_path / "theirs.csv"
    write_csv(path, list(theirs[0]), [*theirs, {"clinical_note": " ", "predicted_summary": "x"}, theirs[0]])
    found, said = evaluate("--predictions", path, "--compare_with", tmp_path / "out", out="theirs")
    assert [row["generated_summary"] for row in found] == ["Take 0 mg.", "Take 1 mg.", "Take 2 mg."]
    assert {row["finish_reason"] for row in found} == {"unknown"}
    known = {row["clinical_note"]: row for row in rows}
    for row in found:  # by the test data, where the note is the same
        assert row["ground_truth"] == known[row["clinical_note"]]["ground_truth"] != ""
        assert row["example_id"] == known[row["clinical_note"]]["example_id"]
    assert "rows left out: 1 without a note, 1 of a note that came before" in said
    record = json.loads((tmp_path / "theirs" / "run.json").read_text())
    assert list(record["inputs"]) == ["predictions"]


def test_another_file_made_elsewhere_sets_the_first_aside(evaluate, tmp_path):
    path = tmp_path / "theirs.csv"
    for text in ("One.", "Two."):
        write_csv(
            path, ["clinical_note", "generated_summary"], [{"clinical_note": "BP 120.", "generated_summary": text}]
        )
        rows, said = evaluate("--predictions", path)
    assert [row["generated_summary"] for row in rows] == ["Two."]
    assert f"Set aside    the results of {path}" in said


# ------------------------------------------------------------------------------------------------------------ samples
def test_samples_of_a_note_have_a_file_of_their_own_and_the_first_is_the_result(evaluate, tmp_path):
    options = ("--temperature", "1", "--num_samples", "3")
    rows, said = evaluate(*options)
    samples, _ = evaluate(*options, results="evaluation_samples.csv")
    assert [row["example_id"] for row in samples[:4]] == ["test-0", "test-0#2", "test-0#3", "test-1"]
    assert samples[::3] == rows
    assert len({row["generated_summary"] for row in samples[:3]}) == 3
    assert f"{3 * NOTES} generated" in said
    assert "3 of each note; flagged in at least one" in said
    figures = json.loads((tmp_path / "out" / "evaluation_statistics.json").read_text())["samples"]
    assert (figures["a_note"], figures["notes_flagged_in_any"]["total"]) == (3, NOTES)
    evaluate("--temperature", "1")
    assert not (tmp_path / "out" / "evaluation_samples.csv").exists()


def test_several_greedy_samples_are_refused_before_anything_is_read(evaluate, tmp_path):
    with pytest.raises(UserError, match="--num_samples needs a --temperature above 0"):
        evaluate("--num_samples", "3", notes="nowhere.csv")


# ------------------------------------------------------------------------------------------------- the context window
NOTE = "Mr. Lee has a cough. No fever. Takes aspirin 81 mg daily."


@pytest.mark.parametrize(
    ("room", "kept"),
    [
        (len(NOTE), NOTE),
        (len(NOTE) - 1, "Mr. Lee has a cough. No fever."),
        (29, "Mr. Lee has a cough."),
        (19, "Mr. Lee has a"),
        (1, ""),
    ],
)
def test_a_text_is_cut_at_a_sentence_and_at_a_word_only_where_the_first_does_not_fit(room, kept):
    assert longest_beginning(NOTE, lambda text: len(text) <= room) == kept


def test_the_prompt_of_a_cut_note_fits_and_is_that_of_its_beginning(tiny_model):
    tokenizer = load_tokenizer(find(tiny_model))
    whole = encode_prompt(tokenizer, prompt_messages(NOTE))
    assert fit_prompt(tokenizer, NOTE, len(whole)) == fit_prompt(tokenizer, NOTE, None) == (whole, 0)
    ids, unread = fit_prompt(tokenizer, NOTE, len(whole) - 1)
    assert ids == encode_prompt(tokenizer, prompt_messages("Mr. Lee has a cough. No fever."))
    assert unread == len(" Takes aspirin 81 mg daily.")
    with pytest.raises(UserError, match=r"no note fits into 3 tokens.*--max_new_tokens"):
        fit_prompt(tokenizer, NOTE, 3)
    config = read_config(find(tiny_model))
    assert prompt_limit(config, 100) == 2048 - 100
    with pytest.raises(UserError, match=r"--max_new_tokens 2048 leaves no room.*2048 tokens"):
        prompt_limit(config, 2048)


def test_a_note_longer_than_the_window_is_flagged_and_the_others_are_read_whole(evaluate, notes_csv):
    rows = read_csv(notes_csv, ("clinical_note",))
    rows[1]["clinical_note"] = " ".join(f"Day {day}: no fever and no cough." for day in range(400))
    write_csv(notes_csv, list(rows[0]), rows)
    results, said = evaluate()
    unread = [int(row["unread_characters"]) for row in results]
    assert [count > 0 for count in unread] == [False, True, False, False, False]
    assert results[1]["clinical_note"][: -unread[1]].endswith("no cough.")
    assert 2000 < int(results[1]["prompt_tokens"]) <= 2048 - 8
    assert "Warning      1 of 5 notes: longer than the model's context window" in said


# ------------------------------------------------------------------------------------------------- bad models, bad rows
def test_a_model_of_no_numbers_gives_flagged_rows(evaluate, tiny_model, tmp_path):
    broken = shutil.copytree(tiny_model, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    rows, said = evaluate(model=broken)
    assert {(row["finish_reason"], row["generated_summary"]) for row in rows} == {("nan", "")}
    assert "Warning      5 of 5 summaries: broken off, because the model computed no numbers (NaN)" in said
    assert "Warning      5 of 5 summaries: empty" in said


def test_summaries_that_never_stop_are_said(evaluate):
    rows, said = evaluate()
    cut = sum(row["finish_reason"] == "length" for row in rows)
    assert f"Warning      {cut} of 5 summaries: cut off at --max_new_tokens 8" in said
    assert all(int(row["new_tokens"]) == 8 for row in rows if row["finish_reason"] == "length")


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_half_written_model_is_named_and_earlier_results_stay(evaluate, tiny_model, tmp_path, file):
    rows, _ = evaluate()
    half = shutil.copytree(tiny_model, tmp_path / "half")
    whole = (half / file).read_bytes()
    (half / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=f"{half} cannot be loaded .*make or copy it again"):
        evaluate(model=half)
    assert evaluate("--score_only")[0] == rows


def test_a_half_written_adapter_is_named(evaluate, tiny_adapter, tmp_path):
    half = shutil.copytree(tiny_adapter, tmp_path / "half")
    weights = half / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UserError, match=f"{half} cannot be loaded"):
        evaluate(model=half)


def test_rows_that_are_no_notes_to_summarise_are_counted(notes_csv, evaluate):
    rows = read_csv(notes_csv, ("clinical_note",))
    rows[0]["clinical_note"] = "  "
    write_csv(notes_csv, list(rows[0]), rows)
    assert read_notes(notes_csv).left_out == {"without a note": 1, "labelled hallucinated": 1}
    results, said = evaluate()
    assert len(results) == NOTES - 1
    assert "rows left out: 1 without a note, 1 labelled hallucinated" in said


@pytest.mark.parametrize("name", ["summary", "model_summary", "ward"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_both_spellings_of_the_summary_or_none_in_any_encoding(tmp_path, name, encoding):
    path = tmp_path / "notes.csv"
    path.write_bytes(f"clinical_note,{name}\nMother’s café visit: BP 120/80.,Naïve.\n".encode(encoding))
    [example] = read_notes(path).examples
    assert example.clinical_note == "Mother’s café visit: BP 120/80."
    assert example.ground_truth == ("" if name == "ward" else "Naïve.")


def test_a_note_without_ground_truth_is_scored_by_its_note_alone(evaluate, tmp_path):
    path = tmp_path / "notes.csv"
    path.write_text("clinical_note\nBP 120/80.\n", "utf-8")
    [row], _ = evaluate(notes=path)
    assert (row["ground_truth"], row["rougeL"]) == ("", "")
    assert row["flagged_claims"].isdecimal()

"""Slots and batches change nothing, every text stops, and what is on disk is not generated again."""

from __future__ import annotations

import pytest
import torch

from tests.tiny import find, note_and_summary
from utils import decoding
from utils.cli import RunError
from utils.files import read_journal
from utils.generation import (
    GenerationSettings,
    Job,
    find_texts,
    generate_all,
    generate_batch,
    generate_in_slots,
    sample_all,
    stop_tokens,
)
from utils.models import load_model, load_tokenizer
from utils.prompts import encode_prompt, prompt_messages

SETTINGS = GenerationSettings(max_new_tokens=12)


@pytest.fixture(scope="module")
def loaded(tiny_model):
    checkpoint = find(tiny_model)
    return load_model(checkpoint, torch.device("cpu")), load_tokenizer(checkpoint)


@pytest.fixture(scope="module")
def prompts(loaded):
    notes = [note_and_summary(i)[0] * (1 + i % 3) for i in range(7)]
    return [encode_prompt(loaded[1], prompt_messages(note)) for note in notes]


@pytest.fixture(scope="module")
def jobs(prompts):
    return [Job(prompt) for prompt in prompts]


def one_at_a_time(loaded, jobs, settings=SETTINGS):
    """By the model's own ``generate``."""
    return [generate_batch(*loaded, [job], settings)[0] for job in jobs]


def test_a_padded_batch_gives_the_texts_of_one_at_a_time(loaded, jobs):
    together = generate_batch(*loaded, jobs, SETTINGS)
    assert together == one_at_a_time(loaded, jobs)
    assert len({generated.text for generated in together}) > 1


@pytest.mark.parametrize("slots", [1, 2, 3, 7, 16])
def test_slots_give_the_texts_of_one_at_a_time(loaded, jobs, slots):
    assert generate_in_slots(*loaded, jobs, SETTINGS, slots) == one_at_a_time(loaded, jobs)


def test_order_is_kept_and_token_counts_are_the_prompts_own(loaded, prompts, tmp_path):
    model, tokenizer = loaded
    texts, found = generate_all(lambda: model, tokenizer, prompts, SETTINGS, 3, tmp_path / "journal", "id")
    assert found == 0
    assert [t.prompt_tokens for t in texts] == [len(p) for p in prompts]
    assert texts == one_at_a_time(loaded, [Job(prompt) for prompt in prompts])


def test_a_text_ends_at_its_first_stop_token(loaded, jobs):
    model, tokenizer = loaded
    tokens = []

    class Stops:
        """A model that writes three tokens, the end of turn, and then runs on."""

        device, generation_config = model.device, model.generation_config

        def eval(self):
            return self

        def generate(self, input_ids, **kwargs):
            written = torch.tensor([[*tokens, tokenizer.eos_token_id, tokens[0]]] * len(input_ids))
            return torch.cat([input_ids, written], dim=1)

    tokens = tokenizer("BP 120")["input_ids"][:3]
    generated = generate_batch(Stops(), tokenizer, jobs[:2], SETTINGS)
    written = tokenizer.decode(tokens).strip()
    assert [(g.text, g.finish_reason, g.new_tokens) for g in generated] == [(written, "eos", 3)] * 2


def test_texts_that_end_early_make_room_and_are_told_as_they_end(loaded, jobs, monkeypatch):
    model, tokenizer = loaded
    longer = GenerationSettings(max_new_tokens=30)
    first_word = tokenizer(one_at_a_time(loaded, jobs[:1], longer)[0].text)["input_ids"][2]
    monkeypatch.setattr(model.generation_config, "eos_token_id", [first_word, tokenizer.eos_token_id])
    told, fed = [], []
    step = decoding.next_logits
    monkeypatch.setattr(decoding, "next_logits", lambda m, cache, t: fed.append(len(t)) or step(m, cache, t))
    ended = generate_in_slots(model, tokenizer, jobs, longer, 3, told.append)
    assert ended == one_at_a_time(loaded, jobs, longer)
    assert 0 < sum(text.finish_reason == "eos" for text in ended) < len(jobs)
    assert sum(told) == len(jobs)
    # Each step feeds only what goes on: every token but a text's first, which its prompt gives, and its stop token.
    assert sum(fed) == sum(text.new_tokens - (text.finish_reason == "length") for text in ended)


def test_running_to_the_limit_is_recorded(loaded, jobs):
    for generated in (
        generate_in_slots(*loaded, jobs[:1], GenerationSettings(max_new_tokens=2), 1)[0],
        generate_batch(*loaded, jobs[:1], GenerationSettings(max_new_tokens=2))[0],
    ):
        assert (generated.finish_reason, generated.new_tokens) == ("length", 2)


def test_a_model_that_computes_no_numbers_ends_that_text_only(loaded, jobs, monkeypatch):
    read = decoding.read_prompts

    def broken(*args):
        logits = read(*args)
        logits[0, 0] = float("nan")
        return logits

    monkeypatch.setattr(decoding, "read_prompts", broken)
    texts = generate_in_slots(*loaded, jobs[:3], SETTINGS, 3)
    assert sorted(text.finish_reason for text in texts) == ["length", "length", "nan"]


def test_padded_batches_end_that_text_too(loaded, jobs, monkeypatch):
    model, _ = loaded
    forward = type(model).forward

    def broken(self, *args, **options):
        output = forward(self, *args, **options)
        if fed and len(output.logits) == 3:
            output.logits[1] = float("nan")
        fed.append(1)
        return output

    fed = []
    whole = generate_batch(*loaded, jobs[:3], SETTINGS)
    monkeypatch.setattr(type(model), "forward", broken)
    for settings in (SETTINGS, SAMPLED):
        fed.clear()
        texts = generate_batch(*loaded, jobs[:3], settings)
        assert [(text.finish_reason, text.new_tokens) for text in texts] == [("length", 12), ("nan", 1), ("length", 12)]
        assert settings is SAMPLED or (texts[0], texts[2]) == (whole[0], whole[2])


def without_memory_for(monkeypatch, most):
    """Reading more than so many prompts at once runs out of memory."""
    read = decoding.read_prompts

    def too_many(model, cache, prompts):
        if len(prompts) > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return read(model, cache, prompts)

    monkeypatch.setattr(decoding, "read_prompts", too_many)


def test_out_of_memory_halves_the_slots_and_begins_the_group_again(loaded, prompts, tmp_path, monkeypatch, capsys):
    model, tokenizer = loaded
    without_memory_for(monkeypatch, 2)
    texts, _ = generate_all(lambda: model, tokenizer, prompts, SETTINGS, 3, tmp_path / "journal", "id")
    assert texts == one_at_a_time(loaded, [Job(prompt) for prompt in prompts])
    captured = capsys.readouterr()
    assert captured.out.count("out of memory with 3 texts at once; going on with 2") == 1  # of two groups
    assert "7/7" in captured.err


def test_a_text_that_is_too_large_alone_is_an_error_that_names_a_way_out(loaded, prompts, tmp_path, monkeypatch):
    model, tokenizer = loaded
    monkeypatch.setattr(decoding, "reason_not_to_decode", lambda *args: None)
    without_memory_for(monkeypatch, 0)
    with pytest.raises(RunError, match=r"out of memory with a single text.*--load_in_4bit"):
        generate_all(lambda: model, tokenizer, prompts, SETTINGS, 3, tmp_path / "journal", "id")


def test_equal_prompts_are_read_once(loaded, prompts, monkeypatch):
    widths = []
    add = decoding.SlotCache.add
    monkeypatch.setattr(
        decoding.SlotCache, "add", lambda self, filled, *more: widths.append(len(more[0])) or add(self, filled, *more)
    )
    drawn = generate_in_slots(*loaded, [Job(prompts[0], draw) for draw in range(4)], SAMPLED, 4)
    assert widths == [1]
    assert len({text.text for text in drawn}) > 2


def test_models_that_slots_do_not_suit_are_named(loaded, prompts, monkeypatch, capsys, tmp_path):
    model, tokenizer = loaded
    assert decoding.reason_not_to_decode(model, prompts, 12) is None
    monkeypatch.setattr(decoding, "looks_back", lambda config: 8)
    assert "looks back 8 tokens" in decoding.reason_not_to_decode(model, prompts, 12)
    texts, _ = generate_all(lambda: model, tokenizer, prompts, SETTINGS, 3, tmp_path / "journal", "id")
    assert texts == one_at_a_time(loaded, [Job(prompt) for prompt in prompts])
    assert "padded batches, because it looks back 8" in capsys.readouterr().out
    monkeypatch.undo()

    def shifted(model, cache, tokens):
        cache.lengths[0] -= 1
        return decoding_step(model, cache, tokens)

    decoding_step = decoding.next_logits
    monkeypatch.setattr(decoding, "next_logits", shifted)
    monkeypatch.setattr(decoding, "SELF_CHECK", {torch.float32: 1e-5})  # a random model of this size hardly listens
    assert "other logits" in decoding.reason_not_to_decode(model, prompts, 12)


def test_a_journal_tells_what_it_holds_without_a_model(loaded, prompts, tmp_path):
    model, tokenizer = loaded
    journal = tmp_path / "texts.journal.jsonl"
    texts, _ = generate_all(lambda: model, tokenizer, prompts[:4], SETTINGS, 2, journal, "id")
    assert find_texts(prompts, SETTINGS, journal, "id", samples=1) == [*([text] for text in texts), None, None, None]
    assert find_texts(prompts, SETTINGS, journal, "other", samples=1) == [None] * 7
    journal.rename(tmp_path / "texts.journal.1.jsonl")  # of another process
    assert find_texts(prompts[:1], SETTINGS, journal, "id", samples=1) == [[texts[0]]]


def test_stop_tokens_join_tokenizer_and_generation_config(loaded):
    model, tokenizer = loaded
    model.generation_config.eos_token_id = [5, tokenizer.eos_token_id]
    assert stop_tokens(model, tokenizer) == sorted({5, tokenizer.eos_token_id})
    model.generation_config.eos_token_id = tokenizer.eos_token_id


def test_after_a_kill_only_the_missing_texts_are_generated(loaded, prompts, tmp_path):
    model, tokenizer = loaded
    journal = tmp_path / "journal"
    whole, _ = generate_all(lambda: model, tokenizer, prompts, SETTINGS, 1, journal, "id")
    lines = journal.read_bytes().splitlines(keepends=True)
    assert [len(entry["texts"]) for entry in read_journal(journal)] == [2, 2, 2, 1]
    journal.write_bytes(b"".join(lines[:2]) + lines[2][:-3])  # killed in the middle of a write
    again, found = generate_all(lambda: model, tokenizer, prompts, SETTINGS, 1, journal, "id")
    assert (again, found) == (whole, 4)
    assert journal.read_bytes() == b"".join(lines)


def test_nothing_missing_means_the_model_is_not_loaded(loaded, prompts, tmp_path):
    model, tokenizer = loaded
    journal = tmp_path / "journal"
    first, _ = generate_all(lambda: model, tokenizer, prompts, SETTINGS, 4, journal, "id")
    again, found = generate_all(lambda: pytest.fail("loaded"), tokenizer, prompts, SETTINGS, 4, journal, "id")
    assert (again, found) == (first, len(prompts))


@pytest.mark.parametrize("changed", [{"model_id": "other"}, {"settings": GenerationSettings(max_new_tokens=13)}])
def test_other_weights_or_settings_reuse_nothing(loaded, prompts, tmp_path, changed):
    model, tokenizer = loaded
    call = {"settings": SETTINGS, "batch_size": 4, "journal": tmp_path / "journal", "model_id": "id"}
    generate_all(lambda: model, tokenizer, prompts, **call)
    assert generate_all(lambda: model, tokenizer, prompts, **{**call, **changed})[1] == 0


def test_the_model_s_own_penalties_do_not_apply(loaded, jobs):
    model, _ = loaded
    plain = one_at_a_time(loaded, jobs)
    model.generation_config.repetition_penalty, model.generation_config.no_repeat_ngram_size = 5.0, 1
    assert generate_batch(*loaded, jobs, SETTINGS) == generate_in_slots(*loaded, jobs, SETTINGS, 3) == plain
    model.generation_config.repetition_penalty, model.generation_config.no_repeat_ngram_size = None, None


@pytest.mark.parametrize("generate", [generate_batch, lambda *args: generate_in_slots(*args, slots=3)])
def test_sampling_is_repeatable_and_seeded(generate, loaded, jobs):
    def sample(seed):
        return generate(*loaded, jobs, GenerationSettings(max_new_tokens=12, temperature=1.0, seed=seed))

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)


def test_what_is_drawn_does_not_depend_on_what_it_is_drawn_with(loaded, jobs):
    together = generate_in_slots(*loaded, jobs, SAMPLED, 3)
    assert together == [generate_in_slots(*loaded, [job], SAMPLED, 1)[0] for job in jobs]


SAMPLED = GenerationSettings(max_new_tokens=12, temperature=1.0, seed=7)


def test_samples_of_a_prompt_differ_and_come_back_in_order(loaded, prompts, tmp_path):
    model, tokenizer = loaded
    call = (lambda: model, tokenizer, prompts[:3], SAMPLED, 2, tmp_path / "journal", "id")
    texts, found = sample_all(*call, samples=4)
    assert ([len(drawn) for drawn in texts], found) == ([4, 4, 4], 0)
    assert [drawn[0].prompt_tokens for drawn in texts] == [len(prompt) for prompt in prompts[:3]]
    # batches of two hold the first two samples of a prompt, then the next two: these must not be drawn alike
    assert all(len({generated.text for generated in drawn}) > 2 for drawn in texts)
    assert sample_all(*call, samples=4) == (texts, 12)


@pytest.mark.parametrize("lines", [0, 1])
def test_a_group_cut_off_is_drawn_again_as_it_would_have_been(loaded, prompts, tmp_path, lines):
    model, tokenizer = loaded
    journal = tmp_path / "journal"
    call = (lambda: model, tokenizer, prompts, SAMPLED, 3, journal, "id")
    whole, _ = sample_all(*call, samples=2)
    kept = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(kept[:lines]) + kept[lines][:-3])
    assert sample_all(*call, samples=2) == (whole, 6 * lines)
    assert journal.read_bytes() == b"".join(kept)


def test_one_sample_is_what_generate_all_gives(loaded, prompts, tmp_path):
    model, tokenizer = loaded
    one, _ = generate_all(lambda: model, tokenizer, prompts, SAMPLED, 3, tmp_path / "one", "id")
    many, found = sample_all(lambda: model, tokenizer, prompts, SAMPLED, 3, tmp_path / "one", "id", samples=1)
    assert (many, found) == ([[generated] for generated in one], len(prompts))


def test_several_greedy_samples_are_refused(loaded, prompts, tmp_path):
    model, tokenizer = loaded
    with pytest.raises(ValueError, match="temperature"):
        sample_all(lambda: model, tokenizer, prompts, SETTINGS, 3, tmp_path / "journal", "id", samples=2)

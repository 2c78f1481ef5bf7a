"""Batches change nothing, every text stops, and what is on disk is not generated again."""

from __future__ import annotations

import pytest
import torch

from tests.tiny import find, note_and_summary
from utils.files import read_journal
from utils.generation import GenerationSettings, generate_all, generate_batch, sample_all, stop_tokens
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


def test_a_padded_batch_gives_the_texts_of_one_at_a_time(loaded, prompts):
    together = generate_batch(*loaded, prompts, SETTINGS)
    assert together == [generate_batch(*loaded, [prompt], SETTINGS)[0] for prompt in prompts]
    assert len({generated.text for generated in together}) > 1


def test_order_is_kept_and_token_counts_are_the_prompts_own(loaded, prompts, tmp_path):
    model, tokenizer = loaded
    texts, found = generate_all(lambda: model, tokenizer, prompts, SETTINGS, 3, tmp_path / "journal", "id")
    assert found == 0
    assert [t.prompt_tokens for t in texts] == [len(p) for p in prompts]
    assert texts == generate_batch(model, tokenizer, prompts, SETTINGS)


def test_a_text_ends_at_its_first_stop_token(loaded, prompts):
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
    generated = generate_batch(Stops(), tokenizer, prompts[:2], SETTINGS)
    written = tokenizer.decode(tokens).strip()
    assert [(g.text, g.finish_reason, g.new_tokens) for g in generated] == [(written, "eos", 3)] * 2


def test_progress_counts_each_text_once_as_it_ends(loaded, prompts, monkeypatch):
    model, tokenizer = loaded
    free = generate_batch(model, tokenizer, prompts, GenerationSettings(max_new_tokens=30))
    first_word = tokenizer(free[0].text)["input_ids"][2]  # a token that some of the texts hold
    monkeypatch.setattr(model.generation_config, "eos_token_id", [first_word, tokenizer.eos_token_id])
    told = []
    ended = generate_batch(model, tokenizer, prompts, GenerationSettings(max_new_tokens=30), told.append)
    by_itself = sum(g.finish_reason == "eos" for g in ended)
    assert by_itself > 0
    assert sum(told) == by_itself
    assert min(told) > 0


def test_running_to_the_limit_is_recorded(loaded, prompts):
    generated = generate_batch(*loaded, prompts[:1], GenerationSettings(max_new_tokens=2))[0]
    assert (generated.finish_reason, generated.new_tokens) == ("length", 2)


def test_stop_tokens_join_tokenizer_and_generation_config(loaded):
    model, tokenizer = loaded
    model.generation_config.eos_token_id = [5, tokenizer.eos_token_id]
    assert stop_tokens(model, tokenizer) == sorted({5, tokenizer.eos_token_id})
    model.generation_config.eos_token_id = tokenizer.eos_token_id


def test_after_a_kill_only_the_missing_texts_are_generated(loaded, prompts, tmp_path):
    model, tokenizer = loaded
    journal = tmp_path / "journal"
    whole, _ = generate_all(lambda: model, tokenizer, prompts, SETTINGS, 2, journal, "id")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:4]) + lines[4][:10])  # killed in the middle of a write
    again, found = generate_all(lambda: model, tokenizer, prompts, SETTINGS, 2, journal, "id")
    assert (again, found) == (whole, 4)
    assert len(read_journal(journal)) == 7


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


def test_the_model_s_own_penalties_do_not_apply(loaded, prompts):
    model, tokenizer = loaded
    plain = generate_batch(model, tokenizer, prompts, SETTINGS)
    model.generation_config.repetition_penalty, model.generation_config.no_repeat_ngram_size = 5.0, 1
    assert generate_batch(model, tokenizer, prompts, SETTINGS) == plain
    model.generation_config.repetition_penalty, model.generation_config.no_repeat_ngram_size = None, None


def test_sampling_is_repeatable_and_seeded(loaded, prompts):
    def sample(seed):
        return generate_batch(*loaded, prompts, GenerationSettings(max_new_tokens=12, temperature=1.0, seed=seed))

    assert sample(1) == sample(1)
    assert sample(1) != sample(2)


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


@pytest.mark.parametrize("lines", [1, 3, 4])
def test_a_batch_cut_off_is_drawn_again_as_it_would_have_been(loaded, prompts, tmp_path, lines):
    model, tokenizer = loaded
    journal = tmp_path / "journal"
    call = (lambda: model, tokenizer, prompts, SAMPLED, 3, journal, "id")
    whole, _ = sample_all(*call, samples=2)
    kept = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(kept[:lines]) + kept[lines][:10])
    assert sample_all(*call, samples=2) == (whole, lines)
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

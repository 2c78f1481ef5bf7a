# make demo   steps 1 to 3 on a small part of the shipped notes, from nothing to a before/after table
# make test   all tests          make lint   style and types
# make outcome   does Stage B make the rate fall? three arms on test notes, at most two hours on 2 CPU cores
# Each creates .venv when it is missing. For Windows, README has the steps as PowerShell commands.

PYTHON ?= python3
PY := .venv/bin/python

# The demo's subset. The learning rate is four times the default: so few pairs at 5e-6 would hardly move the model.
DEMO := outputs/demo
DEMO_TRAIN_PAIRS := 64
DEMO_VAL_PAIRS := 12
DEMO_LEARNING_RATE := 2e-5
DEMO_NOTES := 20
STAGE_A := models/sft_specialist_fast_fp16/final_model

.PHONY: demo outcome test lint
.DELETE_ON_ERROR:

demo: .venv/.runtime
	@echo "== Demo: steps 1 to 3 on $(DEMO_TRAIN_PAIRS) training pairs, 1 epoch, learning rate $(DEMO_LEARNING_RATE)"
	@echo "== (the default is all pairs, 2 epochs, 5e-6). It shows that everything works;"
	@echo "== $(DEMO_TRAIN_PAIRS) pairs and $(DEMO_NOTES) notes are too few to prove an effect."
	@$(PY) models/fetch_base_model.py
	@echo; echo "== Step 1: pairs"
	@$(PY) generate_phase2_data.py --phase2_dir $(DEMO)/phase2_data
	@echo; echo "== Step 2: Stage B"
	@$(PY) stage_b_dpo_training.py --train_data_path $(DEMO)/phase2_data/train_dpo.jsonl \
		--val_data_path $(DEMO)/phase2_data/val_dpo.jsonl --max_train_pairs $(DEMO_TRAIN_PAIRS) \
		--max_val_pairs $(DEMO_VAL_PAIRS) --num_epochs 1 --learning_rate $(DEMO_LEARNING_RATE) \
		--output_dir $(DEMO)/stage_b
	@echo; echo "== Step 3: Stage A, before"
	@$(PY) evaluation_stage_a/evaluate_stage_a.py --model_path $(STAGE_A) --max_examples $(DEMO_NOTES) \
		--output_dir $(DEMO)/evaluation_stage_a
	@echo; echo "== Step 3: Stage B, after"
	@$(PY) evaluation_stage_a/evaluate_stage_a.py --model_path $(DEMO)/stage_b/final_model --max_examples $(DEMO_NOTES) \
		--output_dir $(DEMO)/evaluation_stage_b --compare_with $(DEMO)/evaluation_stage_a
	@echo
	@echo "== Demo done. $(DEMO_TRAIN_PAIRS) pairs at learning rate $(DEMO_LEARNING_RATE) are too few to prove an effect:"
	@echo "== README's steps use all pairs. Files: $(DEMO)/. Step 4, label the summaries yourself:"
	@echo "$(PY) manual_assessment_tool.py --results_csv $(DEMO)/evaluation_stage_b/evaluation_results.csv"

# Where a value is not the default of steps 1 and 2, it was chosen on validation notes (benchmarks/LOG.md).
outcome: .venv/.runtime
	@$(PY) models/fetch_base_model.py
	@$(PY) benchmarks/outcome.py --split test --notes 300 --changes 240 --train_pairs 720 --hours 2 \
		--learning_rate 5e-5 --num_epochs 1 --beta 0.1 --loss_type sigmoid sft --loss_weights 1 0.5 \
		--reference_free

test: .venv/.dev
	$(PY) -m pytest

lint: .venv/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy .

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.runtime: requirements.txt | .venv/bin/python
	$(PY) -m pip install --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt .venv/.runtime
	$(PY) -m pip install --disable-pip-version-check --quiet -r requirements-dev.txt
	@touch $@

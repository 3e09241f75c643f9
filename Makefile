# make demo               the whole study on the models and documents that come with Cornerstone
# make demo-generation    likelihood beside generation, on a third small model (docs/generation.md)
# make test               the tests
# make test-slow          the tests that take minutes each
# make test-families      every family that transformers knows, against plain transformers (docs/families.md)
# make test-tasks         every task in lm-eval's index: accepted, or refused and why (docs/tasks.md)
# make test-environments  each rule in its own environment, made from its YAML alone
# make test-study         studies with one model, against a hub on loopback; small benchmarks
# make test-screens       the report in headless Chromium: wide, on a phone, dark, on paper (skips without a Chromium)
# make test-hub           the whole study from a fresh clone, against a hub on loopback
# make test-slurm         on a real SLURM, brought up where there is root on Debian
# make test-slurm-smoke   of these a small study by the literal command
# make bench              the speed against lm-eval and against the machine's limit
# make bench-few-shots     the speed on documents that share five shots, against lm-eval
# make bench-generation    the speed of generated answers against lm-eval
# make bench-streaming    the speed of streamed weights against that of resident ones
# make bench-scaling      how the cost grows with blocks, coalitions and documents
# make bench-own          the rate of per-document coalitions against a design that all share
# make bench-values       how near values from per-document coalitions come to exact ones
# make bench-corrected    how near what corrected values tell of estimates comes to what exact ones tell
# make bench-accuracy     the cost of unbiased values: seconds against lm-eval's loop with shapiq's best approximator
# make audit-current      the audit of what the current shapiq offers, in an environment with a newer Python
# make bench-own-coverage how often the intervals of such values cover the Shapley value, where it is known
# make bench-indices      how near interaction indices from such coalitions come to exact ones
# make bench-products     how near such values come on product games of 64 and 160 sublayers
# make bench-coverage     how often the intervals cover the truth, on games whose truth is known
# make bench-real-shapes  the paper's models at their real shapes, on a GPU
# make lint               format and lint checks
# make pages              rewrites the generated lists in docs/ from the code
#
# The first one makes .venv, with every package pinned (requirements.txt).

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python -m
NEWER ?= python3.14 python3.13 python3.12
CURRENT := .venv-current
# Tests wait for the processes that they start: one more than the cores keeps these at work.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(os.cpu_count() or 1, 4) + 1)')

.PHONY: demo demo-generation test test-slow test-families test-tasks test-environments test-study test-hub test-slurm test-slurm-smoke test-screens bench bench-few-shots bench-generation bench-streaming bench-scaling bench-own bench-values bench-corrected bench-accuracy bench-own-coverage bench-indices bench-products bench-coverage bench-real-shapes audit-current lint pages environment dev-environment current-environment

demo: environment
	@$(RUN) snakemake all --configfile config/demo.yaml
	@echo
	@echo "Figures (each also as .png and .svg):"
	@ls results/demo/figures/*.pdf
	@echo "Tables:"
	@ls results/demo/tables/*.csv
	@echo "Report:"
	@ls results/demo/report.html

demo-generation: environment
	@$(RUN) snakemake all --configfile config/demo_generation.yaml
	@echo
	@echo "Likelihood beside generation:"
	@ls results/demo_generation/figures/both_ways.pdf results/demo_generation/tables/both_ways*.md
	@echo "Report:"
	@ls results/demo_generation/report.html

test: dev-environment
	@OMP_NUM_THREADS=1 $(RUN) pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-slow: dev-environment
	@OMP_NUM_THREADS=1 $(RUN) pytest -q -m slow -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test-families: dev-environment
	@OMP_NUM_THREADS=1 $(RUN) pytest -q -m families -n 2 tests/engine/test_every_family.py tests/engine/test_pruned_checkpoint.py tests/engine/test_means_of_every_family.py tests/engine/test_generation_of_every_family.py

test-tasks: dev-environment
	@OMP_NUM_THREADS=1 $(RUN) pytest -q -m tasks tests/documents/test_every_task.py

test-environments: dev-environment
	@OMP_NUM_THREADS=1 $(RUN) pytest -q -m slow tests/workflow/test_environments_alone.py tests/workflow/test_demo_in_environments.py

test-study: dev-environment
	@OMP_NUM_THREADS=1 $(RUN) pytest -q -m "study and not slow" -n $(WORKERS) --dist loadfile

test-screens: dev-environment
	@OMP_NUM_THREADS=1 $(RUN) pytest -q -m screens tests/screens

test-hub: dev-environment
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(VENV)/bin/python tests/study_on_hub.py

test-slurm: dev-environment
	@$(RUN) pytest -q -m slurm tests/workflow/test_slurm.py

test-slurm-smoke: dev-environment
	@$(RUN) pytest -q -m slurm -k small_study tests/workflow/test_slurm.py

bench: dev-environment
	@$(VENV)/bin/python benchmarks/speed.py

bench-few-shots: dev-environment
	@$(VENV)/bin/python benchmarks/few_shots.py

bench-generation: dev-environment
	@$(VENV)/bin/python benchmarks/generation.py

bench-streaming: dev-environment
	@$(VENV)/bin/python benchmarks/streaming.py

bench-scaling: dev-environment
	@$(VENV)/bin/python benchmarks/scaling.py

bench-own: dev-environment
	@$(VENV)/bin/python benchmarks/own_coalitions.py

bench-values: dev-environment
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/own_values.py

bench-corrected: dev-environment
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/corrected_values.py

bench-accuracy: dev-environment
	@OMP_NUM_THREADS=1 $(VENV)/bin/python -W ignore benchmarks/accuracy.py

bench-own-coverage: dev-environment
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/own_coverage.py

bench-indices: dev-environment
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/own_indices.py

bench-products: dev-environment
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/deep_products.py

bench-coverage: dev-environment
	@$(VENV)/bin/python benchmarks/interval_coverage.py

bench-real-shapes: dev-environment
	@$(VENV)/bin/python benchmarks/real_shapes.py

# Every coalition of the demo's models, as config/audit.yaml has them.
EXACT := $(foreach model,demo_llama demo_mixtral,$(foreach task,$(basename \
	$(notdir $(wildcard resources/demo/documents/*.jsonl))),results/audit/evaluations/$(model)/$(task)/exact.parquet))

audit-current: current-environment environment
	@$(RUN) snakemake --configfile config/audit.yaml --quiet all -- $(EXACT)
	@OMP_NUM_THREADS=1 $(CURRENT)/bin/python benchmarks/audit_current.py

lint: dev-environment
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(VENV)/bin/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(RUN) snakemake --lint

pages: environment
	@$(VENV)/bin/python docs/generate.py

# A copy of each list is kept beside what it installed: the environment is made again when they differ.
environment: $(VENV)/bin/python
	@cmp -s requirements.txt $(VENV)/requirements.txt || { \
		echo "Installing the pinned packages into $(VENV) (some minutes)"; \
		$(RUN) pip install --quiet --requirement requirements.txt && \
		cp requirements.txt $(VENV)/requirements.txt; }

dev-environment: environment
	@cmp -s requirements-dev.txt $(VENV)/requirements-dev.txt || { \
		$(RUN) pip install --quiet --requirement requirements-dev.txt && \
		cp requirements-dev.txt $(VENV)/requirements-dev.txt; }

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Cornerstone needs Python 3.11 or newer, and $(PYTHON) is %d.%d: make PYTHON=python3.11 ..." % sys.version_info[:2])'
	@echo "Making the environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)

current-environment: $(CURRENT)/bin/python
	@cmp -s requirements-current.txt $(CURRENT)/requirements-current.txt || { \
		echo "Installing the current shapiq into $(CURRENT)" && \
		$(CURRENT)/bin/python -m pip install --quiet --upgrade --requirement requirements-current.txt && \
		cp requirements-current.txt $(CURRENT)/requirements-current.txt; }

# A name on PATH may be there and yet not run, so each is tried.
$(CURRENT)/bin/python:
	@for one in $(NEWER); do \
		$$one -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null || continue; \
		echo "Making the environment $(CURRENT) with $$one"; exec $$one -m venv $(CURRENT); \
	done; \
	echo "The current shapiq needs Python 3.12 or newer, and none of $(NEWER) runs here: install one, or name it: make NEWER=/path/to/python3.13 audit-current" >&2; \
	exit 1

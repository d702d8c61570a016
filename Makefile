# A newcomer needs two of these: `make demo` and `make test`. Each sets up what it needs.

PYTHON ?= python3
PIP_FLAGS ?=
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
DEV := $(VENV)/.installed-dev
# The developers' installation holds all that the demo needs.
DEMO := $(firstword $(wildcard $(DEV)) $(VENV)/.installed-demo)
OFFLINE := HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false

.PHONY: help setup demo demo-zh test test-all test-isa check sanitize bench bench-quick bench-more clean

help:
	@echo "make demo      set up, then pre-train, fine-tune, evaluate and predict on a small example (English)"
	@echo "make demo-zh   the same in Chinese, from a pre-trained multilingual model"
	@echo "make test      set up, then run the tests (WORKERS=$(WORKERS))"
	@echo "make test-all  the tests, with every verb on every kind of artefact; make test draws about fifty of them"
	@echo "make test-isa  the engine's tests again as on other processors: fewer instructions, no kernels, 1 and 2 threads"
	@echo "make check     lint, formatting, types, direction of imports"
	@echo "make sanitize  run the compiled kernels' tests with the address and undefined-behaviour sanitizers; minutes"
	@echo "make bench     measure speed beside other libraries, and how cost grows; needs the data sets and an idle hour"
	@echo "make bench-quick  has it become slower on this kind of CPU? less than three minutes"
	@echo "make bench-more   the other benchmarks: accuracy, kills, label errors, tampering, start-up; hours"
	@echo "make setup     only make $(VENV) with everything for development"
	@echo "make clean     remove caches and the demos' data and models; $(VENV) stays"
	@echo
	@echo "PYTHON=python3.12 chooses the interpreter (3.11 or later); PIP_FLAGS is handed to pip."

setup: $(DEV)

# The stamp comes last, so that an installation that was cut short is taken up again.
$(DEV): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e ".[dev]"
	@touch $@

$(VENV)/.installed-demo: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints.txt -e ".[starter,starter-multilingual,vision]"
	@touch $@

# Debian's python3 has venv but not ensurepip; there, the machine's pip installs pip into the new environment.
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no '$(PYTHON)' here. Dianji needs Python 3.11 or later: install it, or name one with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Dianji needs Python 3.11 or later; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Name another one with PYTHON=…" >&2; exit 1; }
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv $(VENV); \
	else $(PYTHON) -m venv --without-pip $(VENV) \
	  && $(PYTHON) -m pip --python $(VENV) install --quiet pip \
	  || { rm -rf $(VENV); \
	       echo "pip could not be put into $(VENV). On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }; fi

demo: $(DEMO)
	@$(OFFLINE) BIN=$(BIN) sh examples/demo.sh support-desk

demo-zh: $(DEMO)
	@$(OFFLINE) BIN=$(BIN) sh examples/demo.sh support-desk-zh

# Two workers of one thread each are quicker on two cores than two workers that fight for both.
test: $(DEV)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_FLAGS)

test-all: $(DEV)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --kinds=all $(PYTEST_FLAGS)

# As on processors with fewer instructions, without kernels, with one thread and two. ISA_FLAGS=--quick: only what
# compares bits, in minutes.
test-isa: $(DEV)
	$(OFFLINE) $(BIN)/python -m tests.processors $(ISA_FLAGS)

check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Python itself is not instrumented, so the sanitizer's runtime is loaded before it.
sanitize: $(DEV)
	DIANJI_KERNELS_SANITIZE=1 LD_PRELOAD="$$(cc -print-file-name=libasan.so)" ASAN_OPTIONS=detect_leaks=0 OMP_NUM_THREADS=2 \
	  $(BIN)/python -m pytest -q -p no:cacheprovider tests/kernels/native/test_encoder.py tests/kernels/native/test_maps.py \
	  tests/kernels/native/test_adamw.py tests/kernels/native/test_tiles.py

bench: $(DEV)
	$(OFFLINE) $(BIN)/python benchmarks/speed.py $(BENCH_FLAGS)
	$(OFFLINE) $(BIN)/python benchmarks/growth.py
	$(OFFLINE) $(BIN)/python benchmarks/gpu.py

bench-quick: $(DEV)
	@$(OFFLINE) $(BIN)/python benchmarks/quick.py $(BENCH_FLAGS)

bench-more: $(DEV)
	@for name in accuracy finetune_text kill label_errors startup tamper; do \
	  echo "== benchmarks/$$name.py"; $(OFFLINE) $(BIN)/python benchmarks/$$name.py || exit 1; \
	done

clean:
	rm -rf .dianji .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	rm -rf examples/*/data examples/*/.dianji
	find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

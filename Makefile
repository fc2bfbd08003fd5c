# `make demo` and `make test` each work as the only command in a fresh checkout: they make their own
# environment in .venv and install nothing outside the checkout.

PYTHON ?= python3
WORKERS ?= auto
SEEDS ?= 20
SAMPLE ?= 0
DEMOS := rosenbrock complex_gradient containers higher_order scipy_minimize
EXAMPLES := digits_cnn burgers_pinn neural_ode char_lstm wgan_gp fourier_operator

BIN := .venv/bin
ENV := .venv/.installed
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo examples test lint types pytest test-seeds format fuzz mutate bench bench-against
.PHONY: test-peers docs test-oldest clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: NAMES := $(DEMOS)
demo: $(ENV) ## Run the short examples; their pictures go to demo_output/
examples: NAMES := $(EXAMPLES)
examples: $(ENV) ## Train the networks of the long examples, in full size
demo examples:
	@mkdir -p demo_output
	@set -e; for name in $(NAMES); do \
	  printf '\n== examples/%s.py\n' "$$name"; \
	  MPLBACKEND=Agg $(BIN)/python examples/$$name.py; \
	done

# In this order also under `make -j`: a formatting slip is reported before the long tests start.
test: ## Format, lint, types, then all tests in parallel
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory types
	@$(MAKE) --no-print-directory pytest

lint: $(ENV) ## Check formatting and lint
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: $(ENV) ## Check the types of src, strictly
	$(BIN)/mypy --strict src

# The parallelism is in the workers: a BLAS with threads of its own in each only slows them down.
pytest test-seeds test-oldest test-peers mutate: export OMP_NUM_THREADS = 1
pytest test-seeds test-oldest test-peers mutate: export OPENBLAS_NUM_THREADS = 1
pytest test-seeds test-oldest test-peers mutate: export MKL_NUM_THREADS = 1

pytest: $(ENV) ## Run the tests only (WORKERS=2 sets their number, ARGS='-k name' is passed on)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-seeds: $(ENV) ## Run the tests with SEEDS=20 other sets of data; the first that fails ends it
	@for seed in $$(seq $(SEEDS)); do \
	  printf 'DLGRADIENT_SEED=%s\n' $$seed; \
	  DLGRADIENT_SEED=$$seed $(BIN)/python -m pytest -q -x -n $(WORKERS) --dist worksteal $(ARGS) \
	    || { printf 'The tests fail with DLGRADIENT_SEED=%s\n' $$seed; exit 1; }; \
	done

fuzz: $(ENV) ## Compare all walks on random programs (COUNT=20000, FIRST=0)
	$(BIN)/python -W error tests/properties/programs.py $(or $(COUNT),20000) $(or $(FIRST),0)

format: $(ENV) ## Format the code and fix what ruff can fix
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

mutate: $(ENV) ## Mutation testing (SAMPLE=10 mutants of a file, FILES="engine nn/losses" of some)
	$(BIN)/python tools/mutation --sample $(SAMPLE) $(FILES)

bench: .venv-bench/.installed ## Measure against torch, jax and autograd, in .venv-bench
	.venv-bench/bin/python benchmarks/run.py $(ARGS)

bench-against: $(ENV) ## Time this checkout against another one: BASE=path, ARGS='row ...'
	$(BIN)/python benchmarks/compare.py $(or $(BASE),$(error BASE=path is missing)) . $(ARGS)

# The configuration of the other tests needs packages that are not in this environment.
test-peers: .venv-bench/.installed ## Compare values, first and second gradients with torch's
	.venv-bench/bin/python -m pytest --confcutdir=tests/peers tests/peers $(ARGS)

docs: .venv-docs/.installed ## Build the documentation into site/
	.venv-docs/bin/mkdocs build --quiet --site-dir site

test-oldest: .venv-oldest/.installed ## Run the tests with the oldest supported dependencies
	.venv-oldest/bin/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

clean: ## Remove environments, caches and everything that was built
	rm -rf .venv .venv-bench .venv-docs .venv-oldest demo_output site dist build
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests examples benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} + \
	  2>/dev/null || true

# A change of pyproject.toml brings every environment up to date at its next use.
$(ENV): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python $(PIP_INSTALL) --editable '.[test]'
	@touch $@

# Torch's CPU build: where pip would choose a larger one, point it to another index, for example with
# PIP_EXTRA_INDEX_URL, before `make bench`.
.venv-bench/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python $(PIP_INSTALL) torch==2.13.0
	.venv-bench/bin/python $(PIP_INSTALL) --editable '.[bench]'
	@touch $@

.venv-docs/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python $(PIP_INSTALL) --editable '.[docs]'
	@touch $@

.venv-oldest/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-oldest
	.venv-oldest/bin/python $(PIP_INSTALL) --editable '.[test]' \
	  'numpy==2.1.*' 'scipy==1.14.*' 'optree==0.17.*'
	@touch $@

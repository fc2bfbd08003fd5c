# `make demo` and `make test` each work as the only command in a fresh checkout: they make their own
# environment in .venv and install nothing outside the checkout.

PYTHON ?= python3
# The interpreters of `make test-pythons`; one that the machine does not have is named and left out.
PYTHONS ?= python3.11 python3.12 python3.13
WORKERS ?= auto
SEEDS ?= 20
SAMPLE ?= 0
DEMOS := rosenbrock complex_gradient containers higher_order scipy_minimize curve_fits
# Tests of the sources themselves, or of programs with data of their own: no seed changes them.
SEEDLESS := tests/types tests/core/test_docstrings.py tests/core/test_paths.py \
  $(addprefix tests/test_,$(addsuffix .py,benchmarks docs errors examples layers tables tests words))
EXAMPLES := digits_cnn digits_trainnet burgers_pinn neural_ode char_lstm wgan_gp fourier_operator \
  gan vae siamese two_inputs vowels transformer robust_lstm poisson_pinn transfer_learning \
  text_direction
# Examples read files of these packages, and import nothing of them: what they need is not installed,
# and any Python will do.
FILES := rapidocr-onnxruntime==1.4.4 aeon==1.6.0

VENV ?= .venv
BIN := $(VENV)/bin
ENV := $(VENV)/.installed
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
PIP_FILES := $(PIP_INSTALL) --no-deps --ignore-requires-python

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo examples test lint types pytest test-seeds format fuzz mutate bench bench-against
.PHONY: test-peers docs search test-oldest test-next test-pythons clean

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
pytest test-seeds test-oldest test-next test-peers mutate: export OMP_NUM_THREADS = 1
pytest test-seeds test-oldest test-next test-peers mutate: export OPENBLAS_NUM_THREADS = 1
pytest test-seeds test-oldest test-next test-peers mutate: export MKL_NUM_THREADS = 1

pytest: $(ENV) ## Run the tests only (WORKERS=2 sets their number, ARGS='-k name' is passed on)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-seeds: $(ENV) ## Run the tests with SEEDS=20 other sets of data; the first that fails ends it
	@for seed in $$(seq $(SEEDS)); do \
	  printf 'DLGRADIENT_SEED=%s\n' $$seed; \
	  DLGRADIENT_SEED=$$seed $(BIN)/python -m pytest -q -x -n $(WORKERS) --dist worksteal \
	    $(addprefix --ignore=,$(SEEDLESS)) $(ARGS) \
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

# A warning is an error: a link without a target, a page in no table of contents, a wrong docstring.
# Only what changed is read and run again. But all pages are written: else Sphinx forgets the words of
# the index, and the search does not find them.
docs: .venv-docs/.installed ## Build the documentation into site/
	.venv-docs/bin/sphinx-build --quiet --fail-on-warning --nitpicky --jobs auto --write-all \
	  --doctree-dir docs/_build docs site
	.venv-docs/bin/python tools/check_site.py site

search: docs ## Say what the site's search finds first for users' words; needs node
	node tools/search_site.js site

test-oldest: $(VENV)-oldest/.installed ## Run the tests with the oldest supported dependencies
	$(VENV)-oldest/bin/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-next: $(VENV)-next/.installed ## Run the tests with the next releases of NumPy and SciPy
	$(VENV)-next/bin/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

test-pythons: ## Run the tests on all PYTHONS, with newest, oldest and next dependencies
	@set -e; for python in $(PYTHONS); do \
	  version=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null) \
	    || { printf '\n== %s is not on this machine\n' $$python; continue; }; \
	  for what in pytest test-oldest test-next; do \
	    printf '\n== Python %s, %s\n' $$version $$what; \
	    $(MAKE) --no-print-directory PYTHON=$$python VENV=.venv-$$version $$what; \
	  done; \
	done

clean: ## Remove environments, caches and everything that was built
	rm -rf .venv .venv-* demo_output examples/demo_output site docs/_build docs/gallery dist build
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests examples benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} + \
	  2>/dev/null || true

# A change of pyproject.toml brings every environment up to date at its next use.
$(ENV): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP_INSTALL) --editable '.[test]'
	$(BIN)/python $(PIP_FILES) $(FILES)
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
	.venv-docs/bin/python $(PIP_FILES) $(FILES)
	@touch $@

$(VENV)-oldest/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)-oldest
	$(VENV)-oldest/bin/python $(PIP_INSTALL) --editable '.[test]' \
	  'numpy==2.1.*' 'scipy==1.14.*' 'optree==0.17.*'
	$(VENV)-oldest/bin/python $(PIP_FILES) $(FILES)
	@touch $@

# Only these two: a package that was compiled for one NumPy runs with the next one too.
$(VENV)-next/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)-next
	$(VENV)-next/bin/python $(PIP_INSTALL) --editable '.[test]'
	$(VENV)-next/bin/python $(PIP_INSTALL) --upgrade --pre numpy scipy
	$(VENV)-next/bin/python $(PIP_FILES) $(FILES)
	@touch $@

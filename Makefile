# make setup | demo | test | test-quick | lint | bench | gpu | clean
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-quick lint bench gpu clean

help:
	@echo "make setup       install into $(VENV)"
	@echo "make demo        dub the sample and print the path of the result"
	@echo "make test        run the tests"
	@echo "make test-quick  run the tests that are not slow"
	@echo "make lint        check style, format and types"
	@echo "make bench       measure speed and memory"
	@echo "make gpu         measure and train on an NVIDIA GPU"
	@echo "make clean       remove the demo and the caches of the tools"

setup: $(READY)

# basicsr names torch as a build requirement: built in isolation it would download a second torch, so the
# build happens inside the environment, which needs setuptools and wheel first.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt setuptools wheel
	$(BIN)/python -m pip install --quiet --no-build-isolation -c constraints.txt -e ".[dev,train]"
	touch $@

demo: $(READY)
	@$(BIN)/lipdub run tests/sample/talker.mp4 tests/sample/speech.wav -o demo/dubbed.mp4
	@$(BIN)/lipdub inspect demo/dubbed.mp4 --contact-sheet demo/sheet.png --quiet
	@echo "The dubbed video is demo/dubbed.mp4, a contact sheet of it demo/sheet.png."

# One process more than cores, each with one thread: small networks gain nothing from more, and tests wait for files
# and for programs that they start. These need not be compiled again each time. Memory that a test freed is kept for the
# next one (glibc).
WORKERS := $(shell expr 1 + $$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN))
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= MALLOC_MMAP_THRESHOLD_=1073741824 \
	MALLOC_TRIM_THRESHOLD_=4294967296 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

test: $(READY)
	$(PYTEST)

test-quick: $(READY)
	$(PYTEST) -m "not slow"

lint: $(READY)
	$(BIN)/ruff check lipdub tests
	$(BIN)/ruff format --check lipdub tests
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m tests.bench

# A machine with a GPU may have no network: what `make setup` made there is used, else the packages of its python3.
GPU_PYTHON = $(or $(wildcard $(BIN)/python),python3)
PACK := build/talkers.zip

gpu:
	$(GPU_PYTHON) -m tests.gpu $(if $(wildcard $(PACK)),--pack $(PACK))

clean:
	rm -rf demo .pytest_cache .ruff_cache .mypy_cache .hypothesis build dist

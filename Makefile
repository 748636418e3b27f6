# Two commands: `make demo` and `make test` set up everything they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: demo test lint benchmark clean

# glibc would give memory back to the system after every training step, which costs time.
demo benchmark: export MALLOC_TRIM_THRESHOLD_ = 1000000000
demo benchmark: export MALLOC_MMAP_THRESHOLD_ = 33554432
demo: $(INSTALLED)
	$(BIN)/python -m monai_kd demo --output-dir demo

# Several processes of one thread are faster than one of several: most tests are small.
test: export OMP_NUM_THREADS = 1
test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

benchmark: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[benchmark]'
	$(BIN)/python tests/benchmarks/distillation_step.py
	$(BIN)/python tests/benchmarks/cached_teacher.py
	$(BIN)/python tests/benchmarks/views.py
	$(BIN)/python tests/benchmarks/methods.py

# The package is installed in place with the versions that were tested.
$(INSTALLED): setup.py pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) demo runs build dist *.egg-info

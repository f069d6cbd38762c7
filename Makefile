# Every target makes .venv and installs what it needs first; a second call does nothing twice.
#   make demo    "a red mushroom" becomes a mesh            make test   the test suite
#   make app     the studio, in the browser                 make lint   style, types, import contracts
#   make bench   quality and speed, measured (long)       make docs   the documentation, in build/site
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PROMPT ?= a red mushroom

.DEFAULT_GOAL := help
.PHONY: help demo app test lint docs bench clean

help:
	@sed -n 's/^#  *//p' Makefile | head -n 4

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' || \
	  { echo "scorekit needs Python 3.11 or 3.12; name one with  make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Missing Debian package: python3-venv"; exit 1; }
	@test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip uv
	$(BIN)/uv pip install --python $(BIN)/python --constraint constraints.txt --editable '.[all,dev]'
	@$(BIN)/python -c 'import ctypes.util as u; \
	  need = {"GL": "libgl1", "EGL": "libegl1", "EGL_mesa": "libegl-mesa0", "glib-2.0": "libglib2.0-0"}; \
	  lack = [package for library, package in need.items() if not u.find_library(library)]; \
	  lack and print("Missing Debian packages (OpenCV and simulators want them): " + " ".join(lack))'
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/scorekit run text-to-3d --prompt "$(PROMPT)"

app: $(STAMP)
	$(BIN)/scorekit app

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(STAMP)
	$(BIN)/python -m scorekit.zoo.evaluate --out runs/eval-pico --count 2 --steps 15 --guidance 4
	$(BIN)/python tests/benchmarks/text_to_3d.py --out runs/bench-model
	$(BIN)/python tests/benchmarks/text_to_3d.py --out runs/bench-exact --score exact
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/sampling.py --sizes identity policy tiny pico --report runs/bench-sampling.json
	$(BIN)/python tests/benchmarks/rasteriser.py
	$(BIN)/python tests/benchmarks/text_to_svg.py --out runs/bench-svg
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/policy.py --report runs/bench-policy.json
	$(BIN)/python tests/benchmarks/policy_quality.py --out runs/policy-quality --train --sections pusht
	$(BIN)/python tests/benchmarks/classifier.py --out runs/bench-classifier
	$(BIN)/python tests/benchmarks/correspondence.py
	$(BIN)/python tests/benchmarks/segmentation.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/probing.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/composition.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/video_adapter.py --out runs/bench-video
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/audio.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/audio_quality.py --out runs/bench-audio
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/audio_editing.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/plugins.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/studio_load.py --minutes 5
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/studio_browser.py

clean:
	rm -rf $(VENV) build *.egg-info

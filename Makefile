# Needs Python 3.11 with venv, a C++17 compiler and make; everything else is installed into .venv and .nox.
PYTHON ?= python3
NOX := .venv/bin/nox

.PHONY: help demo test lint clean

help:
	@echo "make demo   train the stock mmdet3d FCOS3D, patched by its config (first run: builds mmcv, 15 to 30 minutes)"
	@echo "make test   all checks and tests, on both OpenMMLab lines"
	@echo "make lint   style and types only"
	@echo "make clean  remove the environments and what the demo wrote (the wheels of mmcv are kept in ~/.cache)"

demo: .venv/ready
	$(NOX) -s demo

test: .venv/ready
	@rm -f .nox/timings.txt
	$(NOX)

lint: .venv/ready
	$(NOX) -s lint

# The file is written last: an interrupted installation is repeated.
.venv/ready: requirements/nox.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install -q --disable-pip-version-check -r requirements/nox.txt
	touch $@

clean:
	rm -rf .venv .nox build data/nuscenes_demo work_dirs/demo

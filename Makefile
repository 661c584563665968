# `make app` and `make test` do all of their own set-up: see tools/setup.py. GNU make 3.81 or newer.

# Any Python 3 can start the set-up, which then looks for one that is new enough. PYTHON=... names one.
START := $(shell for p in $(PYTHON) python3 python python3.12 python3.13 python3.14 python3.11; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 7))' >/dev/null 2>&1; then echo $$p; break; fi; done)
SETUP := $(or $(START),echo "No Python found: install Python 3.12 (Debian and Ubuntu: apt-get install python3 python3-venv) and try again."; exit 1; :) tools/setup.py
VENV := .venv/bin
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help app test lint docs screenshots clean

help:  ## what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

app:  ## start the app and print its address (PORT=8000 picks the port)
	@$(SETUP) app
	@$(if $(PORT),GRADIO_SERVER_PORT=$(PORT)) $(VENV)/python app.py

test:  ## run the whole suite (ARGS="-k dcgan" picks)
	@$(SETUP) test
	@$(VENV)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

lint:  ## ruff: style, imports, likely mistakes, format
	@$(SETUP) test
	@$(VENV)/python -m ruff check .
	@$(VENV)/python -m ruff format --check .

docs:  ## write docs/zoo.md and docs/families.md again
	@$(SETUP) test
	@$(VENV)/python tools/write_docs.py

screenshots:  ## take the README's pictures and film of the app again
	@$(SETUP) test
	@GANHUB_SCREENSHOTS=docs/images $(VENV)/python -m pytest tests/test_app_browser.py tests/test_app_tour.py
	@$(VENV)/python tools/shrink_pictures.py --max-bytes 330000 docs/images/*.png

clean:  ## remove the environment and what the tools left behind
	rm -rf .venv .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

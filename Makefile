# SPDX-License-Identifier: BSD-2-Clause
# For make of FreeBSD and for GNU make: no .include, no conditionals, nothing of one of them alone.

PREFIX ?= /usr/local
DESTDIR ?=
PYTHON ?= python3

what:
	@echo 'make install      install chyves, its manual page, rc.d script and completions'
	@echo '                  PREFIX=${PREFIX} DESTDIR=${DESTDIR} PYTHON=${PYTHON}'
	@echo 'make deinstall    remove what install has installed; pools and guests stay'
	@echo 'make installrc    start guests when the host boots (chyves_enable=YES in rc.conf)'
	@echo 'make rcremove     do so no longer'
	@echo 'make demo         set up a simulated FreeBSD host and watch chyves work on it'
	@echo 'make test         set up what the tests need here (.venv), check the code, run all tests'
	@echo 'make lab          build a virtual machine with a real OpenZFS (Debian 12), and test on it'
	@echo 'make lint         check the code, the manual page and the scripts'
	@echo 'make bench        measure times and programs started'
	@echo 'make docs         write the generated parts of the manual page and the completions again'
	@echo 'make clean        remove what make has made here'

# Needs no network where PYTHON has hatchling; the dependencies are the packages' business.
install:
	set -- --no-deps --no-warn-script-location --prefix '${PREFIX}'; \
	test -z '${DESTDIR}' || set -- "$$@" --ignore-installed --root '${DESTDIR}'; \
	! ${PYTHON} -c 'import hatchling' 2>/dev/null || set -- "$$@" --no-build-isolation; \
	${PYTHON} -m pip install "$$@" .
	mkdir -p '${DESTDIR}${PREFIX}/sbin'
	ln -sf ../bin/chyves '${DESTDIR}${PREFIX}/sbin/chyves'

deinstall:
	for record in '${DESTDIR}${PREFIX}'/lib/python3*/*-packages/chyves-[0-9]*.dist-info/RECORD; do \
		test -f "$$record" || continue; \
		(cd "$${record%/*}/.." && cut -d , -f 1 chyves-[0-9]*.dist-info/RECORD | xargs rm -f && \
			rm -rf chyves chyves-[0-9]*.dist-info); \
	done
	rm -f '${DESTDIR}${PREFIX}/sbin/chyves'

installrc:
	sysrc chyves_enable=YES

rcremove:
	sysrc -x chyves_enable

docs:
	@tests/prepare demo
	.venv/bin/python -m tests.documents

demo:
	@tests/prepare demo
	@.venv/bin/python -m tests.demo

test: lint
	.venv/bin/pytest -n 4 --dist worksteal

lint:
	@tests/prepare test
	@tests/prepare run .venv/bin/ruff check .
	@tests/prepare run .venv/bin/ruff format --check .
	@tests/prepare run .venv/bin/mypy
	@tests/prepare run .venv/bin/lint-imports
	@tests/prepare run mandoc -T lint -W warning man/chyves.8
	@tests/prepare run shellcheck -s sh -e SC1091,SC2034,SC3043 rc.d/chyves
	@tests/prepare run shellcheck tests/prepare .ci/run tests/lab/init.sh tests/lab/start.sh

lab:
	@tests/prepare lab
	.venv/bin/python -m tests.lab test

bench:
	@tests/prepare test
	.venv/bin/python -m tests.bench

clean:
	rm -rf .venv .cache build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache \
		.import_linter_cache
	find chyves tests -name __pycache__ -type d -prune -exec rm -rf '{}' +

.PHONY: what install deinstall installrc rcremove docs demo test lab lint bench clean

# SPDX-License-Identifier: GPL-2.0
# Every target is one script of harness/; make help lists them.

.DEFAULT_GOAL := help
.PHONY: help install tree export series demo test check cocci kunit test-arch soak mutate bench clean

help:	## show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1|/p' Makefile | \
	 awk -F '|' '{ printf "  make %-9s %s\n", $$1, $$2 }'

install:	## install the Debian packages that are missing
	@harness/install

tree: install	## make build/linux: the kernel and a commit for each patch
	@harness/tree

export:	## write the commits of build/linux back to patches and files
	@harness/export

series:	## write build/series/*.patch to post (SOB="Name <mail>")
	@harness/series

demo: tree	## run perf, fio, trace-cmd on the patched kernel and on the pristine one
	@harness/demo

test:	## run the tests that CI runs
	@harness/test

check: tree	## check every patch on its own: style, build, warnings
	@harness/check

cocci: tree	## run usermap.cocci on all of the kernel, build and run the result
	@harness/install arch
	@harness/cocci-corpus
	@harness/cocci-tree
	@harness/cocci-build
	@harness/cocci-run

kunit: tree	## run the KUnit tests on UML
	@harness/uml

test-arch: tree	## run the KUnit tests on all architectures
	@harness/arch-tests

soak: tree	## run upstream's tests and stressors (MINUTES=30)
	@harness/soak $(MINUTES)

mutate: tree	## break the rules, one after the other; a test must notice
	@harness/install arch
	@harness/mutate
	@harness/cocci-mutate

bench: tree	## count the instructions of mmap() and munmap(), before and after
	@harness/install bench arm64
	@harness/bench
	@ARCH=arm64 harness/bench

clean:	## remove what was built, but not build/linux
	rm -rf $(addprefix build/,obj out results logs series pristine check bench \
		cocci core mutant soak)

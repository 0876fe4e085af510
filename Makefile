# SPDX-License-Identifier: MIT
#
# A few verbs over Meson. On Debian 12+ or Ubuntu 22.04+ as root, each installs what it lacks (tools/deps).

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
# demo: a Windows driver file to run instead of the driver that is built in
DRIVER  ?=

.PHONY: all pictures demo check check-full check-wine bench lint windows deb install uninstall clean help deps

all:
	@tools/build $(BUILD)

demo:
	@tools/deps build demo
	@tools/build $(BUILD)
ifneq ($(DRIVER),)
ifeq ($(abspath $(DRIVER)),$(abspath $(BUILD)/windows/gatehouse.sys))
	@tools/deps build windows
	@tools/build-windows $(BUILD)/windows
endif
endif
	@tools/demo $(BUILD) $(if $(DRIVER),--driver '$(DRIVER)')

check:
	@tools/deps build test lint windows
	@tools/deps wine || echo 'Going on without Wine: what needs it is skipped.'
	@tools/build-windows $(BUILD)/windows || true # what does not build there, the tests of suite windows report
	@tools/check

check-full:
	@tools/deps build test full lint windows
	@tools/deps wine || echo 'Going on without Wine: what needs it is skipped.'
	@tools/check --full

check-wine:
	@tools/deps build test windows
	@tools/deps wine || echo 'Going on without Wine: what needs it is skipped.'
	@tools/check --only plain --only wine

pictures:
	@tools/deps build test
	@tools/build $(BUILD)
	@tools/record-ask $(BUILD)

bench:
	@tools/deps build bench
	@tools/build $(BUILD)
	@bench/run $(BUILD)

lint:
	@tools/deps build test lint
	@tools/build $(BUILD)
	@tools/lint $(BUILD)

windows:
	@tools/deps build windows
	@tools/build-windows $(BUILD)/windows

deb:
	@tools/deps build deb
	@tools/deb $(BUILD)/deb

install:
	@tools/build $(BUILD)
	@tools/build --install $(BUILD) "$(PREFIX)" "$(DESTDIR)"

uninstall:
	@tools/build --uninstall $(BUILD) "$(PREFIX)" "$(DESTDIR)"

clean:
	rm -rf $(BUILD) build-asan build-tsan build-fuzz

help:
	@echo 'make             build $(BUILD)/gatehoused, $(BUILD)/gatehouse and $(BUILD)/wfplab'
	@echo 'make demo        real programs connect in namespaces of their own: held, permitted, blocked (root)'
	@echo '                 DRIVER=$(BUILD)/windows/gatehouse.sys: the same with the Windows driver file'
	@echo 'make check       lint, all tests, the library tests again under sanitizers (root)'
	@echo 'make check-full  the same with the long tests'
	@echo 'make check-wine  the Windows driver and program together under Wine'
	@echo 'make pictures    plays a session of gatehouse ask in namespaces of its own, records it for docs/pictures (root)'
	@echo 'make bench       measures, beside a bare NFQUEUE loop and OpenSnitch where it is installed (root)'
	@echo 'make lint        format, static analysis, locks and IRQL, include direction, sizes, headers'
	@echo 'make windows     cross build: $(BUILD)/windows/ gets gatehouse.sys, gatehouse.exe, the INF and a zip of them'
	@echo 'make deb         Debian packages gatehouse and gatehouse-lab, into $(BUILD)/deb'
	@echo 'make install     to $$(DESTDIR)$$(PREFIX), by default /usr/local'
	@echo 'make uninstall   takes exactly that away again; rules, settings and the history stay'
	@echo 'make clean       removes the build folders'

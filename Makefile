# SPDX-License-Identifier: GPL-2.0-or-later
#
# Everything is made here: module, agent, demo, tests. `make help` lists the targets.

# All that is ever installed on this machine. Compilers, headers, kernels, QEMU and peers are
# unpacked into a cache: $IPSECVTI_CACHE, or ~/.cache/ipsecvti.
PACKAGES := make mmdebstrap uidmap squashfs-tools busybox-static cpio xz-utils shellcheck

VERSION	 := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
KERNELS	 := 6.1 6.12 7.2
RELEASES := 12 13

K	?=
R	?=
T	?=
PEER	?= ipsecvti
BREAK	?=
SUDO	?=
DESTDIR	?=
prefix	?= /usr
O	?= $(CURDIR)/build/host

ARCH	:= $(shell dpkg --print-architecture 2>/dev/null || uname -m)
ifneq ($(ARCH),amd64)
$(error The tests and the demo are for Debian on amd64; this machine is $(ARCH))
endif

.DEFAULT_GOAL := all
.NOTPARALLEL:
export PEER BREAK SUDO

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## */\1\t/p' Makefile | expand -t 14

all: module agent ## module and agent, for all kernels and releases

demo: packages ## a tunnel between two gateways, in a VM; PEER=strongswan, BREAK=psk
	@selftests/demo/demo

shell: packages ## you, on the demo's gateways
	@selftests/demo/demo shell

check: packages ## all tests; T=PATTERN of parts, K=KERNEL
	@selftests/check '$(or $(T),*)' '$(K)'

check-long: packages ## all tests, at full length
	@IPSECVTI_LONG=1 selftests/check '$(or $(T),*)' '$(K)'

bench: packages ## speed beside xfrm interfaces, WireGuard and ipip; 45 minutes
	@selftests/bench/bench

bench-quick: packages ## the same in small, 3 minutes
	@selftests/bench/bench quick

module: packages ## build/K/ipsecvti.ko for Debian's kernels; K=6.1, 6.12 or 7.2
	@for k in $(or $(K),$(KERNELS)); do selftests/vm/module $$k || exit; done

agent: packages ## build/R/ipsecvtid and its kin for Debian's releases; R=12 or 13
	@for r in $(or $(R),$(RELEASES)); do selftests/vm/agent $$r || exit; done

lint: packages ## sparse, checkpatch, shellcheck
	@selftests/vm/root 13 && selftests/host/lint

uapi: ## writes what follows from uapi/ipsecvti.yaml again
	@$(MAKE) --no-print-directory -C uapi

# On a gateway. Needs its kernel's headers, dkms, gcc and the libraries' -dev packages.
install: ## module by DKMS, agent, unit file, manual pages; DESTDIR=
	$(MAKE) --no-print-directory -C agent install O=$(O) DESTDIR=$(DESTDIR) prefix=$(prefix)
	install -d -m 750 $(DESTDIR)/etc/ipsecvti
	for f in $(wildcard agent/*.service); do \
		install -D -m 644 -t $(DESTDIR)$(prefix)/lib/systemd/system $$f || exit; done
	for f in $(wildcard doc/*.[58]); do \
		install -D -m 644 -t $(DESTDIR)$(prefix)/share/man/man$${f##*.} $$f || exit; done
	rm -rf $(DESTDIR)/usr/src/ipsecvti-$(VERSION)
	install -d $(DESTDIR)/usr/src/ipsecvti-$(VERSION)
	cp -r dkms.conf kmod uapi $(DESTDIR)/usr/src/ipsecvti-$(VERSION)
ifeq ($(DESTDIR),)
	-dkms remove ipsecvti/$(VERSION) --all > /dev/null 2>&1
	dkms install ipsecvti/$(VERSION)
	-[ ! -d /run/systemd/system ] || systemctl daemon-reload
endif

uninstall: ## takes it away again; the configuration stays
ifeq ($(DESTDIR),)
	-dkms remove ipsecvti/$(VERSION) --all
endif
	rm -rf $(DESTDIR)/usr/src/ipsecvti-$(VERSION) $(DESTDIR)$(prefix)/libexec/ipsecvti
	rm -f $(DESTDIR)$(prefix)/sbin/ipsecvtid $(DESTDIR)$(prefix)/sbin/ipsecvti
	rm -f $(DESTDIR)$(prefix)/share/bash-completion/completions/ipsecvti
	rm -f $(addprefix $(DESTDIR)$(prefix)/lib/systemd/system/,$(notdir $(wildcard agent/*.service)))
	for f in $(wildcard doc/*.[58]); do \
		rm -f $(DESTDIR)$(prefix)/share/man/man$${f##*.}/$${f##*/}; done

packages:
	@selftests/vm/needs $(PACKAGES)

clean: ## removes build/
	rm -rf build

clean-cache: ## removes the cache: roots, kernels, sources
	@selftests/vm/clean-cache

.PHONY: help all demo shell check check-long bench bench-quick module agent lint uapi install uninstall packages clean clean-cache

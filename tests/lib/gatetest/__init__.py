# SPDX-License-Identifier: MIT
"""What the system tests share: namespaces, servers, the two programs, the protocol, and TAP.

Standard library only. Everything a case makes carries the case's prefix (names.py), so that it can
be removed and looked for again by whoever is still alive.
"""

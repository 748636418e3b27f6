# SPDX-License-Identifier: Apache-2.0
"""Python processes that the tests start are forked from a server."""

from tests import fork_server

fork_server.install()

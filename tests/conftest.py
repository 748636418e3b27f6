# SPDX-License-Identifier: Apache-2.0
"""Processes that the tests start are forked from a server; Python's garbage collector passes over what is imported."""

import gc

import pytest

from tests import fork_server, remembered

fork_server.install()
remembered.remember_components()
remembered.remember_operators()
remembered.remember_phantoms()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """A collection would go through millions of objects of the libraries and the tests, which stay to the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # what the tests leave behind is little beside the memory there is

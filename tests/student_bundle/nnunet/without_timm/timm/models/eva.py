# SPDX-License-Identifier: Apache-2.0
"""Names alone: no network of the tests is made of them."""


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})

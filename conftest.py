# SPDX-License-Identifier: Apache-2.0
"""Doctests of what needs MONAI Label run where it is installed."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("monailabel") else ["monai_kd/label/*"]

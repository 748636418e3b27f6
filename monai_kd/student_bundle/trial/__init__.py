# SPDX-License-Identifier: Apache-2.0
"""Run one step of each part of a new bundle before it is written."""

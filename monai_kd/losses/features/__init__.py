# SPDX-License-Identifier: Apache-2.0
"""Losses that compare hidden features."""

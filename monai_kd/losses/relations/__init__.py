# SPDX-License-Identifier: Apache-2.0
"""Losses that compare how places, samples or classes relate to each other."""

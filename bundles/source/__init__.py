# SPDX-License-Identifier: Apache-2.0
"""
The source of the configs, in which each shared part is written once. ``make configs`` writes the JSON files.

``shared`` has the parts of both bundles; ``segmentation`` and ``classification`` have the differences. Each config is a
dictionary with the keys in the order of its file, and ``**part`` inserts a part at its place.
"""

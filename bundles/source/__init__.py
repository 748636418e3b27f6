# SPDX-License-Identifier: Apache-2.0
"""
The source of the configs: what several of them share is said once. ``make configs`` writes the JSON files.

``shared`` holds the parts of both bundles, ``segmentation`` and ``classification`` the differences. Each config is a
dictionary whose keys are in the order of its file, and ``**part`` puts a part in its place.
"""

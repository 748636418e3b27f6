# SPDX-License-Identifier: Apache-2.0
"""
What the configs of both bundles share, said once. ``python -m bundles.source`` (``make configs``) writes the configs.

``shared`` holds what both bundles say; ``segmentation`` and ``classification`` what one says alone. A config is a
dictionary in the order of its file, made of parts by ``**part``: nothing else is to be known.
"""

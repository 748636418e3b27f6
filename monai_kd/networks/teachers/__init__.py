# SPDX-License-Identifier: Apache-2.0
"""Networks that answer as one teacher: several, an image and its mirror image, one that is told a box."""

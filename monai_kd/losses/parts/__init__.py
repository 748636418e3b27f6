# SPDX-License-Identifier: Apache-2.0
"""What several losses share: checks, class masks, unit vectors, precision."""

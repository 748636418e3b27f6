# SPDX-License-Identifier: Apache-2.0
"""What the configs of both bundles say."""

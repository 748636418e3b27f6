# SPDX-License-Identifier: Apache-2.0
"""The parts that the configs of both bundles share."""

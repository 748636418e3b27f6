# SPDX-License-Identifier: Apache-2.0
"""Checks of clients' requests before any work begins."""

# SPDX-License-Identifier: Apache-2.0
"""Handlers that write the results of inference."""

# SPDX-License-Identifier: Apache-2.0
"""From a plan and a data set to finished runs."""

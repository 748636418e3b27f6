# SPDX-License-Identifier: Apache-2.0
"""From finished runs to tables, figures and pages."""

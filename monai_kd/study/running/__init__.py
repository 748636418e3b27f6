# SPDX-License-Identifier: Apache-2.0
"""Plans, their runs, and the processes that carry them out."""

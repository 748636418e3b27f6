# SPDX-License-Identifier: Apache-2.0
"""What the configs of both bundles share, said once; `make configs` writes the configs."""

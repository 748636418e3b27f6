# SPDX-License-Identifier: Apache-2.0
"""The server's endpoints: MONAI Label's protocol, with a thread and temporary files for each request."""

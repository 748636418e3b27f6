# SPDX-License-Identifier: Apache-2.0
"""The app of MONAI Label: the student at the annotator's desk, distilled anew from the annotator's work."""

from monai_kd.label.server_end import end_with_server

end_with_server()  # before anything large is imported: the server may end meanwhile

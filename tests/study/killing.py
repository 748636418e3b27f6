# SPDX-License-Identifier: Apache-2.0
"""A handler that kills the study which started its run, in the middle of an epoch."""

from __future__ import annotations

import os
import signal
import time

from ignite.engine import Engine, Events


class KillStudy:
    """Acts only if an environment variable asks for it, so the same config can later run to its end."""

    def attach(self, engine: Engine) -> None:
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        state = engine.state
        if state.epoch == int(os.environ.get("KILL_IN_EPOCH", 0)) and state.iteration % state.epoch_length:
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(60)  # the run must end because its study has died
            os._exit(3)

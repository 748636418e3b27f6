# SPDX-License-Identifier: Apache-2.0
"""
The MONAI Label app: it serves a bundle's student, and distils it with the annotator's labels.

MONAI Label looks in an app's ``main.py`` for a subclass of ``MONAILabelApp``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from fastapi import HTTPException
from monailabel.config import settings
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import Datastore, DefaultLabelTag
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask
from monailabel.tasks.activelearning.first import First
from monailabel.utils.async_tasks.utils import tasks

from monai_kd.data.image_files.load_ultrasound import loading_of
from monai_kd.label.bundle import AppBundle
from monai_kd.label.infer import BundleInfer
from monai_kd.label.requests.client_errors import client_errors, errors_of_task
from monai_kd.label.requests.names import unknown_image
from monai_kd.label.requests.request_files import file_of_request
from monai_kd.label.requests.task_options import batch_options, prediction_tag, scoring_options, training_options
from monai_kd.label.server_end import end_with_server, is_child
from monai_kd.label.studies.datastore import StudyDatastore
from monai_kd.label.studies.disagreement import Disagreement, MostDisagreement
from monai_kd.label.studies.kept_dice import Dice
from monai_kd.label.studies.sessions import CheckedSessions
from monai_kd.label.studies.strategies import Unseen
from monai_kd.label.train import DistilTask

__all__ = ["DistillationApp"]

# The options of an inference that a client may set; the server passes on everything that a client sends.
ASKED = ("device", "probability", "largest_component", "result_extension")


class DistillationApp(MONAILabelApp):
    """
    The models ``student`` and ``teacher``, the training of ``student``, three strategies and two scores.

    The strategies are ``disagreement``, ``random`` and ``first``; the scores are ``disagreement`` and ``dice``.
    Requests are answered with 403 for an upload of weights, and with 404 for an unknown model, strategy, score or
    image.

    Args:
        app_dir: the folder that ``python -m monai_kd label install`` wrote.
        studies: folder of images and labels.
        conf: from the server's command line.

    Raises:
        ValueError: When ``studies`` is an address and no folder.
    """

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        if studies.startswith(("http://", "https://")):
            raise ValueError(f"This app works on a folder of images, not on {studies}. Give --studies a folder.")
        if is_child():  # a training or scoring ends with the server, and has a lower priority
            end_with_server()
            os.nice(10)
        self.bundle = AppBundle(Path(app_dir) / "bundle")
        metadata = self.bundle.metadata
        super().__init__(
            app_dir=app_dir,
            studies=studies,
            conf=conf,
            name=f"{metadata['name']} (monai_kd)",
            description=metadata["description"],
            version=metadata["version"],
        )

    def init_datastore(self) -> Datastore:
        """The study's folder, with checks of all names and files."""
        return StudyDatastore(
            self.studies,
            loading=loading_of(self.bundle.parser("inference").get_parsed_content("preprocessing")),
            extensions=settings.MONAI_LABEL_DATASTORE_FILE_EXT,
            auto_reload=settings.MONAI_LABEL_DATASTORE_AUTO_RELOAD,
            read_only=settings.MONAI_LABEL_DATASTORE_READ_ONLY,
        )

    def init_infers(self) -> dict[str, InferTask]:
        """The student, and the teacher as a second opinion."""
        return {
            "student": BundleInfer(self.bundle, ["inference"], "The distilled student"),
            "teacher": BundleInfer(self.bundle, ["inference", "teacher"], "Its teacher: larger and slower"),
        }

    def init_trainers(self) -> dict[str, TrainTask]:
        """The training of the student."""
        return {"student": DistilTask(self.bundle, Path(self.studies), Path(self.app_dir) / "runs")}

    def init_strategies(self) -> dict[str, Strategy]:
        """Strategies that choose the next image."""
        return {"disagreement": MostDisagreement(), "random": Unseen(), "first": First()}

    def init_scoring_methods(self) -> dict[str, ScoringMethod]:
        """Disagreement of the networks, and Dice of saved predictions."""
        return {"disagreement": Disagreement(self._infers["student"], self._infers["teacher"]), "dice": Dice()}

    def _load_sessions(self, load: bool = False) -> CheckedSessions | None:
        return CheckedSessions(settings.MONAI_LABEL_SESSION_PATH, settings.MONAI_LABEL_SESSION_EXPIRY) if load else None

    def bundle_path(self, model: str | None) -> str:
        """The app's bundle for a known model; the server adds it to the PYTHONPATH of its processes."""
        if model is not None:
            self._named("model", model, {**self._trainers, **self._infers})
        return str(self.bundle.root)

    def model_file(self, model: str, validate: bool = True) -> Any:
        """The weights to download; only a training replaces them."""
        if not validate:
            raise HTTPException(403, "Weights are not uploaded. Train, or copy them into the app's bundle/models.")
        return super().model_file(model, validate)

    def infer(self, request: dict[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """
        Segment an image of the study, of a session, or of the request.

        Args:
            request: ``model``, ``image``, and options of :class:`BundleInfer`.
            datastore: in place of the app's own.
        """
        datastore = datastore or self.datastore()
        task = self._named("model", request.get("model"), self._infers)
        image, key = self._image(request.get("image"), datastore)
        asked = {name: request[name] for name in ASKED if name in request}
        with client_errors(**{image: f"image '{key}'" if key else "the uploaded image"}):
            file, params = task({**asked, "image": image, "description": task.description})
        if file and key and request.get("save_label"):
            tag = prediction_tag(request)
            label = datastore.save_label(key, file, tag, {"model": request["model"], "params": params})
            return {"label": label, "tag": tag, "file": file, "params": params}
        return {"label": file, "tag": DefaultLabelTag.ORIGINAL, "file": file, "params": params}

    infer_wsi = infer  # whole slides are not supported

    def batch_infer(self, request: dict[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Segment many images, and save the masks as labels with the tag ``original`` by default."""
        several = torch.cuda.device_count() > 1 and request.get("multi_gpu", True)
        return self._batch_infer({**request, "multi_gpu": several}, datastore or self.datastore(), self._infer_or_say)

    def _infer_or_say(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Segment one image of a batch, and report its error so that the others go on."""
        try:
            return self.infer(request, datastore)
        except HTTPException as error:
            return {"label": None, "params": {"error": error.detail}}

    def training_request(self, model: str, asked: dict[str, Any]) -> dict[str, Any]:
        """A training's request, checked before a process starts."""
        task = self._named("model", model, self._trainers)
        with client_errors():
            task.require_teacher()
            return {"model": model, **training_options(asked, self.bundle)}

    def scoring_request(self, method: str, asked: dict[str, Any]) -> dict[str, Any]:
        """A scoring's request, checked before a process starts."""
        self._named("method", method, self._scoring_methods)
        with client_errors():
            return {"method": method, **scoring_options(asked)}

    def batch_request(self, model: str, images: str, asked: dict[str, Any]) -> dict[str, Any]:
        """A request to segment ``all``, ``labeled`` or ``unlabeled`` images, checked before a process starts."""
        self._named("model", model, self._infers)
        with client_errors():
            return {"model": model, "images": images, **batch_options({"images": images, **asked})}

    def train(self, request: dict[str, Any]) -> dict[str, Any]:
        """Distil the student; see :class:`DistilTask`."""
        self._named("model", request.get("model"), self._trainers)
        with errors_of_task():
            return super().train(request)

    def scoring(self, request: dict[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Score; see :class:`Disagreement` and :class:`Dice`."""
        self._named("method", request.get("method"), self._scoring_methods)
        with errors_of_task():
            return super().scoring(request, datastore)

    def next_sample(self, request: dict[str, Any]) -> dict[str, Any]:
        """The image to label next."""
        self._named("strategy", request.get("strategy") or "random", self._strategies)
        with client_errors():
            return super().next_sample(request)

    def async_scoring(self, method: str | None, params: Any = None) -> Any:
        """Start a scoring process; without a method only for missing scores, and only if no process runs."""
        if method is None:
            busy = any(task["status"] in ("SUBMITTED", "RUNNING") for task in tasks("scoring"))
            if busy or not self._server_mode:
                return {}
            methods = [name for name, task in self._scoring_methods.items() if task.missing(self.datastore())]
            return {name: super(DistillationApp, self).async_scoring(name, params) for name in methods}
        return super().async_scoring(method, params)

    @staticmethod
    def _named(kind: str, name: Any, known: dict[str, Any]) -> Any:
        if not isinstance(name, str) or name not in known:
            raise HTTPException(404, f"No {kind} {repr(name)[:80]} here. Choose from {', '.join(known)}.")
        return known[name]

    def _image(self, image: Any, datastore: Datastore) -> tuple[str, str]:
        """The file to segment, and its id if it belongs to the study."""
        known = datastore.list_images()
        if image in known:
            return datastore.get_image_uri(image), str(image)
        path = file_of_request(image)
        if path is not None:
            return str(path), ""
        raise HTTPException(404, f"{unknown_image(image, known)} GET /datastore/?output=all lists them; or upload one.")

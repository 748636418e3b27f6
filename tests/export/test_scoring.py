# SPDX-License-Identifier: Apache-2.0
import numpy as np

from monai_kd.benchmark.candidates import Candidate
from monai_kd.benchmark.scoring import mean_dice
from monai_kd.data.image_files.reading import read_mask
from monai_kd.export import DataSet
from monai_kd.export.sample_images import raw_pixels


def test_every_class_but_the_background_is_scored_as_lesion(exported, images):
    labels = {}
    for record in DataSet(images).parts()["test"]:
        pixels = raw_pixels(exported.bundle, record)
        labels[pixels.tobytes()] = read_mask(record["label"]).numpy()[0].T.astype(np.uint8)

    def classes(image):
        """Of three classes, each half of the lesion has its own."""
        mask = labels[image.tobytes()].copy()
        mask[::2] *= 2
        return {"mask": mask[None]}

    def channels(image):
        mask = classes(image)["mask"]
        return {"mask": np.stack([mask == number for number in range(3)], axis=1)}

    rows = [
        Candidate(name, lambda shape, run=run: run, (), 0, 0.0, name)
        for name, run in (("classes", classes), ("channels", channels))
    ]
    scores = mean_dice(exported, rows, DataSet(images), lambda text, total: None)
    assert scores == {"classes": 1.0, "channels": 1.0}

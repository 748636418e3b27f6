# SPDX-License-Identifier: Apache-2.0
"""
A training of nnU-Net v2 on a CPU in half a minute: plans, preprocessing, folds, masks of the test images.

Run as a program, with ``nnUNet_raw``, ``nnUNet_preprocessed``, ``nnUNet_results`` and ``nnUNet_extTrainer`` set:
``python real_training.py 7 2d OUT 0 1``, with the folds last.
"""

import multiprocessing
import os
import sys
from pathlib import Path

PROCESSES = "nnUNet_n_proc_DA"
TRAINER = """
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class nnUNetTrainerSeconds(nnUNetTrainer):
    def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cuda")):
        super().__init__(plans, configuration, fold, dataset_json, device)
        torch.set_num_threads(1)
        torch.manual_seed(fold)
        self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = 2, 12, 1
        self.logger.plot_progress_png = lambda folder: None  # a third of the time

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.network.parameters(), 3e-3)
        return optimizer, torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0)

    def perform_actual_validation(self, save_probabilities=False):
        pass
"""


def main(dataset, configuration, out, folds):
    import torch
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprints,
        plan_experiments,
        preprocess,
    )
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.run.run_training import run_training
    from nnunetv2.utilities.file_path_utilities import get_output_folder

    torch.set_num_threads(1)
    # nnU-Net's processes are forked, for a new one imports everything again.
    usual = multiprocessing.get_context
    multiprocessing.get_context = lambda method=None: usual("fork")
    extract_fingerprints([dataset], num_processes=1, check_dataset_integrity=False)
    plan_experiments([dataset])
    smaller(configuration)
    preprocess([dataset], configurations=[configuration], num_processes=[1])
    os.environ[PROCESSES] = "0"  # no processes for augmentation; the planner takes it as its number of threads
    for fold in folds:
        run_training(str(dataset), configuration, fold, "nnUNetTrainerSeconds", device=torch.device("cpu"))
    predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
    folder = get_output_folder(dataset, "nnUNetTrainerSeconds", "nnUNetPlans", configuration)
    predictor.initialize_from_trained_model_folder(folder, use_folds=folds)
    from nnunetv2.paths import nnUNet_raw

    (images,) = Path(str(nnUNet_raw)).glob(f"Dataset{dataset:03}_*/imagesTs")
    Path(out).mkdir()
    predictor.predict_from_files_sequential(str(images), out)
    print(f"\nRESULT {folder}")


def smaller(configuration):
    """nnU-Net plans for a GPU; a user may write other numbers into the plans, as here."""
    import json

    from nnunetv2.paths import nnUNet_preprocessed

    (file,) = Path(str(nnUNet_preprocessed)).glob("Dataset*/nnUNetPlans.json")
    plans = json.loads(file.read_text())
    network = plans["configurations"][configuration]["architecture"]["arch_kwargs"]
    network["features_per_stage"] = [min(4 * 2**stage, 16) for stage in range(network["n_stages"])]
    file.write_text(json.dumps(plans))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], tuple(map(int, sys.argv[4:])))

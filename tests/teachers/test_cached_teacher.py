# SPDX-License-Identifier: Apache-2.0
import multiprocessing

import pytest
import torch
from monai.inferers import SimpleInferer, SlidingWindowInferer
from torch import nn

from monai_kd import CachedTeacher, LiveTeacher
from monai_kd.teachers.content_keys import image_keys

LAYERS = ("", "0")


def network(seed=0, width=4):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width), nn.Dropout(0.5), nn.Conv2d(width, 2, 1)
    )


def images(count=6, side=8):
    return torch.randn(count, 1, side, side, generator=torch.Generator().manual_seed(1))


class Counting(nn.Module):
    """Counts the images that a network is run on."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.count = inner, 0

    def forward(self, image):
        self.count += len(image)
        return self.inner(image)


def live(image, teacher=None, layers=LAYERS, inferer=None):
    with LiveTeacher(teacher or network(), layers) as opened:
        return opened(image, inferer)


def test_gives_what_the_live_teacher_gives_and_runs_it_once_for_each_image():
    teacher, batch = Counting(network()), images()
    with CachedTeacher(teacher, ["", "inner.0"]) as cached:
        for order in ([0, 1, 2], [2, 3, 3], [5, 4, 0], [1, 3, 5]):
            features = cached(batch[order])
            expected = live(batch[order])
            torch.testing.assert_close(features[""], expected[""])
            torch.testing.assert_close(features["inner.0"], expected["0"])
            assert not features[""].requires_grad and not features[""].is_inference()
        assert teacher.count == len(cached) == 6
    assert not any(p.requires_grad for p in teacher.parameters())


def test_images_are_known_by_their_names_and_what_of_them_is_looked_at(monkeypatch):
    batch, names, teacher = images(4, side=16), ["a", "b", "c", "d"], Counting(network())
    read = []
    monkeypatch.setattr(
        "monai_kd.teachers.cached_teacher.image_keys", lambda image: read.append(image[0].numel()) or image_keys(image)
    )
    with CachedTeacher(teacher, [""]) as cached:
        for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
            named = cached(batch[order], names=[names[i] for i in order])
            assert torch.equal(named[""], cached(batch[order])[""])
        assert teacher.count == len(cached) == 4
        assert read == [4, 256, 256, 4, 256]  # whole images once by name, and at each call without names
        # Another image under a known name, and one under two names.
        assert torch.equal(cached(batch.flip(3), names=names)[""], cached(batch.flip(3))[""])
        assert torch.equal(cached(batch, names=names[::-1])[""], cached(batch)[""])
        assert len(cached) == 8


@pytest.mark.parametrize("change", [lambda image: image.roll(1, 3), lambda image: image * 2])
def test_images_of_one_name_that_differ_between_the_pixels_looked_at(change):
    first = torch.zeros(1, 1, 16, 16)
    first[..., 2:4, 2:4] = 1
    with CachedTeacher(network(), [""]) as cached:
        for image in (first, change(first)):
            assert torch.equal(cached(image, names=["a"])[""], cached(image)[""])
        assert len(cached) == 2


def test_one_image_is_exactly_the_live_teachers_in_whatever_batch_it_came():
    batch = images()
    with CachedTeacher(network(), LAYERS) as cached:
        cached(batch[3:])
        features = cached(batch)
    for i in range(6):
        for layer, feature in live(batch[i : i + 1]).items():
            assert torch.equal(features[layer][i : i + 1], feature)


def test_features_on_disk_alone_are_the_same_and_take_no_memory(tmp_path):
    batch, teacher = images(), Counting(network())
    with CachedTeacher(teacher, ["", "inner.0"], folder=tmp_path, in_memory=False) as cached:
        for order in ([0, 1, 2], [2, 3, 3], [5, 4, 0]):
            features = cached(batch[order])
            expected = live(batch[order])
            torch.testing.assert_close(features[""], expected[""])
            torch.testing.assert_close(features["inner.0"], expected["0"])
        assert teacher.count == len(cached) == 6
        assert cached.nbytes == 0


def test_a_file_that_is_removed_is_computed_anew(tmp_path):
    batch, teacher = images(2), Counting(network())
    with CachedTeacher(teacher, [""], folder=tmp_path, in_memory=False) as cached:
        first = cached(batch)
        next(tmp_path.rglob("*.pt")).unlink()
        assert torch.equal(cached(batch)[""], first[""])
    assert teacher.count == 3


def test_features_on_disk_need_a_folder():
    with pytest.raises(ValueError, match="needs a folder"):
        CachedTeacher(network(), LAYERS, in_memory=False)


def test_memory_is_told():
    with CachedTeacher(network(), LAYERS) as cached:
        cached(images(5))
        assert cached.nbytes == 5 * (2 + 4) * 8 * 8 * 4
    with CachedTeacher(network(), LAYERS, dtype=torch.float16) as half:
        half(images(5))
        assert half.nbytes == cached.nbytes / 2


def test_half_precision_errs_by_one_part_in_2048():
    batch = images()
    with CachedTeacher(network(), LAYERS, dtype=torch.float16) as half:
        features = half(batch)
    for layer, feature in live(batch).items():
        assert features[layer].dtype == torch.float32
        error = (features[layer] - feature).abs()
        assert error.max() > 0 and (error <= feature.abs() * 2**-11 + 2**-24).all()


def test_numbers_too_large_for_half_precision_are_refused():
    teacher = network()
    nn.init.constant_(teacher[3].bias, 1e5)
    with (
        pytest.raises(
            ValueError, match=r"Layer '' of the teacher reaches 1e\+05, too large for torch\.float16.*bfloat16"
        ),
        CachedTeacher(teacher, LAYERS, dtype=torch.float16) as half,
    ):
        half(images(1))


def test_a_folder_serves_later_runs_without_the_network(tmp_path):
    with CachedTeacher(network(), LAYERS, folder=tmp_path) as first:
        expected = first(images())
    teacher = network()
    teacher.forward = None  # would fail if it were called
    with CachedTeacher(teacher, LAYERS, folder=tmp_path) as second:
        found = second(images())
    assert all(torch.equal(found[layer], expected[layer]) for layer in LAYERS)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".pt"]


@pytest.mark.parametrize(
    ("teacher", "inferer", "dtype"),
    [
        (network(seed=1), None, None),
        (network(), SlidingWindowInferer(roi_size=4, overlap=0.5), None),
        (network(), None, torch.bfloat16),
    ],
    ids=["other weights", "another inferer", "another precision"],
)
def test_what_was_kept_for_another_teacher_is_never_used(teacher, inferer, dtype, tmp_path):
    with CachedTeacher(network(), [""], folder=tmp_path) as former:
        former(images(), SlidingWindowInferer(roi_size=4, overlap=0.25))
        former(images())
    with CachedTeacher(teacher, [""], folder=tmp_path, dtype=dtype) as cached:
        found = cached(images(), inferer)[""]
    tolerance = {"atol": 2e-2, "rtol": 1e-2} if dtype else {}
    torch.testing.assert_close(found, live(images(), teacher, [""], inferer)[""], **tolerance)
    if dtype:
        assert not torch.equal(found, live(images(), teacher, [""])[""])


def test_a_further_layer_is_computed():
    with CachedTeacher(network(), LAYERS) as cached:
        assert set(cached(images())) == set(LAYERS)
    with CachedTeacher(network(), [*LAYERS, "1"]) as cached:
        assert set(cached(images())) == {*LAYERS, "1"}


def test_weights_that_change_in_a_run_are_refused():
    teacher = network()
    with CachedTeacher(teacher, LAYERS) as cached:
        cached(images())
        with torch.no_grad():
            teacher[0].weight.mul_(0.9)
        with pytest.raises(ValueError, match=r"weights changed.*must be run live"):
            cached(images())
    with cached:
        torch.testing.assert_close(cached(images())[""], live(images(), teacher)[""])


def test_a_teacher_that_was_not_opened_is_refused():
    with pytest.raises(ValueError, match="not opened"):
        CachedTeacher(network(), LAYERS)(images())


def test_windows_of_an_inferer_are_kept_for_the_output_alone():
    inferer = SlidingWindowInferer(roi_size=4, sw_batch_size=3)
    with CachedTeacher(network(), [""]) as cached:
        torch.testing.assert_close(cached(images(), inferer)[""], live(images(), inferer=inferer, layers=[""])[""])
    with CachedTeacher(network(), LAYERS) as cached:
        torch.testing.assert_close(cached(images(), SimpleInferer())["0"], live(images())["0"])
        with pytest.raises(ValueError, match=r"Layer '0' of the teacher gives \d+ samples for one image, the windows"):
            cached(images(), inferer)


def written(folder):
    with CachedTeacher(network(), [""], folder=folder) as cached:
        cached(images(2))
    return sorted(folder.rglob("*.pt"))


def refusal(folder, teacher=None):
    with pytest.raises(ValueError) as caught, CachedTeacher(teacher or network(), [""], folder=folder) as cached:
        cached(images(2))
    return str(caught.value)


def test_a_damaged_file_is_named(tmp_path):
    file = written(tmp_path)[0]
    file.write_bytes(file.read_bytes()[:-100])
    assert f"'{file}' holds no feature of a teacher" in refusal(tmp_path)
    file.unlink()
    assert len(written(tmp_path)) == 2


def test_files_of_other_weights_or_another_image_in_the_wrong_place_are_refused(tmp_path):
    files = written(tmp_path / "a")
    with CachedTeacher(network(seed=1), [""], folder=tmp_path / "b") as other:
        other(images(2))
    folder = next((tmp_path / "b").iterdir())
    files[0].parents[1].rename(tmp_path / "former")
    (tmp_path / "former").rename(tmp_path / "b" / "x")
    (tmp_path / "b" / "x" / "layer_" / files[0].name).replace(folder / "layer_" / files[0].name)
    assert "was written for other weights or settings of the teacher" in refusal(tmp_path / "b", network(seed=1))
    first, second = written(tmp_path / "c")
    first.write_bytes(second.read_bytes())
    assert f"'{first}' was written for another image than its path says" in refusal(tmp_path / "c")


def test_an_unwritable_folder_is_found_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="Cannot write to the folder"):
        CachedTeacher(network(), LAYERS, folder=tmp_path / "file" / "cache")


def _fill(folder, both):
    torch.set_num_threads(1)
    both.wait(120)
    for _ in range(5):
        with CachedTeacher(network(), [""], folder=folder) as cached:
            cached(images())


def test_processes_share_a_folder(tmp_path):
    multiprocessing.set_forkserver_preload([_fill.__module__])
    context = multiprocessing.get_context("forkserver")
    both = context.Barrier(2)
    processes = [context.Process(target=_fill, args=(tmp_path, both), daemon=True) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(written(tmp_path)) == 6


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("storage", [None, "cpu"])
def test_features_stay_on_the_device_or_the_host(storage):
    device = torch.device("cuda")
    with CachedTeacher(network(), LAYERS, device=storage).to(device) as cached:
        features = cached(images().to(device))
        assert features[""].device.type == "cuda"
        torch.testing.assert_close(features[""].cpu(), live(images())[""], atol=1e-2, rtol=1e-2)

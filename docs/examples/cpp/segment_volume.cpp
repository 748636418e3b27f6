// SPDX-License-Identifier: Apache-2.0
// Segments a volume, window by window, with a student that `python -m monai_kd export --raw` wrote:
//
//     segment_volume student.onnx volume.npy 96,96,96 0.5 gaussian mask.npy logits.npy
//
// The volume is a NumPy file of float32, (width, height, depth), prepared as in the export's configs/inference.json.
// The window, the overlap and the mode are "windows" in export.json. Windows are joined as MONAI's sliding window does.

#include <onnxruntime_cxx_api.h>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

using Size = std::array<long long, 3>;  // width, height, depth; depth is next to next in memory

long long voxels(const Size& size) { return size[0] * size[1] * size[2]; }

std::vector<float> read_npy(const std::filesystem::path& path, Size& size) {
    std::ifstream file(path, std::ios::binary);
    unsigned char start[10] = {};  // magic, version, and the length of the header
    file.read(reinterpret_cast<char*>(start), sizeof start);
    std::string header(start[8] + 256 * start[9], ' ');
    file.read(header.data(), header.size());
    const auto shape = std::min(header.find("'shape': ("), header.size());
    char end = 0;
    std::sscanf(header.c_str() + shape, "'shape': (%lld, %lld, %lld%c", &size[0], &size[1], &size[2], &end);
    if (!file || start[6] != 1 || header.find("'<f4'") > shape || header.find("'fortran_order': False") > shape ||
        end != ')' || *std::min_element(size.begin(), size.end()) < 1 || voxels(size) > 1 << 29)
        throw std::runtime_error(path.string() + " is no NumPy file of float32 with 3 axes. Leave out a channel axis.");
    std::vector<float> values(voxels(size));
    if (!file.read(reinterpret_cast<char*>(values.data()), values.size() * sizeof(float)))
        throw std::runtime_error(path.string() + " is cut off. Copy it again.");
    return values;
}

template <class Number>
void write_npy(const std::filesystem::path& path, const char* type, int64_t channels, const Size& size,
               const std::vector<Number>& values) {
    std::string shape = channels ? std::to_string(channels) + ", " : "";
    for (const auto side : size) shape += std::to_string(side) + ", ";
    std::string header = std::string("{'descr': '") + type + "', 'fortran_order': False, 'shape': (" + shape + ")}";
    header.resize(117, ' ');
    std::ofstream file(path, std::ios::binary);
    file << "\x93NUMPY\x01" << '\0' << char(118) << '\0' << header << '\n';
    file.write(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Number));
    if (!file.flush()) throw std::runtime_error("Cannot write " + path.string() + ". Choose another place.");
}

std::vector<long long> starts(long long side, long long window, double overlap) {
    const auto step = std::max(1LL, side == window ? window : static_cast<long long>(window * (1 - overlap)));
    std::vector<long long> places;
    for (long long place = 0;; place += step) {
        places.push_back(std::min(place, side - window));
        if (place + window >= side) return places;
    }
}

std::vector<float> weights(const Size& window, bool is_gaussian) {
    std::vector<float> map;
    for (int x = 0; x < window[0]; ++x)
        for (int y = 0; y < window[1]; ++y)
            for (int z = 0; z < window[2]; ++z) {
                double exponent = 0;
                const int place[] = {x, y, z};
                for (int axis = 0; axis < 3; ++axis)
                    exponent += std::pow((place[axis] - (window[axis] - 1) / 2.0) / (0.125 * window[axis]), 2) / 2;
                map.push_back(is_gaussian ? std::exp(-exponent) : 1);
            }
    const float least = std::max(*std::min_element(map.begin(), map.end()), 1e-3f);
    for (auto& weight : map) weight = std::max(weight, least);
    return map;
}

// The voxel of the volume at each place of a window, or -1 outside.
std::vector<long long> targets(const Size& corner, const Size& window, const Size& size) {
    std::vector<long long> voxel;
    for (auto x = corner[0]; x < corner[0] + window[0]; ++x)
        for (auto y = corner[1]; y < corner[1] + window[1]; ++y)
            for (auto z = corner[2]; z < corner[2] + window[2]; ++z) {
                const bool is_inside = std::min({x, y, z}) >= 0 && x < size[0] && y < size[1] && z < size[2];
                voxel.push_back(is_inside ? (x * size[1] + y) * size[2] + z : -1);
            }
    return voxel;
}

std::vector<Size> corners(const Size& size, const Size& window, double overlap) {
    std::array<std::vector<long long>, 3> places;
    for (int axis = 0; axis < 3; ++axis) {
        const auto padded = std::max(size[axis], window[axis]);  // zeros around a volume smaller than the window
        places[axis] = starts(padded, window[axis], overlap);
        for (auto& place : places[axis]) place -= (padded - size[axis]) / 2;
    }
    std::vector<Size> all;
    for (const auto x : places[0])
        for (const auto y : places[1])
            for (const auto z : places[2]) all.push_back({x, y, z});
    return all;
}

// The weighted mean of the logits of all windows, channel by channel.
std::vector<float> run(Ort::Session& session, const std::vector<float>& volume, const Size& size, const Size& window,
                       double overlap, const std::vector<float>& weight) {
    std::vector<float> part(voxels(window)), logits, total(volume.size());
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const std::array<int64_t, 5> shape{1, 1, window[0], window[1], window[2]};
    const auto image = Ort::Value::CreateTensor<float>(memory, part.data(), part.size(), shape.data(), shape.size());
    const char *inputs[] = {"image"}, *outputs[] = {"logits"};
    for (const auto& corner : corners(size, window, overlap)) {
        const auto target = targets(corner, window, size);
        for (size_t i = 0; i < part.size(); ++i) part[i] = target[i] < 0 ? 0 : volume[target[i]];
        const auto answers = session.Run(Ort::RunOptions{}, inputs, &image, 1, outputs, 1);
        const auto* answer = answers[0].GetTensorData<float>();
        const auto got = answers[0].GetTensorTypeAndShapeInfo().GetShape();
        if (!std::equal(shape.begin() + 2, shape.end(), got.begin() + 2, got.end()))
            throw std::runtime_error("The student cannot take this window. Give it the roi_size of export.json.");
        logits.resize(got[1] * volume.size());
        for (size_t i = 0; i < part.size(); ++i) {
            if (target[i] < 0) continue;
            total[target[i]] += weight[i];
            for (int64_t channel = 0; channel < got[1]; ++channel)
                logits[channel * volume.size() + target[i]] += weight[i] * answer[channel * part.size() + i];
        }
    }
    for (size_t i = 0; i < logits.size(); ++i) logits[i] /= total[i % volume.size()];
    return logits;
}

std::vector<uint8_t> classes(const std::vector<float>& logits, size_t count) {
    std::vector<uint8_t> mask(count);
    if (logits.size() == count)  // a sigmoid's
        std::transform(logits.begin(), logits.end(), mask.begin(), [](float logit) { return logit >= 0; });
    for (size_t i = count; i < logits.size(); ++i)
        if (logits[i] > logits[mask[i % count] * count + i % count]) mask[i % count] = i / count;
    return mask;
}

int main(int count, char** words) try {
    Size window{}, size{};
    const std::string mode = count == 8 ? words[5] : "";
    const double overlap = count == 8 ? std::atof(words[4]) : -1;
    if (count != 8 || std::sscanf(words[3], "%lld,%lld,%lld", &window[0], &window[1], &window[2]) != 3 ||
        *std::min_element(window.begin(), window.end()) < 1 || overlap < 0 || overlap >= 1 ||
        (mode != "gaussian" && mode != "constant"))
        throw std::runtime_error(
            "Usage: segment_volume student.onnx volume.npy 96,96,96 0.5 gaussian|constant mask.npy logits.npy");
    Ort::Env environment(ORT_LOGGING_LEVEL_WARNING, "monai_kd");
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1);
    Ort::Session session(environment, std::filesystem::path(words[1]).c_str(), options);
    const auto volume = read_npy(words[2], size);
    const auto logits = run(session, volume, size, window, overlap, weights(window, mode == "gaussian"));
    write_npy(words[6], "|u1", 0, size, classes(logits, volume.size()));
    write_npy(words[7], "<f4", logits.size() / volume.size(), size, logits);
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
}

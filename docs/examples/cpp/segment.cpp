// SPDX-License-Identifier: Apache-2.0
// Segments a gray picture with a student that `python -m monai_kd export` wrote:
//
//     segment student.onnx picture.pgm mask.pgm
//
// Pictures are PGM files of 8 bits, which ImageMagick and Pillow write. The mask is 255 inside the lesion, 0 outside.

#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

struct Picture {
    int64_t width = 0, height = 0;
    std::vector<uint8_t> pixels;  // row by row
};

int64_t read_number(std::istream& file) {  // a header may hold comments
    while ((file >> std::ws).peek() == '#') file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
    int64_t number = 0;
    file >> number;
    return number;
}

Picture read_pgm(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::string kind(2, ' ');
    file.read(kind.data(), 2);
    Picture picture;
    picture.width = read_number(file);
    picture.height = read_number(file);
    const int64_t white = read_number(file);
    const bool is_plausible = std::clamp<int64_t>(picture.width, 1, 8192) == picture.width &&
                              std::clamp<int64_t>(picture.height, 1, 8192) == picture.height;
    if (!file || kind != "P5" || white != 255 || !is_plausible)
        throw std::runtime_error(path.string() + " is no PGM picture of 8 bits. Convert it: convert a.png a.pgm");
    picture.pixels.resize(picture.width * picture.height);
    file.ignore(1);
    if (!file.read(reinterpret_cast<char*>(picture.pixels.data()), picture.pixels.size()))
        throw std::runtime_error(path.string() + " is cut off. Copy it again.");
    return picture;
}

void write_pgm(const std::filesystem::path& path, const Picture& picture) {
    std::ofstream file(path, std::ios::binary);
    file << "P5\n" << picture.width << ' ' << picture.height << "\n255\n";
    file.write(reinterpret_cast<const char*>(picture.pixels.data()), picture.pixels.size());
    if (!file.flush()) throw std::runtime_error("Cannot write " + path.string() + ". Choose another place.");
}

Picture segment(Ort::Session& session, Picture& picture) {
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const std::array<int64_t, 4> shape{1, 1, picture.height, picture.width};
    const auto image = Ort::Value::CreateTensor<uint8_t>(
        memory, picture.pixels.data(), picture.pixels.size(), shape.data(), shape.size());
    const char* inputs[] = {"image"};
    const char* outputs[] = {"mask"};  // or "probabilities": float, (1, classes, height, width)
    const auto answers = session.Run(Ort::RunOptions{}, inputs, &image, 1, outputs, 1);
    Picture mask{picture.width, picture.height, {}};
    const auto* classes = answers[0].GetTensorData<uint8_t>();
    for (size_t i = 0; i < picture.pixels.size(); ++i) mask.pixels.push_back(classes[i] > 0 ? 255 : 0);
    return mask;
}

int main(int count, char** words) try {
    if (count != 4) throw std::runtime_error("Usage: segment student.onnx picture.pgm mask.pgm");
    Ort::Env environment(ORT_LOGGING_LEVEL_WARNING, "monai_kd");
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(1);
    Ort::Session session(environment, std::filesystem::path(words[1]).c_str(), options);
    Picture picture = read_pgm(words[2]);
    write_pgm(words[3], segment(session, picture));
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
